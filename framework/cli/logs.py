"""framework logs"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import click

from framework.cli.faults import CommandFault
from framework.cli.options import complete_tasks, with_labels, with_labels_in, with_server
from framework.cli.output import note
from framework.cli.server import NoScheduler, Refused, Server, path_of, printable
from framework.cli.story import is_task
from framework.exits import CliExit

_PAUSE_SECONDS = 0.7
_LOOK_SECONDS = 3.0
_LINES_OF_MANY = 10
_MOST_TASKS = 50
_NOT_FOUND = 404


@click.command()
@click.argument("what", metavar="TASK|PATTERN", shell_complete=complete_tasks)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written.")
@click.option("-n", "--lines", type=click.IntRange(0, 10_000), metavar="N", help="Begin with the last N lines.")
@click.option("--stdout", "stream", flag_value="stdout", help="Only standard output.")
@click.option("--stderr", "stream", flag_value="stderr", help="Only standard error.")
@with_labels
@with_server
def logs(
    what: str,
    follow: bool,
    lines: int | None,
    stream: str | None,
    labels: str,
    server: Server,
    as_json: bool,
) -> None:
    """Show what tasks have written.

    TASK is an id or the number at its end. With a PATTERN each line begins with its task, and the last 10 lines of each
    are shown unless -n says otherwise. What was written to standard error comes on standard error. With --json each
    piece is one line.
    """
    pattern = "" if is_task(what) else with_labels_in(what, labels)
    task_ids = _tasks(server, pattern) if pattern else [str(server.get(path_of("tasks", what))["id"])]
    if not task_ids and not follow:
        raise CommandFault(f"No task runs in {pattern}. `framework ps -a {pattern}` lists ended ones.", CliExit.REFUSED)
    if pattern and len(task_ids) > 1 and lines is None:
        lines = _LINES_OF_MANY
    streams = (stream,) if stream else ("stdout", "stderr")
    show = _Show(as_json=as_json, with_task=bool(pattern))
    tails = {task_id: [_Tail(server, task_id, name, show, lines) for name in streams] for task_id in task_ids}
    for ours in tails.values():
        _read_first(ours)
    if follow:
        _follow(server, pattern, tails, streams, show)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Show:
    as_json: bool
    with_task: bool

    def piece(self, answer: dict[str, Any]) -> None:
        """Prints what was read, whole lines with their task in front where there are several tasks."""
        if self.as_json:
            click.echo(json.dumps(answer, ensure_ascii=False))
            return
        text = answer["data"]
        if self.with_task:
            task = answer["task"]
            text = "".join(f"{task} | {printable(line)}\n" for line in text.splitlines())
        click.echo(text, nl=False, err=answer["stream"] == "stderr")


class _Tail:
    """One stream of one task, read from where it was left."""

    def __init__(self, server: Server, task_id: str, stream: str, show: _Show, lines: int | None) -> None:
        self.task_id = task_id
        self._server = server
        self._stream = stream
        self._show = show
        self._lines = lines
        self._offset = 0
        self._rest = ""

    def read(self) -> None:
        """Prints what is there; raises Refused where there is no log."""
        while True:
            tail = self._lines
            answer = self._server.get(
                path_of("tasks", self.task_id, "logs"),
                stream=self._stream,
                offset=None if tail is not None else self._offset,
                tail=tail,
            )
            self._lines = None
            self._offset = answer["next_offset"]
            if answer["data"]:
                self._print(answer)
            if not answer["data"] or tail is not None:
                return

    def flush(self) -> None:
        """Prints a last line that has no end."""
        if self._rest:
            self._show.piece({"task": self.task_id, "stream": self._stream, "data": self._rest})
            self._rest = ""

    def _print(self, answer: dict[str, Any]) -> None:
        if not self._show.with_task or self._show.as_json:
            self._show.piece(answer)
            return
        whole, end, self._rest = (self._rest + answer["data"]).rpartition("\n")
        if end:
            self._show.piece({**answer, "data": whole + end})


def _tasks(server: Server, pattern: str) -> list[str]:
    answer = server.get("/v1/tasks", pattern=pattern)
    found = [str(task["id"]) for task in answer["tasks"]]
    if len(found) > _MOST_TASKS:
        note(f"{len(found)} tasks match; these are the first {_MOST_TASKS}.")
    return found[:_MOST_TASKS]


def _read_first(tails: list[_Tail]) -> None:
    """Reads all streams of a task; complains only where none of them is there."""
    refusals: list[Refused] = []
    for tail in tails:
        try:
            tail.read()
        except Refused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            refusals.append(refusal)
        tail.flush()
    if len(refusals) == len(tails):
        note(refusals[0].message)


def _follow(server: Server, pattern: str, tails: dict[str, list[_Tail]], streams: tuple[str, ...], show: _Show) -> None:
    looked = time.monotonic()
    problem = ""
    while tails or pattern:
        time.sleep(_PAUSE_SECONDS)
        is_time = time.monotonic() - looked > _LOOK_SECONDS
        try:
            live = _live(server, pattern, tails) if is_time else None
            for ours in list(tails.values()):
                _read_again(ours)
            problem = ""
        except (NoScheduler, Refused) as fault:
            # What broke may mend; each new reason is said once.
            if fault.message != problem:
                note(f"{fault.message}\nTrying again; Ctrl-C ends this.")
            problem = fault.message
            continue
        if live is None:
            continue
        looked = time.monotonic()
        for task_id in [task_id for task_id in tails if task_id not in live]:
            for tail in tails.pop(task_id):
                tail.flush()
            note(f"{task_id} has ended.")
        for task_id in live:
            if task_id not in tails:
                tails[task_id] = [_Tail(server, task_id, name, show, None) for name in streams]


def _live(server: Server, pattern: str, tails: dict[str, list[_Tail]]) -> list[str]:
    if pattern:
        return _tasks(server, pattern)
    return [task_id for task_id in tails if _is_live(server, task_id)]


def _is_live(server: Server, task_id: str) -> bool:
    try:
        return server.get(path_of("tasks", task_id))["ended_at"] is None
    except Refused as refusal:
        if refusal.status == _NOT_FOUND:
            return False  # so long ended that it is no longer kept
        raise


def _read_again(tails: list[_Tail]) -> None:
    for tail in tails:
        try:
            tail.read()
        except Refused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
