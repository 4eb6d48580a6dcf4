"""Tasks of which the store and the master disagree, until it is decided what to do; core.converge.kill_guard
decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from framework.core.model import Instant, Mismatch, Status
from specs.ids import AgentId, TaskId


class Verdict(Enum):
    """The decision about a task that is not in the store: none so far, stopped without an approval, or with one."""

    WAITING = "waiting"
    STOPPED = "stopped"
    APPROVED = "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownTask:
    """A living task that is not in the store, or that had ended for the store."""

    #: None where the master did not name it.
    agent_id: AgentId | None
    verdict: Verdict = Verdict.WAITING


@dataclass(slots=True)
class UnknownTasks:
    """Volatile: the next leader finds it out again."""

    #: The tasks for which the answer to a new subscription's reconciliation has not come.
    unanswered: dict[TaskId, None] = field(default_factory=dict)
    #: Until then those answers are waited for.
    answers_until: Instant = 0.0
    #: Tasks that live, and that the store does not know or holds as ended.
    unknown: dict[TaskId, UnknownTask] = field(default_factory=dict)
    #: The number of unknown tasks stopped without an approval that have ended since the last reconciliation began.
    stopped: int = 0
    #: Tasks that the store holds as running and the master does not know, each with the master's status.
    missing: dict[TaskId, Status] = field(default_factory=dict)
    #: The mismatches for which an operator's approval is requested.
    requested: dict[Mismatch, None] = field(default_factory=dict)

    @property
    def waiting(self) -> tuple[TaskId, ...]:
        """The unknown tasks about which nothing is decided."""
        return tuple(id for id, each in self.unknown.items() if each.verdict is Verdict.WAITING)

    @property
    def halts_placing(self) -> bool:
        """Whether nothing may be started: the master or the store may be the wrong one."""
        return bool(self.requested)
