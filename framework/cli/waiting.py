"""Waiting until groups are as they were asked to be, and saying what for."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from framework.cli.faults import CommandFault
from framework.cli.output import cell, note, plural, since
from framework.cli.ps import cause_text, explain_hint, progress_text
from framework.cli.retrying import NoScheduler
from framework.cli.server import Answer, Server
from framework.exits import CliExit

_PAUSE_SECONDS = 0.4
_SHOWN = 20
_HINT_AFTER_SECONDS = 10.0
"""A group that fits on no agent for so long: people are told where to look."""
ONE_TIME = 0.0
"""The time for texts that are compared: before every end of a wait, so that what is left of it is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A group at a moment: one word, and what is to be said of it."""

    group: str
    word: str
    text: str
    timeless: str = ""
    """The text as it would be at one fixed time: it stays the same while nothing but time passes."""
    is_done: bool
    failure: str = ""
    is_unplaced: bool = False

    def __str__(self) -> str:
        return f"{self.group}: {self.word}" + (f": {self.text}" if self.text else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The groups to wait for: all that match `pattern`, of stacks that have at least `index`."""

    server: Server
    pattern: str
    index: int
    timeout_seconds: float
    is_removal: bool = False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> None:
        """Returns when all is done; ends the command by a fault when that will not be, or not in time."""
        farewell = f"No longer waiting. The work goes on; `framework ps {self.pattern}` shows how far it is."
        with shown(farewell) as display:
            self._run(display)

    def _run(self, display: Display) -> None:
        begun = self.clock()
        deadline = begun + self.timeout_seconds
        lines: list[Line] = []
        while True:
            problem, silence = "", None
            try:
                answer = self.server.get("/v1/groups", pattern=self.pattern)
            except NoScheduler as fault:
                silence = fault
                problem = fault.message.partition("\n")[0]
            else:
                problem = answer["problem"]
                lines = [_line(group, self.index, answer["at"], self.is_removal) for group in answer["groups"]]
                if self._is_over(lines, display):
                    return
            if self.clock() >= deadline:
                display.close()
                raise self._gave_up(lines, problem, silence)
            is_long = self.clock() - begun >= _HINT_AFTER_SECONDS
            display.show(lines, problem, _hint(lines) if is_long else "")
            self.sleep(_PAUSE_SECONDS)

    def _is_over(self, lines: list[Line], display: Display) -> bool:
        if not lines:
            if self.is_removal:
                return True
            raise CommandFault(f"{self.pattern} is no longer there: somebody removed it meanwhile.", CliExit.REFUSED)
        failed = [line for line in lines if line.failure]
        if failed:
            display.show(lines, "")
            display.close()
            raise CommandFault("\n".join(f"{line.group} failed: {line.failure}" for line in failed), CliExit.REFUSED)
        if all(line.is_done for line in lines):
            display.show(lines, "")
            return True
        return False

    def _gave_up(self, lines: list[Line], problem: str, silence: NoScheduler | None) -> CommandFault:
        if silence is not None:
            return silence
        waiting = [line for line in lines if not line.is_done]
        said = [f"Gave up waiting after {since(self.timeout_seconds)}; the work goes on. It still waits for:"]
        said += [f"  {line}" for line in waiting[:_SHOWN]]
        said += [f"  and {plural(len(waiting) - _SHOWN, 'more group')}"] if len(waiting) > _SHOWN else []
        said += [f"  {problem}"] if problem else []
        said += [_hint(waiting)] if _hint(waiting) else []
        return CommandFault("\n".join(said), CliExit.GAVE_UP)


class Display(ABC):
    """Shows how a wait goes, on standard error."""

    @abstractmethod
    def show(self, lines: list[Line], problem: str, hint: str = "") -> None:
        """Shows how far each group is, what is in the way, and where to look."""

    def close(self) -> None:  # noqa: B027  # there may be nothing to do
        """Leaves standard error as others want it."""


@contextmanager
def shown(farewell: str) -> Iterator[Display]:
    """A display that is closed whatever happens; who is interrupted is told the farewell."""
    display = Terminal() if sys.stderr.isatty() else Lines()
    try:
        yield display
    except KeyboardInterrupt:
        display.close()
        note(farewell)
        raise
    finally:
        display.close()


