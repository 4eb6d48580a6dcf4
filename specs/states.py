"""The states of a task, in Mesos's words, and what can be said of each."""

from __future__ import annotations

from enum import StrEnum


class TaskState(StrEnum):
    """The last known state of a task. INTENT is ours: stored, and Mesos has not answered; the rest is Mesos's."""

    INTENT = "INTENT"
    STAGING = "STAGING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    KILLING = "KILLING"
    UNREACHABLE = "UNREACHABLE"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    ERROR = "ERROR"
    LOST = "LOST"
    DROPPED = "DROPPED"
    GONE = "GONE"
    GONE_BY_OPERATOR = "GONE_BY_OPERATOR"
    UNKNOWN = "UNKNOWN"

    @property
    def shown(self) -> str:
        """The word that people read for it. INTENT is a word of the store."""
        return "LAUNCHING" if self is TaskState.INTENT else self.value

    @property
    def is_terminal(self) -> bool:
        """Whether a task in this state never comes back, so that its slot may be filled again."""
        return self in TERMINAL

    @property
    def is_lively(self) -> bool:
        """Whether a container may exist, or may come to exist, in this state."""
        return self not in TERMINAL


TERMINAL = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.LOST,
        TaskState.DROPPED,
        TaskState.GONE,
        TaskState.GONE_BY_OPERATOR,
        TaskState.UNKNOWN,
    }
)


class Goal(StrEnum):
    """The goal of a task; written only by us. It goes from RUN to STOP, never back."""

    RUN = "RUN"
    STOP = "STOP"


class Health(StrEnum):
    """The last result of the health check; UNKNOWN before the first one, NONE where there is no check."""

    NONE = "NONE"
    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"


class Readiness(StrEnum):
    """The readiness of a task, beside its health: whether its post_start are done and its readiness check succeeds.
    UNKNOWN before the first result, NONE where it has neither."""

    NONE = "NONE"
    UNKNOWN = "UNKNOWN"
    READY = "READY"
    NOT_READY = "NOT_READY"
