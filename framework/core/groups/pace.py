"""The pace of a rollout: how many slots change at a time, and how many tasks stay ready. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from framework.core.model import GroupSpec, Rollout, RolloutKind
from specs.model.stack import Container
from specs.model.update import Order, Update

ALIVE_SECONDS = 1.0
WHAT_MOVES_IT = "a smaller min_healthy, more instances or order: start-first would let it go on"
"""The cure for a group of which the pace can never replace a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The limits within which tasks of a group are replaced, in numbers of tasks."""

    order: Order
    #: The number of slots.
    instances: int
    #: Limit on the slots that change at a time.
    parallelism: int
    #: Limit on the tasks of the group, including the ones that are being stopped.
    most: int
    #: The least number of ready tasks after an old task has stopped whose surge task is ready.
    ready_after_swap: int
    #: The least number of ready tasks after an old task has stopped that has no replacement.
    ready_after_stop: int
    #: How long a new task must be ready before it counts.
    wait_seconds: float
    #: Whether a slot whose surge task finds no place is changed stop-first.
    may_fall_back: bool

    @property
    def is_frozen(self) -> bool:
        """Whether no task can ever be replaced, however well all of them are."""
        return self.order is Order.STOP_FIRST and 0 < self.instances <= self.ready_after_stop


def update_of(spec: GroupSpec, rollout: Rollout | None) -> Update:
    """The update settings that hold for the rollout: those of the group, or of its rollback, which has no steps."""
    if rollout is None or rollout.kind is not RolloutKind.ROLLBACK:
        return spec.update
    update = spec.update if spec.rollback is None else spec.rollback
    return replace(update, steps=()) if update.steps else update


def wait_of(update: Update, rollout: Rollout | None) -> float:
    """How long a new task must be ready before it counts: as requested with the rollout, or as the group says."""
    asked = rollout.wait_seconds if rollout is not None else None
    return update.wait_seconds if asked is None else asked


def pace_of(update: Update, rollout: Rollout | None, instances: int, container: Container) -> Pace:
    """The pace of a group with `instances` slots, whose tasks run `container`."""
    if rollout is not None and rollout.is_all_at_once:
        return Pace(
            order=Order.STOP_FIRST,
            instances=instances,
            parallelism=max(instances, 1),
            most=instances,
            ready_after_swap=0,
            ready_after_stop=0,
            wait_seconds=0.0,
            may_fall_back=False,
        )
    parallelism = max(update.parallelism.ceil(instances), 1) if _is_some(update) else max(instances, 1)
    order = update.order or (Order.STOP_FIRST if is_alone(container) else Order.START_FIRST)
    surge = update.max_surge.floor(instances)
    least = None if update.min_healthy is None else min(update.min_healthy.ceil(instances), instances)
    return Pace(
        order=order,
        instances=instances,
        parallelism=parallelism,
        most=instances + (max(surge, 1) if order is Order.START_FIRST else surge),
        ready_after_swap=least or 0,
        ready_after_stop=max(instances - parallelism, 0) if least is None else least,
        wait_seconds=max(wait_of(update, rollout), _proof_of_life(update, container)),
        may_fall_back=update.order is None,
    )


def _proof_of_life(update: Update, container: Container) -> float:
    """How long a task without checks must live before it counts: one that ends at once also runs for a moment."""
    is_checked = container.health is not None or container.ready is not None
    return 0.0 if is_checked else min(update.monitor_seconds, ALIVE_SECONDS)


def _is_some(update: Update) -> bool:
    return bool(update.parallelism.count or update.parallelism.percent)


def is_alone(container: Container) -> bool:
    """Whether two of its containers cannot run side by side: they want the same port of the agent, or write to the same
    place."""
    has_port = any(port.host_port is not None for port in container.ports)
    return has_port or any(volume.source and not volume.is_read_only for volume in container.volumes)
