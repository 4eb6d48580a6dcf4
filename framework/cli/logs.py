"""framework logs"""

from __future__ import annotations

import time
from dataclasses import dataclass

import click

from framework.cli.faults import CommandFault
from framework.cli.log_output import LogOutput
from framework.cli.options import Moment, complete_tasks, with_labels, with_labels_in, with_server
from framework.cli.output import note, size
from framework.cli.retrying import NoScheduler
from framework.cli.server import RequestRefused, Server, path_of
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
@click.option("--since", type=Moment(), metavar="TIME", help="Begin with what was written then: 10m ago, or 09:30.")
@click.option("-a", "--all", "with_ended", is_flag=True, help="Of ended tasks too, as far as they are kept.")
@click.option("--stdout", "stream", flag_value="stdout", help="Only standard output.")
@click.option("--stderr", "stream", flag_value="stderr", help="Only standard error.")
@with_labels
@with_server
def logs(
    what: str,
    follow: bool,
    lines: int | None,
    since: float | None,
    with_ended: bool,
    stream: str | None,
    labels: str,
    server: Server,
    as_json: bool,
) -> None:
    """Show what tasks have written.

    TASK is an id or the number at its end. With a PATTERN each line begins with its task, and the last 10 lines of each
    are shown unless -n or --since says otherwise; -f goes on with all of them, and with those that start later. What
    was written to standard error comes on standard error. With --json each piece is one line.
    """
    if lines is not None and since is not None:
        raise click.UsageError("-n and --since both say where to begin; give one of them")
    pattern = "" if is_task(what) else with_labels_in(what, labels)
    task_ids = _tasks(server, pattern, with_ended) if pattern else [str(server.get(path_of("tasks", what))["id"])]
    if not task_ids and not follow:
        hint = "It has no task that is kept." if with_ended else f"`framework logs -a {pattern}` shows ended ones."
        raise CommandFault(f"No task runs in {pattern}. {hint}", CliExit.REFUSED)
    if pattern and len(task_ids) > 1 and lines is None and since is None:
        lines = _LINES_OF_MANY
    streams = (stream,) if stream else ("stdout", "stderr")
    output = LogOutput(as_json=as_json, with_task=bool(pattern))
    start = _Start(lines=lines, since=since)
    tails = {task_id: [_Tail(server, task_id, name, output, start) for name in streams] for task_id in task_ids}
    try:
        for ours in tails.values():
            _read_first(ours)
        if follow:
            _follow(server, pattern, tails, streams, output)
    finally:
        output.flush_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where a log is begun with: its last lines, what was written since then, or its beginning."""

    lines: int | None = None
    since: float | None = None

    @property
    def is_beginning(self) -> bool:
        return self.lines is None and self.since is None


_BEGINNING = _Start()


class _Tail:
    """One stream of one task, read from where it was left."""

    def __init__(self, server: Server, task_id: str, stream: str, output: LogOutput, start: _Start) -> None:
        self.task_id = task_id
        self._server = server
        self._stream = stream
        self._output = output
        self._start = start
        self._offset = 0

    def read(self) -> None:
        """Prints what is there; raises RequestRefused where there is no log."""
        while True:
            start, self._start = self._start, _BEGINNING
            try:
                answer = self._server.get(
                    path_of("tasks", self.task_id, "logs"),
                    stream=self._stream,
                    offset=self._offset if start.is_beginning else None,
                    tail=start.lines,
                    since=start.since,
                    encoding=self._output.encoding,
                )
            except (NoScheduler, RequestRefused):
                self._start = start
                raise
            gone = answer["offset"] - self._offset
            if self._offset and gone > 0:
                note(f"{self.task_id}: {size(gone)} of {self._stream} were rotated away before they were read.")
            self._offset = answer["next_offset"]
            if answer["data"]:
                self._output.write(answer)
            if not answer["data"] or start.lines is not None:
                return

    def flush(self) -> None:
        """Prints what was kept back: a last line that has no end, or the beginning of a character."""
        self._output.flush(self.task_id, self._stream)


def _tasks(server: Server, pattern: str, with_ended: bool) -> list[str]:
    answer = server.get("/v1/tasks", pattern=pattern, all=with_ended)
    found = [str(task["id"]) for task in answer["tasks"]]
    if len(found) > _MOST_TASKS:
        note(f"{len(found)} tasks match; these are the first {_MOST_TASKS}.")
    return found[:_MOST_TASKS]


def _read_first(tails: list[_Tail]) -> None:
    """Reads all streams of a task; complains only where none of them is there."""
    refusals: list[RequestRefused] = []
    for tail in tails:
        try:
            tail.read()
        except RequestRefused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            refusals.append(refusal)
        tail.flush()
    if len(refusals) == len(tails):
        note(refusals[0].message)


def _follow(
    server: Server, pattern: str, tails: dict[str, list[_Tail]], streams: tuple[str, ...], output: LogOutput
) -> None:
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
        except (NoScheduler, RequestRefused) as fault:
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
                tails[task_id] = [_Tail(server, task_id, name, output, _BEGINNING) for name in streams]


def _live(server: Server, pattern: str, tails: dict[str, list[_Tail]]) -> list[str]:
    if pattern:
        return _tasks(server, pattern, False)
    return [task_id for task_id in tails if _is_live(server, task_id)]


def _is_live(server: Server, task_id: str) -> bool:
    try:
        return server.get(path_of("tasks", task_id))["ended_at"] is None
    except RequestRefused as refusal:
        if refusal.status == _NOT_FOUND:
            return False  # so long ended that it is no longer kept
        raise


def _read_again(tails: list[_Tail]) -> None:
    for tail in tails:
        try:
            tail.read()
        except RequestRefused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
