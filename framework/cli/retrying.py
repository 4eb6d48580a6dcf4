"""Trying again for a while where no scheduler can answer now: another one takes over within seconds."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from framework.cli.faults import CommandFault
from framework.cli.output import note, plural
from framework.exits import CliExit

Result = TypeVar("Result")

TRY_SECONDS = 10.0
"""Time-out for one try while there is time for another: a leader that is frozen, or lost its network, never answers."""
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 1.5
_ADVICE = re.compile(r"[.;]?( *(try|ask) again in a moment)?\.?$", re.IGNORECASE)
"""Advice to people who would have to try by hand."""


class NoScheduler(CommandFault):
    """Nobody answers, or one that can not work now. `is_temporary`: another try may help. `is_unknown`: the request was
    sent, so it may have been accepted."""

    def __init__(self, message: str, *, is_temporary: bool = False, is_unknown: bool = False) -> None:
        super().__init__(message, CliExit.NO_LEADER)
        self.is_temporary = is_temporary
        self.is_unknown = is_unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Tries for up to `seconds` from the first failure; 0: once."""

    seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    rng: random.Random = field(default_factory=random.Random)

    def run(self, attempt: Callable[[float], Result], most_seconds: float) -> Result:
        """The result of the first try that does not end in a temporary NoScheduler; `attempt` is told how long it may
        take, `most_seconds` at most. Says on standard error that it tries again, and why. Raises the last fault."""
        begun, tries, pause, said = self.clock(), 0, _FIRST_PAUSE_SECONDS, ""
        deadline = begun + self.seconds
        is_unknown = False
        while True:
            tries += 1
            left = deadline - self.clock()
            try:
                result = attempt(min(most_seconds, TRY_SECONDS) if left > TRY_SECONDS else most_seconds)
            except NoScheduler as fault:
                if not fault.is_temporary or not self.seconds:
                    raise
                is_unknown = is_unknown or fault.is_unknown
                left = deadline - self.clock()
                if left <= 0:
                    raise self._gave_up(fault, tries, is_unknown) from None
                why = _ADVICE.sub("", fault.message.partition("\n")[0])
                if not said:
                    note(f"{why}: trying again for up to {self.seconds:g} s")
                elif why != said:
                    note(why)
                said = why
                # Not in step with others who wait for the same leader.
                self.sleep(min(left, pause * self.rng.uniform(0.75, 1.25)))
                pause = min(_LONGEST_PAUSE_SECONDS, pause * 1.5)
                continue
            if said:
                note(f"A scheduler has answered, after {self.clock() - begun:.1f} s, at try {tries}.")
            return result

    def _gave_up(self, fault: NoScheduler, tries: int, is_unknown: bool) -> NoScheduler:
        tried = f"Tried {plural(tries, 'time')} within {self.seconds:g} s; --retry DURATION tries for longer."
        text = f"{fault.message}\n{tried}"
        if is_unknown:
            text += " The answer to a try was lost, and it may have been accepted: look before you ask again."
        return NoScheduler(text, is_temporary=True, is_unknown=is_unknown)