class Lines(Display):
    """One line for each change. That a wait has become shorter is none."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, ...]] = {}
        self._has_hinted = False

    def show(self, lines: list[Line], problem: str, hint: str = "") -> None:
        now = [("", problem, (problem,)), *((line.group, str(line), (line.word, line.timeless)) for line in lines)]
        for key, text, said in now:
            if text and self._said.get(key) != said:
                note(text)
            self._said[key] = said
        if hint and not self._has_hinted:
            note(hint)
            self._has_hinted = True


class Terminal(Display):
    """A table that stays in its place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True, highlight=False), refresh_per_second=8, transient=False)
        self._is_started = False

    def show(self, lines: list[Line], problem: str, hint: str = "") -> None:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        if not self._is_started:
            self._live.start()
            self._is_started = True
        table = Table.grid(padding=(0, 2))
        # What is not done first: it is what people look for.
        for line in sorted(lines, key=lambda line: line.is_done)[:_SHOWN]:
            sign = Text("✓", style="green") if line.is_done else Spinner("dots", style="yellow")
            table.add_row(sign, Text(line.group), Text(line.word), Text(line.text, style="dim"))
        if len(lines) > _SHOWN:
            done = sum(line.is_done for line in lines)
            table.add_row("", Text(f"… {done} of {len(lines)} groups are done"), "", "")
        if problem:
            table.add_row(Text("!", style="red"), Text(problem, style="red"), "", "")
        if hint:
            table.add_row("", Text(hint, style="dim"), "", "")
        self._live.update(table)

    def close(self) -> None:
        if self._is_started:
            self._live.stop()
            self._is_started = False


def _line(group: Answer, index: int, now: float, is_removal: bool) -> Line:
    """The line about a group; done only once the scheduler's picture has the change."""
    is_new = group["index"] >= index
    under_way = group["outdated"] + group["applying"] + group["on_probation"] + group["stopping"]
    is_still = under_way == 0 and (group["live"] == 0 or group["wanted"] > 0)
    is_done = is_new and not is_removal and is_still and group["state"] in ("running", "stopped", "finished")
    failed = is_new and group["failed"] > 0
    return Line(
        group=group["group"],
        word=_word(group, is_removal),
        text="" if is_done else _text(group, now),
        timeless="" if is_done else _text(group, ONE_TIME),
        is_done=is_done and not failed,
        failure=_failure(group) if failed else "",
        is_unplaced=any(cause.get("is_unplaced", False) for cause in group["waiting"]),
    )


def _hint(lines: list[Line]) -> str:
    """Where to look for why a group fits nowhere; "" where none is in that way."""
    unplaced = next((line.group for line in lines if line.is_unplaced and not line.is_done), "")
    return explain_hint(unplaced) if unplaced else ""


def _word(group: Answer, is_removal: bool) -> str:
    if group["mode"] == "global" and group["wanted"] == group["live"] == 0 and not (is_removal or group["is_stopped"]):
        return "no agent on which it can run"
    if is_removal or group["wanted"] == 0:
        return f"stopping, {group['live']} left" if group["live"] else "stopped"
    if group["state"] in ("finished", "failed"):
        return "failed" if group["failed"] else str(group["state"])
    return f"{group['ready']}/{group['wanted']} ready"


def _text(group: Answer, now: float) -> str:
    parts = [f"{count} {state.lower()}" for state, count in group["states"].items() if state != "RUNNING"]
    unhealthy = group["states"].get("RUNNING", 0) - group["ready"] - group["outdated"] - group["stopping"]
    parts += [f"{unhealthy} running, not ready yet"] if unhealthy > 0 and group["wanted"] else []
    parts += [f"{group['outdated']} to be replaced"] if group["outdated"] else []
    parts += [f"{plural(group['stopping'], 'task')} to end"] if group["stopping"] and group["wanted"] else []
    parts += [f"to {plural(group['applying'], 'task')} it is being applied in place"] if group["applying"] else []
    parts += [f"{plural(group['on_probation'], 'task')} to pass the new check"] if group["on_probation"] else []
    parts += [group["awaited"]] if group["awaited"] else []
    parts += sorted({progress_text(progress) for progress in group["progress"]})[:3]
    for cause in group["waiting"][:3]:
        parts.append(f"{plural(len(cause['slots']), 'slot')}: {cause_text(cause, now)}")
    return cell("; ".join(parts)) if parts else ""


def _failure(group: Answer) -> str:
    end, final = group["last_end"], [cause for cause in group["waiting"] if cause["is_final"]]
    if final:
        return cell(str(final[0]["cause"]))
    if not end:
        return f"{plural(group['failed'], 'task')} failed"
    said, number = end["message"] or "no reason was given", end["exit_code"]
    code = f", exit code {number}" if number is not None and f"exit code {number}" not in said else ""
    return cell(f"{end['task']} is {end['state']}{code}: {said}")


def echo_done(answer: Answer, what: str) -> None:
    """Says what a request has changed, and what there is to warn of."""
    _echo_changed(answer, what)
    for warning in answer.get("warnings", ()):
        note(f"warning: {warning}")


def _echo_changed(answer: Answer, what: str) -> None:
    if not answer["changed"]:
        click.echo(f"{what}: {answer['message'] or 'unchanged'}")
        return
    said = f" ({answer['message']})" if answer["message"] else ""
    click.echo(f"{what}: {plural(len(answer['changed']), 'group')} changed{said}")
    for group in answer["changed"][:_SHOWN]:
        click.echo(f"  {group}")
    if len(answer["changed"]) > _SHOWN:
        click.echo(f"  and {len(answer['changed']) - _SHOWN} more")
