"""framework top"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from framework.cli.faults import CommandFault
from framework.cli.options import Duration, complete_groups, with_labels, with_labels_in, with_server
from framework.cli.output import note, plural, print_json, print_table, size
from framework.cli.retrying import NoScheduler
from framework.cli.server import Answer, Server
from framework.exits import CliExit

_WORDS = {"task": ["TASK", "GROUP", "SLOT", "AGENT"], "group": ["GROUP", "TASKS"], "agent": ["AGENT", "TASKS"]}
_AMOUNTS = ("cpus", "cpus_wanted", "mem_bytes", "mem_wanted_bytes", "net_rx_bytes", "net_tx_bytes")
_MORE = ("block_read_bytes", "block_write_bytes", "oom_kills")
_OTHER_LINES = 4
"""Lines of the screen that hold no task: the head of the table, what it says of silent agents, and the cursor's own."""
_CLEAR = "\x1b[H\x1b[J"


@click.command()
@click.argument("pattern", default="", shell_complete=complete_groups)
@with_labels
@click.option("--by", type=click.Choice(["task", "group", "agent"]), default="task", help="What a line is.  [task]")
@click.option("--sort", type=click.Choice(["cpu", "mem", "net"]), default="cpu", help="What comes first.  [cpu]")
@click.option("-n", "--lines", type=click.IntRange(1), metavar="N", help="So many lines.  [as the terminal has]")
@click.option("--every", type=Duration(), default="5s", metavar="DURATION", help="How often it is looked at.  [5s]")
@click.option("--once", is_flag=True, help="Print it once; so it is where standard output is no terminal.")
@with_server
def top(
    pattern: str,
    labels: str,
    by: str,
    sort: str,
    lines: int | None,
    every: float,
    once: bool,
    server: Server,
    as_json: bool,
) -> None:
    """Show what tasks use, the greediest first.

    PATTERN is a stack, stack/service or stack/service[label,…], where * and ? stand for anything. CPU is in cores, CPU%
    and MEM% are of what the group asks for. NET and BLOCK are all that came in and went out since a task began; where
    the table goes on, NET is a second's. Ctrl-C ends it.
    """
    pattern = with_labels_in(pattern, labels)
    answer = server.get("/v1/usage", pattern=pattern)
    if as_json:
        print_json(answer)
        return
    nothing = not answer["tasks"] and not answer["silent"]
    if nothing and pattern and not server.get("/v1/groups", pattern=pattern)["groups"]:
        raise CommandFault(f"No group matches {pattern}. `framework ls` lists stacks.", CliExit.REFUSED)
    if once or not sys.stdout.isatty():
        _show(_Picture(answer=answer, by=by, sort=sort), lines)
        return
    _go_on(server, pattern, _Picture(answer=answer, by=by, sort=sort), lines, max(every, 1.0))


def _go_on(server: Server, pattern: str, picture: _Picture, lines: int | None, every: float) -> None:
    problem = ""
    while True:
        click.echo(_CLEAR, nl=False)
        _show(picture, lines or max(shutil.get_terminal_size().lines - _OTHER_LINES, 1))
        if problem:
            note(problem)
        time.sleep(every)
        try:
            answer, problem = server.get("/v1/usage", pattern=pattern), ""
        except NoScheduler as fault:
            problem = fault.message.partition("\n")[0]
            continue
        picture = _Picture(answer=answer, by=picture.by, sort=picture.sort, before=picture.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """The table to show. With the answer `before` network figures are per second, else totals."""

    answer: Answer
    by: str
    sort: str
    before: Answer | None = None

    def rows(self) -> list[list[str]]:
        """The lines of the table, the greediest first."""
        sums = [_summed(key, lines) for key, lines in self._parts().items()]
        sums.sort(key=lambda one: (-one[_SORTED[self.sort]], one["key"]))
        return [self._row(one) for one in sums]

    @property
    def headers(self) -> list[str]:
        """Its head."""
        net = ["NET IN/s", "NET OUT/s"] if self.before else ["NET IN", "NET OUT"]
        return [*_WORDS[self.by], "CPU", "CPU%", "MEM", "MEM%", *net, "BLOCK IN", "BLOCK OUT", "OOM"]

    def _parts(self) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
        earlier = {line["task"]: line for line in self.before["tasks"]} if self.before else {}
        seconds = self.answer["at"] - self.before["at"] if self.before else 0.0
        parts: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for line in self.answer["tasks"]:
            told = _rates(line, earlier.get(line["task"]), seconds) if self.before else line
            parts.setdefault(self._key(line), []).append(told)
        return parts

    def _key(self, line: Answer) -> tuple[str, ...]:
        if self.by == "task":
            return line["task"].rpartition(".")[2], line["group"], str(line["slot"]), line["agent"]
        return (line[self.by],)

    def _row(self, one: Mapping[str, Any]) -> list[str]:
        head = list(one["key"]) if self.by == "task" else [*one["key"], str(one["tasks"])]
        return [
            *head,
            f"{one['cpus']:.2f}" if one["has_cpus"] else "",
            _share(one["cpus"], one["cpus_wanted"]) if one["has_cpus"] else "",
            size(int(one["mem_bytes"])),
            _share(one["mem_bytes"], one["mem_wanted_bytes"]),
            *(size(int(one[name])) for name in ("net_rx_bytes", "net_tx_bytes")),
            *(size(int(one[name])) for name in ("block_read_bytes", "block_write_bytes")),
            str(int(one["oom_kills"])),
        ]


_SORTED = {"cpu": "cpus", "mem": "mem_bytes", "net": "net_bytes"}


def _summed(key: tuple[str, ...], lines: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The sums over all lines; a missing figure counts as nothing."""
    sums: dict[str, Any] = {name: sum(line[name] or 0 for line in lines) for name in (*_AMOUNTS, *_MORE)}
    sums["net_bytes"] = sums["net_rx_bytes"] + sums["net_tx_bytes"]
    return {**sums, "key": key, "tasks": len(lines), "has_cpus": any(line["cpus"] is not None for line in lines)}


def _rates(line: Answer, before: Answer | None, seconds: float) -> Mapping[str, Any]:
    """The line with what the network carried a second; nothing of a task that has just come."""
    rates = {}
    for name in ("net_rx_bytes", "net_tx_bytes"):
        was, now = (before or {}).get(name), line[name]
        rates[name] = max(now - was, 0) / seconds if seconds > 0 and was is not None and now is not None else 0
    return {**line, **rates}


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}%" if whole else ""


def _show(picture: _Picture, lines: int | None) -> None:
    answer, rows = picture.answer, picture.rows()
    if answer["problem"]:
        note(answer["problem"])
    if rows:
        print_table(picture.headers, rows[:lines])
    elif not answer["silent"]:
        note("No task runs. `framework ps` shows what there is.")
    _tell_silent(answer["silent"])


def _tell_silent(silent: Iterable[Answer]) -> None:
    for line in silent:
        note(f"{plural(line['tasks'], 'task')} on {line['agent']} left out: {line['why']}")
