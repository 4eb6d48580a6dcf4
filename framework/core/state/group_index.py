"""What there is of one group: who holds its slots, and what of that is to be replaced."""

from __future__ import annotations

from dataclasses import dataclass, field

from framework.core.model import GroupSpec, Instant, Task
from specs.ids import AgentId, GroupId, TaskId, VersionId, is_same_make
from specs.states import Goal, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A successor that is to be launched beside a running task: of which version, and since when."""

    version: VersionId
    since: Instant


@dataclass(slots=True)
class GroupIndex:
    """What there is of one group.

    `holders` has the task that holds each slot; `surge` those that are to take over from it once they are ready,
    while it shall still run; `outgoing` those that live but have lost their slot: unreachable ones, and ones whose
    successor has taken over; `living` all of these by slot. `ended` are the kept ones, oldest first. `outdated` are the
    holders whose task has another version or generation than is desired, as far as they shall run; `draining` those on
    agents that are to be left, or that Mesos ends; `useless` those of both that are not ready; `unproved` those whose
    task serves on although it has failed a check that was changed. `stale` are the tasks that run on and lack
    something that their executor is to be told (core.converge.inplace_update).

    `wanted` are the slots that shall be filled, each with the agent that it belongs to where the group has one on every
    agent; core.converge.slots finds them. `replacements` are the held slots for which a successor is to be launched
    now; `violating` those whose task breaks a rule that has changed; `stall` says why the replacing of tasks does not
    go on: core.rollout.updater finds these.
    """

    id: GroupId
    holders: dict[int, TaskId] = field(default_factory=dict)
    surge: dict[int, TaskId] = field(default_factory=dict)
    outgoing: dict[TaskId, None] = field(default_factory=dict)
    living: dict[int, dict[TaskId, None]] = field(default_factory=dict)
    ended: dict[TaskId, None] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    last_ended: dict[int, TaskId] = field(default_factory=dict)
    outdated: dict[int, None] = field(default_factory=dict)
    draining: dict[int, None] = field(default_factory=dict)
    useless: dict[int, None] = field(default_factory=dict)
    unproved: dict[int, None] = field(default_factory=dict)
    stale: dict[TaskId, None] = field(default_factory=dict)
    ready: dict[int, None] = field(default_factory=dict)
    fresh: dict[int, None] = field(default_factory=dict)
    running: dict[int, None] = field(default_factory=dict)
    wanted: dict[int, AgentId | None] = field(default_factory=dict)
    replacements: dict[int, Replacement] = field(default_factory=dict)
    violating: dict[int, str] = field(default_factory=dict)
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
    """Whether rules that look at where tasks are see this one: it lives, and can be reached."""
    return task.state.is_lively and task.state is not TaskState.UNREACHABLE


def is_outdated(task: Task, spec: GroupSpec | None) -> bool:
    """Whether the task shall run, but not as it is."""
    if spec is None or task.goal is Goal.STOP:
        return False
    return not is_same_make(task.version, spec.version) or task.generation < spec.generation


def is_stale(task: Task, spec: GroupSpec | None) -> bool:
    """Whether the task shall run, and lacks what it can be given as it runs: the care that is desired, or a signal."""
    if spec is None or task.goal is Goal.STOP or not is_same_make(task.version, spec.version):
        return False
    return task.version != spec.version or task.signals < spec.signals
