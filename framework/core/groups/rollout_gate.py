"""The rollout gate: how many slots of a group may run the new version now, and which version refills an empty slot."""

from __future__ import annotations

from dataclasses import dataclass

from framework.core.groups.completion import unmet_dependency
from framework.core.groups.pace import update_of, wait_of
from framework.core.model import GroupRollout, GroupSpec, Rollout, RolloutState
from framework.core.state.context import Context
from specs.ids import GroupId, is_same_container
from specs.model.update import OnFailure, Step, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutGate:
    """How far a rollout may change a group now."""

    #: Why no task of the group may be replaced now, a sentence; "" where some may.
    cause: str = ""
    #: Whether the group's deadline runs while `cause` holds. It does not run while somebody else must act first.
    is_wait: bool = False
    #: Limit on the slots that run the new version, or are about to; None for all.
    most_new: int | None = None
    #: Why `most_new` is not None, a sentence.
    sentence: str = ""

    @property
    def has_no_deadline(self) -> bool:
        """Whether the group must wait for somebody else: its deadline does not run."""
        return bool(self.cause) and not self.is_wait

    @property
    def is_limited(self) -> bool:
        """Whether some slots must keep the previous version for now."""
        return bool(self.cause) or self.most_new is not None


_FREE = RolloutGate()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRollout:
    """The current rollout of a stack, as one of the groups that it changes sees it."""

    rollout: Rollout
    #: The group's own progress in the rollout.
    part: GroupRollout
    #: The desired state of the group: what the rollout leads to.
    spec: GroupSpec

    @property
    def is_open(self) -> bool:
        """Whether the rollout still changes the group: neither the group is done, nor the rollout over."""
        return not self.part.is_done and not self.rollout.state.is_over

    @property
    def update(self) -> Update:
        """The group's settings for this rollout: its `update`, or its `rollback`."""
        return update_of(self.spec, self.rollout)

    @property
    def step(self) -> Step | None:
        """The current step; None after the last one, and where all tasks are replaced at once."""
        steps = () if self.rollout.is_all_at_once else self.update.steps
        return steps[self.part.step] if self.part.step < len(steps) else None

    @property
    def is_held(self) -> bool:
        """Whether the current step is a pause."""
        return self.step is not None and self.step.until is None

    @property
    def proof_seconds(self) -> float:
        """How long a new task must have been ready before it counts."""
        return max(wait_of(self.update, self.rollout), self.update.monitor_seconds)


def rollout_of(context: Context, stack: str) -> Rollout | None:
    """The current rollout of a stack, perhaps an aborted one; None where nothing is being changed."""
    rollouts = context.state.rollouts.get(stack)
    return rollouts.current if rollouts else None


def active_rollout(context: Context, group: GroupId) -> ActiveRollout | None:
    """The current rollout as the group sees it; None where it does not change the group."""
    rollout, spec = rollout_of(context, group.stack), context.state.specs.get(group)
    part = rollout.part(group) if rollout else None
    if rollout is None or part is None or spec is None:
        return None
    return ActiveRollout(rollout=rollout, part=part, spec=spec)


def gate_of(context: Context, spec: GroupSpec) -> RolloutGate:
    """The gate of a group now. The first reason to wait wins, in the order of this function."""
    active = active_rollout(context, spec.id)
    if active is None or active.part.is_done:
        return _FREE
    rollout, part = active.rollout, active.part
    if rollout.state is RolloutState.ABORTED:
        return RolloutGate(cause=f"the rollout is aborted: {rollout.cause}")
    if part.paused:
        return RolloutGate(cause=part.paused)
    if part.problem and active.update.on_failure is not OnFailure.CONTINUE:
        return RolloutGate(cause=f"the rollout failed: {part.problem}")
    if rollout.is_all_at_once:
        return _FREE
    if first := _changed_before(spec, rollout):
        why = f", which failed: {first.problem}" if first.problem else ""
        return RolloutGate(cause=f"waits until {first.group} is changed{why}")
    if unmet := unmet_dependency(context.state, spec):
        return RolloutGate(cause=f"waits for {unmet}", is_wait=True)  # the new tasks could not start yet
    return _by_step(active, len(context.state.group(spec.id).wanted))


def _changed_before(spec: GroupSpec, rollout: Rollout) -> GroupRollout | None:
    """The first group that this one depends on and that the same rollout has not finished."""
    services = {dependency.service for dependency in spec.dependencies}
    for part in rollout.groups:
        if part.group.service in services and part.group != spec.id and not part.is_done:
            return part
    return None


def _by_step(active: ActiveRollout, instances: int) -> RolloutGate:
    step = active.step
    if step is None:
        return _FREE
    most = most_new(active, instances)
    number = f"step {active.part.step + 1} of {len(active.update.steps)}"
    if step.until is not None:
        return RolloutGate(most_new=most, sentence=f"{number}: {most} of {instances} first")
    how = f"holds for {step.hold_seconds:g} s" if step.hold_seconds else "waits for `framework rollout promote`"
    return RolloutGate(most_new=most, sentence=f"{number}: {how}, with {most} of {instances} changed")


def most_new(active: ActiveRollout, instances: int) -> int:
    """Limit on the new slots by the last step so far that gives a share; rounded up. 0 before the first such step."""
    steps = active.update.steps[: active.part.step + 1]
    shares = [step.until for step in steps if step.until is not None]
    return min(shares[-1].ceil(instances), instances) if shares else 0


def spec_for_refill(context: Context, spec: GroupSpec, slot: int) -> GroupSpec:
    """The spec by which an empty slot is filled: the desired one, or the previous one while the gate is limited.

    A slot becomes new only when the updater stops its old task for that (`makes_way`). If the task ended for another
    reason, as by `framework kill`, the slot is filled with the version that it had.
    """
    was = previous_spec(context, spec)
    if was is None:
        return spec
    last = context.state.group(spec.id).last_ended.get(slot)
    if last is None:
        return was
    task = context.state.tasks[last]
    return spec if is_same_container(task.version, spec.version) or task.makes_way else was


def previous_spec(context: Context, spec: GroupSpec) -> GroupSpec | None:
    """The spec of the slots that the rollout has not changed; None where the gate is open, or no task is replaced."""
    rollout = rollout_of(context, spec.id.stack)
    was = rollout.was(spec.id) if rollout else None
    if was is None or is_same_container(was.version, spec.version) or not gate_of(context, spec).is_limited:
        return None
    return was
