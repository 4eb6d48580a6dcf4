"""What the store and the master tell differently, until it is decided; core.converge.kill_guard decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from framework.core.model import Doubt, Instant, Status
from specs.ids import AgentId, TaskId


class Verdict(Enum):
    """What becomes of a task that is not in the store: it waits, is stopped on suspicion, or by an operator's word."""

    WAITING = "waiting"
    STOPPED = "stopped"
    APPROVED = "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A living task that is not in the store, or had ended for it."""

    agent_id: AgentId | None
    verdict: Verdict = Verdict.WAITING


@dataclass(slots=True)
class Suspects:
    """Volatile: the next leader finds out anew.

    `unanswered` are the tasks of which a new subscription's reconciliation has not told yet, `answers_until` for how
    long that is waited for. `stopped` counts the strangers that ended, stopped on suspicion, since the last
    reconciliation. `missing` has what the master said of each task of which it knows nothing. `asked` is what waits for
    an operator.
    """

    unanswered: dict[TaskId, None] = field(default_factory=dict)
    answers_until: Instant = 0.0
    strangers: dict[TaskId, Stranger] = field(default_factory=dict)
    stopped: int = 0
    missing: dict[TaskId, Status] = field(default_factory=dict)
    asked: dict[Doubt, None] = field(default_factory=dict)

    @property
    def waiting(self) -> tuple[TaskId, ...]:
        """The strangers of which nothing was decided."""
        return tuple(id for id, each in self.strangers.items() if each.verdict is Verdict.WAITING)

    @property
    def halts_placing(self) -> bool:
        """Whether the master or the store may be the wrong one: nothing is to be started on their word."""
        return bool(self.asked)
