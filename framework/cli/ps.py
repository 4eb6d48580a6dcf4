"""framework ps"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_groups, with_labels, with_labels_in, with_server
from framework.cli.output import note, plural, print_json, print_table, since, size, state_text
from framework.cli.server import Answer, Server
from framework.exits import CliExit
from specs.states import TERMINAL

_HEADERS = ["TASK", "GROUP", "SLOT", "STATE", "HEALTH", "AGENT", "ENDPOINTS", "SINCE", "MESSAGE"]


@click.command()
@click.argument("pattern", default="", shell_complete=complete_groups)
@click.option("-a", "--all", "with_ended", is_flag=True, help="Show ended tasks too, as far as they are kept.")
@with_labels
@with_server
def ps(pattern: str, with_ended: bool, labels: str, server: Server, as_json: bool) -> None:
    """List tasks, and slots that wait for one.

    PATTERN is a stack, stack/service or stack/service[label,…], where * and ? stand for anything. TASK is the number at
    the end of a task's id, which `framework logs` and `framework info` take.
    """
    pattern = with_labels_in(pattern, labels)
    answer = server.get("/v1/tasks", pattern=pattern, all=with_ended)
    if as_json:
        print_json(answer)
        return
    if answer["problem"]:
        note(answer["problem"])
    if not answer["tasks"] and not answer["waiting"]:
        _explain_nothing(server, pattern, with_ended)
        return
    rows = [(_place(line), _task_row(line, answer["at"])) for line in answer["tasks"]]
    rows += [(_place(line), _waiting_row(line, last, answer["at"])) for line, last in _runs(answer["waiting"])]
    print_table(_HEADERS, [row for _, row in sorted(rows)])
    for line in answer["scaling"]:
        note(f"{line['group']} is scaled by its load ({line['targets']}): {line['sentence']}")
    unplaced = next((line["group"] for line in answer["waiting"] if line.get("is_unplaced")), "")
    if unplaced:
        note(explain_hint(unplaced))


def explain_hint(group: str) -> str:
    """How to learn more of what a group waits for."""
    return f"`framework explain {group}` tells why, agent by agent, and what would help."


def _place(line: Answer) -> tuple[str, str, list[str], int, float]:
    return line["stack"], line["service"], line["labels"], line["slot"], -line.get("since", 0.0)


def _task_row(line: Answer, now: float) -> list[str]:
    return [
        line["id"].rpartition(".")[2],
        line["group"],
        str(line["slot"]),
        state_text(line["state"]),
        "" if line["state"] in TERMINAL else health_text(line),
        line["agent"],
        " ".join(line["endpoints"]),
        since(now - line["since"]),
        _message(line),
    ]


def health_text(line: Answer) -> str:
    """HEALTHY, UNHEALTHY, UNKNOWN; where there is more to ask of one that is not unhealthy: READY, NOT READY; "" where
    there is nothing to ask."""
    health: str = line["health"]
    if line["readiness"] != "NONE" and health in ("NONE", "HEALTHY"):
        return "READY" if line["readiness"] == "READY" else "NOT READY"
    return "" if health == "NONE" else health


def _message(line: Answer) -> str:
    parts = []
    if line["replaces"]:
        parts.append(f"replaces {line['replaces'].rpartition('.')[2]}")
    if line["is_applying"]:
        parts.append("is getting new settings")
    if line["waits"]:
        parts.append(line["waits"])
    if line["is_on_probation"] and line["health"] != "UNHEALTHY" and line["readiness"] != "NOT_READY":
        parts.append("serves as before until its new check has passed")
    if line["progress"]:
        parts.append(progress_text(line["progress"]))
    if line.get("held_up"):
        parts.append(line["held_up"])
    if line["stop_cause"] and line["state"] not in ("FAILED", "FINISHED", "ERROR"):
        parts.append(f"stops: {line['stop_cause']}")
    said: str = line["message"] or line["reason"]
    if said:
        parts.append(said)
    if line["exit_code"] is not None and str(line["exit_code"]) not in said:
        parts.append(f"exit code {line['exit_code']}")
    return "; ".join(parts)


def progress_text(progress: dict[str, Any]) -> str:
    """pulling 12.0 MiB of 40.1 MiB"""
    done, total = progress["done_bytes"], progress["total_bytes"]
    amount = f" {size(done)} of {size(total)}" if total else f" {size(done)}" if done else ""
    return f"{progress['stage']}{amount}"


def _runs(waiting: list[Answer]) -> Iterator[tuple[Answer, int]]:
    """Neighbouring slots that wait for the same: the first of them, and the last one's number."""
    first: Answer | None = None
    last = 0
    for line in waiting:
        if first and (line["group"], line["slot"], line["cause"]) == (first["group"], last + 1, first["cause"]):
            last = line["slot"]
            continue
        if first:
            yield first, last
        first, last = line, line["slot"]
    if first:
        yield first, last


def _waiting_row(line: Answer, last: int, now: float) -> list[str]:
    slots = str(line["slot"]) if last == line["slot"] else f"{line['slot']}-{last}"
    return [
        "",
        line["group"],
        slots,
        "FAILED" if line["is_final"] else "WAITING",
        "",
        "",
        "",
        "",
        cause_text(line, now),
    ]


def cause_text(line: Answer, now: float) -> str:
    """Why slots wait, with what is left of a wait: waits 12s (of 30s, 4 failures) after: exit code 1"""
    backoff, until = line["backoff"], line["until"]
    if backoff and backoff["until"] > now:
        times = plural(backoff["failures"], "failure")
        left, delay = since(backoff["until"] - now), since(backoff["delay_seconds"])
        return f"waits {left} (of {delay}, {times}) after: {backoff['cause']}"
    again = f" (in {since(until - now)})" if until and until > now else ""
    return f"{line['cause']}{again}"


def _explain_nothing(server: Server, pattern: str, with_ended: bool) -> None:
    groups = server.get("/v1/groups", pattern=pattern)["groups"]
    if groups:
        stopped = sum(group["is_stopped"] for group in groups)
        hint = "`framework start` starts them" if stopped == len(groups) else "no task is desired now"
        note(f"No task runs: {hint}." + ("" if with_ended else " With -a the ended ones are shown."))
        return
    if not pattern:
        note("No task runs: there is no stack yet. `framework submit FILE` makes one.")
        return
    names = sorted({group["group"] for group in server.get("/v1/groups")["groups"]})
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    raise CommandFault(f"No group matches {pattern}. There {f'are {listed}' if names else 'is none'}.", CliExit.REFUSED)
