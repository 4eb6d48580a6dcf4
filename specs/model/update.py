"""How a group is changed: at which pace, under which guard, and what becomes of it when it fails."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A number of tasks, or a percentage of a group's instances; one of the two is 0."""

    count: int = 0
    percent: int = 0

    def floor(self, instances: int) -> int:
        """How many that are of `instances`, rounded down."""
        return self.count or instances * self.percent // 100

    def ceil(self, instances: int) -> int:
        """How many that are of `instances`, rounded up."""
        return self.count or -(-instances * self.percent // 100)

    def __str__(self) -> str:
        return str(self.count) if self.count or not self.percent else f"{self.percent}%"


class Order(StrEnum):
    """Which of two tasks of a slot comes first: the new one is ready before the old one stops; or the old one has ended
    before the new one is launched."""

    START_FIRST = "start-first"
    STOP_FIRST = "stop-first"


class OnFailure(StrEnum):
    """The reaction to a failed rollout: the stack goes back to what it was; it stands still, as it is; or failures are
    reported, and it goes on."""

    ROLLBACK = "rollback"
    PAUSE = "pause"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Until so much of the group is new; or, where `until` is None, nothing more is changed for `hold_seconds`, 0 for
    until somebody says `promote`."""

    until: Share | None = None
    hold_seconds: float = 0.0

    def __str__(self) -> str:
        if self.until is not None:
            return str(self.until)
        return f"pause {self.hold_seconds:g}s" if self.hold_seconds else "pause"


QUARTER = Share(percent=25)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The pace of a rollout, for one group.

    `parallelism`: at most so many slots are changed at a time, at least one; 0 stands for all. `min_healthy`: so many
    tasks stay ready, rounded up; None is all of them start-first, and all but `parallelism` stop-first. `max_surge`: at
    most so many tasks more than instances, rounded down, and one where that is nothing and tasks are started first.
    `order` None is start-first where two tasks of a slot can be beside each other, and else stop-first.

    `wait_seconds`: a new task counts when it has been ready for so long. `monitor_seconds`: one that ends by itself, or
    is unhealthy, up to so long after it was ready is a failure, and so is one that ends before; at more than
    `max_failures` of them the rollout fails. So it does when for `deadline_seconds` it makes no progress, 0 for never.
    `steps` are gone through in order; after the last one all is changed.
    """

    parallelism: Share = QUARTER
    min_healthy: Share | None = None
    max_surge: Share = QUARTER
    order: Order | None = None
    wait_seconds: float = 0.0
    monitor_seconds: float = 5.0
    deadline_seconds: float = 600.0
    max_failures: Share = Share(count=2)
    on_failure: OnFailure = OnFailure.PAUSE
    steps: tuple[Step, ...] = ()
