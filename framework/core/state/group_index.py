"""The index of one group: which task holds each slot, and which of them must be replaced."""

from __future__ import annotations

from dataclasses import dataclass, field

from framework.core.model import GroupSpec, Instant, Task
from specs.ids import AgentId, GroupId, TaskId, VersionId, is_same_container
from specs.states import Goal, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A surge task that shall be launched beside a running task."""

    #: The version that it will run.
    version: VersionId
    #: Since when it is wanted: without a place in time the slot may be changed stop-first.
    since: Instant


@dataclass(slots=True)
class GroupIndex:
    """Everything that is known of one group. It is derived from the stored tasks and specs, and is equal to its
    recomputation, except for `fresh`, `wanted` and the attributes after that, which other rooms keep.

    A living task is in `living`, and in one of `holders`, `surge` and `outgoing`; an ended one is in `ended`. The other
    attributes name slots, or tasks, of which something is true."""

    id: GroupId
    #: The task that holds each slot.
    holders: dict[int, TaskId] = field(default_factory=dict)
    #: The task of each slot that takes it over from the holder once it is ready, as long as the holder shall run.
    surge: dict[int, TaskId] = field(default_factory=dict)
    #: Living tasks that have lost their slot: unreachable ones, and ones whose surge task has taken over.
    outgoing: dict[TaskId, None] = field(default_factory=dict)
    #: All three of these by slot, an inner dictionary for each slot that has one.
    living: dict[int, dict[TaskId, None]] = field(default_factory=dict)
    #: The ended tasks that are kept, oldest first.
    ended: dict[TaskId, None] = field(default_factory=dict)
    #: The number of each slot's newest attempt.
    attempts: dict[int, int] = field(default_factory=dict)
    #: The ended task of each slot that was launched last, but for tasks that only sweep.
    last_ended: dict[int, TaskId] = field(default_factory=dict)
    #: Slots whose holder shall run, but has another container hash or generation than the spec.
    outdated: dict[int, None] = field(default_factory=dict)
    #: Slots whose holder shall run, but whose agent drains, or which Mesos ends.
    draining: dict[int, None] = field(default_factory=dict)
    #: Slots that are outdated or draining, and whose holder is not ready: stopping it costs nothing.
    useless: dict[int, None] = field(default_factory=dict)
    #: Slots whose holder counts as ready although it has failed a check that was changed.
    failed_probation: dict[int, None] = field(default_factory=dict)
    #: Living tasks that lack in-place settings or a signal of the spec (core.converge.inplace_update).
    stale: dict[TaskId, None] = field(default_factory=dict)
    #: Slots whose holder shall run and is ready.
    ready: dict[int, None] = field(default_factory=dict)
    #: Slots of `ready` that may still have to prove themselves; core.rollout takes out the ones that have.
    fresh: dict[int, None] = field(default_factory=dict)
    #: Slots whose holder shall run and runs, ready or not.
    running: dict[int, None] = field(default_factory=dict)
    #: The slots that shall be filled, each with its agent where the group is GLOBAL; core.converge.slots finds them.
    wanted: dict[int, AgentId | None] = field(default_factory=dict)
    #: Held slots for which a surge task shall be launched now; core.rollout.updater finds these and the next two.
    replacements: dict[int, Replacement] = field(default_factory=dict)
    #: Held slots whose task breaks a rule that has changed, with the reason as a phrase.
    violating: dict[int, str] = field(default_factory=dict)
    #: Why replacing its tasks does not go on, "" where it does.
    stall: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether no task of the group lives."""
        return not self.holders and not self.surge and not self.outgoing


def holds_slot(task: Task) -> bool:
    """Whether the task occupies its slot: it lives, and was not replaced while unreachable."""
    is_passed_on = task.goal is Goal.STOP or bool(task.replaced_at)
    return task.state.is_lively and not (task.state is TaskState.UNREACHABLE and is_passed_on)


def is_counted(task: Task) -> bool:
    """Whether placement rules count the task on its agent: it lives, and can be reached."""
    return task.state.is_lively and task.state is not TaskState.UNREACHABLE


def is_outdated(task: Task, spec: GroupSpec | None) -> bool:
    """Whether the task shall run, but must be replaced: its container hash or its generation is not that of the
    spec."""
    if spec is None or task.goal is Goal.STOP:
        return False
    return not is_same_container(task.version, spec.version) or task.generation < spec.generation


def is_stale(task: Task, spec: GroupSpec | None) -> bool:
    """Whether the task shall run, and lacks something that it can get as it runs: in-place settings, or a signal."""
    if spec is None or task.goal is Goal.STOP or not is_same_container(task.version, spec.version):
        return False
    return task.version != spec.version or task.signals < spec.signals
