"""What a rollout allows: how much of a group may be new by now, and as what an emptied slot is filled again."""

from __future__ import annotations

from dataclasses import dataclass

from framework.core.groups.completion import unmet_dependency
from framework.core.groups.pace import update_of, wait_of
from framework.core.model import GroupRollout, GroupSpec, Rollout, RolloutState
from framework.core.state.context import Context
from specs.ids import GroupId, is_same_make
from specs.model.update import OnFailure, Step, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """`cause` says why nothing of a group may be changed now, "" where something may; `is_wait` that the group's
    deadline bounds that. `most_new` is how many of its slots may be new, None for all; `sentence` why that is so."""

    cause: str = ""
    is_wait: bool = False
    most_new: int | None = None
    sentence: str = ""

    @property
    def is_standing(self) -> bool:
        """Whether nothing is changed until others have done their part: no deadline bounds that."""
        return bool(self.cause) and not self.is_wait

    @property
    def is_limited(self) -> bool:
        """Whether something is to stay as it was for now."""
        return bool(self.cause) or self.most_new is not None


_FREE = Permit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the stack's rollout of now is for one of the groups that it changes."""

    rollout: Rollout
    part: GroupRollout
    spec: GroupSpec

    @property
    def is_open(self) -> bool:
        """Whether the group is not done, and the rollout not over."""
        return not self.part.is_done and not self.rollout.state.is_over

    @property
    def update(self) -> Update:
        """The group's pace."""
        return update_of(self.spec, self.rollout)

    @property
    def step(self) -> Step | None:
        """The step of now; None after the last one, and where all is changed at once."""
        steps = () if self.rollout.is_all_at_once else self.update.steps
        return steps[self.part.step] if self.part.step < len(steps) else None

    @property
    def is_held(self) -> bool:
        """Whether nothing more is to be changed for now."""
        return self.step is not None and self.step.until is None

    @property
    def proof_seconds(self) -> float:
        """How long a new task is watched before it counts."""
        return max(wait_of(self.update, self.rollout), self.update.monitor_seconds)


def rollout_of(context: Context, stack: str) -> Rollout | None:
    """The stack's rollout of now, which may be aborted; None where all is as desired."""
    rollouts = context.state.rollouts.get(stack)
    return rollouts.current if rollouts else None


def course_of(context: Context, group: GroupId) -> Course | None:
    """What the rollout of now is for a group; None where that changes nothing of it."""
    rollout, spec = rollout_of(context, group.stack), context.state.specs.get(group)
    part = rollout.part(group) if rollout else None
    if rollout is None or part is None or spec is None:
        return None
    return Course(rollout=rollout, part=part, spec=spec)


def permit_of(context: Context, spec: GroupSpec) -> Permit:
    """What may be changed of a group now."""
    course = course_of(context, spec.id)
    if course is None or course.part.is_done:
        return _FREE
    rollout, part = course.rollout, course.part
    if rollout.state is RolloutState.ABORTED:
        return Permit(cause=f"the rollout is aborted: {rollout.cause}")
    if part.paused:
        return Permit(cause=part.paused)
    if part.problem and course.update.on_failure is not OnFailure.CONTINUE:
        return Permit(cause=f"the rollout failed: {part.problem}")
    if rollout.is_all_at_once:
        return _FREE
    if first := _changed_before(spec, rollout):
        why = f", which failed: {first.problem}" if first.problem else ""
        return Permit(cause=f"waits until {first.group} is changed{why}")
    if unmet := unmet_dependency(context.state, spec):
        return Permit(cause=f"waits for {unmet}", is_wait=True)  # the new tasks could not start yet
    return _by_step(course, len(context.state.group(spec.id).wanted))


def _changed_before(spec: GroupSpec, rollout: Rollout) -> GroupRollout | None:
    """The part of a group that this one depends on, and that is changed by the same rollout and not done."""
    services = {dependency.service for dependency in spec.dependencies}
    for part in rollout.groups:
        if part.group.service in services and part.group != spec.id and not part.is_done:
            return part
    return None


def _by_step(course: Course, instances: int) -> Permit:
    step = course.step
    if step is None:
        return _FREE
    most = most_new(course, instances)
    number = f"step {course.part.step + 1} of {len(course.update.steps)}"
    if step.until is not None:
        return Permit(most_new=most, sentence=f"{number}: {most} of {instances} first")
    how = f"holds for {step.hold_seconds:g} s" if step.hold_seconds else "waits for `framework rollout promote`"
    return Permit(most_new=most, sentence=f"{number}: {how}, with {most} of {instances} changed")


def most_new(course: Course, instances: int) -> int:
    """How many slots the last step until now that says so allows to be new; rounded up, and none before the first."""
    steps = course.update.steps[: course.part.step + 1]
    shares = [step.until for step in steps if step.until is not None]
    return min(shares[-1].ceil(instances), instances) if shares else 0


def refill(context: Context, spec: GroupSpec, slot: int) -> GroupSpec:
    """As what an empty slot is filled: as is desired now, or, while a rollout keeps to less than all, as what it was.

    A slot stays what it was until it is changed: it is new once its old task was told to make way. One that was
    stopped for another reason, as by `framework kill`, is followed by what it was.
    """
    was = kept_as(context, spec)
    if was is None:
        return spec
    last = context.state.group(spec.id).last_ended.get(slot)
    if last is None:
        return was
    task = context.state.tasks[last]
    return spec if is_same_make(task.version, spec.version) or task.makes_way else was


def kept_as(context: Context, spec: GroupSpec) -> GroupSpec | None:
    """What the slots are that a rollout does not change yet; None where it may change all, or nothing that runs."""
    rollout = rollout_of(context, spec.id.stack)
    was = rollout.was(spec.id) if rollout else None
    if was is None or is_same_make(was.version, spec.version) or not permit_of(context, spec).is_limited:
        return None
    return was
