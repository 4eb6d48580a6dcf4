"""Why slots of a group were not placed: agents counted by the first rule that each of them breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`count` agents do not do by `rule` ("cpus", "rack GROUP_BY 3", "offer"); `detail` says what was wanted and what
    was there ("wanted 2, best 1.5")."""

    rule: str
    count: int
    detail: str

    def __str__(self) -> str:
        return f"{self.count} {self.rule} ({self.detail})" if self.detail else f"{self.count} {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the next slot of a group has no place: the counts of all reasons add up to `agents`.

    `slots` are those that were left.
    """

    slots: tuple[int, ...]
    agents: int
    reasons: tuple[Reason, ...]

    def sentence(self) -> str:
        """`0/12 agents fit: 7 cpus (wanted 2, best 1.5), 5 rack (wanted r1)`."""
        if not self.agents:
            return "0/0 agents fit: no agent is known"
        return f"0/{self.agents} agents fit: {', '.join(self._parts())}"

    def _parts(self) -> Iterator[str]:
        for reason in sorted(self.reasons, key=lambda reason: (-reason.count, reason.rule)):
            yield str(reason)
