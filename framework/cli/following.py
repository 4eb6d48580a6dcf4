"""Following rollouts to their end, and telling what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framework.cli.faults import CommandFault
from framework.cli.output import cell, plural, since
from framework.cli.retrying import NoScheduler
from framework.cli.server import Answer, RequestRefused, Server, path_of
from framework.cli.waiting import ONE_TIME, Display, Line, Wait, shown
from framework.exits import CliExit

_PAUSE_SECONDS = 0.4
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """One rollout of a stack, or what it changes of `service`; and the way back from it where it fails."""

    server: Server
    stack: str
    number: int
    timeout_seconds: float
    service: str = ""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> Answer:
        """The rollout once it is done; ends the command by a fault where it comes to another end, or to none in
        time."""
        farewell = f"No longer watching; it goes on. `framework rollout status {self.stack}` shows how far it is."
        with shown(farewell) as display:
            return self._run(display)

    def _run(self, display: Display) -> Answer:
        deadline = self.clock() + self.timeout_seconds
        silence: NoScheduler | None = None
        lines: list[Line] = []
        while True:
            problem = ""
            try:
                answer = self.server.get(path_of("stacks", self.stack, "rollouts"))
            except NoScheduler as fault:
                silence, problem = fault, fault.message.partition("\n")[0]
            else:
                silence, problem = None, answer["problem"]
                rollouts = {each["number"]: each for each in answer["rollouts"]}
                mine = self._mine(rollouts)
                shown = _way_back(rollouts, mine) or mine
                lines = [line_of(part, answer["at"]) for part in parts_of(shown, self.service)]
                if self._is_done(mine):
                    display.show(lines, problem)
                    return mine
                if fault_text := fault_of(rollouts, mine):
                    display.show(lines, problem)
                    display.close()
                    raise CommandFault(fault_text, CliExit.REFUSED)
            if self.clock() >= deadline:
                display.close()
                raise silence or self._gave_up(lines, problem)
            display.show(lines, problem)
            self.sleep(_PAUSE_SECONDS)

    def _mine(self, rollouts: dict[int, Answer]) -> Answer:
        if self.number not in rollouts:
            message = f"Rollout {self.number} of {self.stack} is no longer remembered."
            raise CommandFault(message, CliExit.REFUSED)
        return rollouts[self.number]

    def _is_done(self, rollout: Answer) -> bool:
        parts = parts_of(rollout, self.service)
        return rollout["state"] == "done" or (bool(parts) and all(part["is_done"] for part in parts))

    def _gave_up(self, lines: Sequence[Line], problem: str) -> CommandFault:
        said = [
            f"Gave up watching after {since(round(self.timeout_seconds))}; rollout {self.number} goes on. It waits for:"
        ]
        said += [f"  {line}" for line in lines if not line.is_done]
        said += [f"  {problem}"] if problem else []
        return CommandFault("\n".join(said), CliExit.GAVE_UP)


def parts_of(rollout: Answer, service: str) -> list[Answer]:
    """The groups of a rollout; those of a service where one is given."""
    wanted = f"{rollout['stack']}/{service}"
    return [part for part in rollout["groups"] if not service or part["group"].partition("[")[0] == wanted]


def line_of(part: Answer, now: float) -> Line:
    """The line about a group of a rollout."""
    progress = part["progress"]
    if part["is_done"] or progress is None:
        return Line(group=part["group"], word="done" if part["is_done"] else "not done", text="", is_done=True)
    word = f"{progress['changed']}/{progress['total']} changed"
    step = step_of(progress)
    return Line(
        group=part["group"],
        word=f"{word}, step {step}" if step else word,
        text=awaited(progress, now),
        timeless=awaited(progress, ONE_TIME),
        is_done=False,
    )


def step_of(progress: Answer) -> str:
    """`2 of 3 (pause)`; "" where it is in no step."""
    number, steps = progress["step"], progress["steps"]
    return f"{number} of {len(steps)} ({steps[number - 1]})" if number else ""


def awaited(progress: Answer, now: float) -> str:
    """The cause for which a group waits, and how long it will where that is known."""
    until = progress["until"]
    left = f" ({since(until - now)} left)" if until and until > now else ""
    failures = ""
    if progress["failures"] and not progress["problem"]:
        failures = f"; {plural(progress['failures'], 'new task')} failed, {progress['most_failures']} may"
    return cell(progress["cause"] + left + failures) if progress["cause"] or failures else ""


def fault_of(rollouts: dict[int, Answer], rollout: Answer) -> str:
    """Why nothing good comes of the rollout any more, once that is certain; "" before."""
    number, state, stack = rollout["number"], rollout["state"], rollout["stack"]
    name = f"Rollout {number} of {stack}"
    if state == "rolled back":
        back = _way_back(rollouts, rollout)
        said = f"{name} was rolled back: {rollout['cause']}."
        if back is None:
            return said
        if back["state"] == "done":
            return f"{said} All is as it was before (rollout {back['number']})."
        rest = fault_of(rollouts, back)
        return f"{said} {rest}" if rest else ""
    if state == "failed" and _stays_failed(rollout):
        return (
            f"{name} failed: {rollout['cause']}. It stands still: `framework rollout resume {stack}` goes on, "
            f"`framework rollout rollback {stack}` goes back, and a new submit replaces it."
        )
    if state in ("aborted", "superseded"):
        cause = rollout["cause"]
        return f"{name} was {cause}." if cause.startswith(state) else f"{name} was {state}: {cause}."
    return ""


def _stays_failed(rollout: Answer) -> bool:
    """Whether somebody has to do something; else it goes back, or on, by itself."""
    for part in rollout["groups"]:
        progress = part["progress"]
        if part["is_done"] or not part["problem"] or progress is None or progress["on_failure"] == "continue":
            continue
        if progress["on_failure"] == "pause" or rollout["kind"] != "update":
            return True
    return False


def _way_back(rollouts: dict[int, Answer], rollout: Answer) -> Answer | None:
    """The rollout that goes back from this one, None where there is none."""
    if rollout["state"] != "rolled back":
        return None
    later = (number for number, each in rollouts.items() if number > rollout["number"] and each["kind"] == "rollback")
    first = min(later, default=0)
    return rollouts[first] if first else None


def wait_for_change(server: Server, answer: Answer, pattern: str, timeout_seconds: float) -> None:
    """Follows what a submit or restart has begun, and then waits until all groups are as desired.

    Ends the command by a fault where a rollout fails, or not all is done in time.
    """
    end = time.monotonic() + timeout_seconds
    stacks = sorted({group.partition("/")[0] for group in answer["changed"]}) or [pattern.partition("/")[0]]
    index = answer["index"] if len(stacks) == 1 else 0
    for stack in stacks:
        number = _begun(server, stack, index)
        if number:
            left = max(0.0, end - time.monotonic())
            Follow(server=server, stack=stack, number=number, timeout_seconds=left).run()
    left = max(0.0, end - time.monotonic())
    Wait(server=server, pattern=pattern, index=index, timeout_seconds=left).run()


def _begun(server: Server, stack: str, index: int) -> int:
    """The rollout that began with this index, or the one of now; 0 where there is none."""
    try:
        rollouts = server.get(path_of("stacks", stack, "rollouts"), retries=True)["rollouts"]
    except NoScheduler:
        return 0  # whoever waits next waits for a scheduler too
    except RequestRefused as fault:
        if fault.status == _NOT_FOUND:
            return 0
        raise
    if any(each["number"] == index for each in rollouts):
        return index
    newest: Answer | None = rollouts[0] if rollouts else None
    return newest["number"] if newest and newest["state"] in ("running", "paused", "failed", "aborted") else 0
