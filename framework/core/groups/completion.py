"""Which slots of a group are done, and which dependencies keep the others waiting: pure questions about the state."""

from __future__ import annotations

from framework.core.groups.never_started import has_never_started
from framework.core.model import GroupSpec, Task
from framework.core.state.cluster_state import ClusterState
from specs.ids import GroupId, is_same_container
from specs.model.stack import Condition, Dependency, Group, OnChange, Restart
from specs.states import Goal, TaskState


def is_finished(task: Task | None, spec: GroupSpec) -> bool:
    """Whether the last ended task of a slot has done its work, so that no other follows."""
    if task is None or spec.restart is Restart.ALWAYS or task.goal is Goal.STOP or task.is_orphaned:
        return False
    if has_never_started(task):
        return False  # it never began
    if not _is_current(task, spec):
        return False
    return spec.restart is Restart.NEVER or task.state is TaskState.FINISHED


def has_used_up_retries(task: Task, spec: GroupSpec) -> bool:
    """Whether a slot gets no more tasks because too many have failed in a row; `task` is the last one."""
    if not spec.retry.attempts or task.failures <= spec.retry.attempts:
        return False
    return _is_current(task, spec) and task.goal is Goal.RUN and task.state.is_terminal and not is_finished(task, spec)


def _is_current(task: Task, spec: GroupSpec) -> bool:
    """Whether its container and generation are the ones of the spec."""
    return is_same_container(task.version, spec.version) and task.generation >= spec.generation


def has_finished(state: ClusterState, spec: GroupSpec, slot: int) -> bool:
    """Whether a slot of the group gets no more tasks: it has finished, or its retries are used up."""
    last = state.group(spec.id).last_ended.get(slot)
    return last is not None and (is_finished(state.tasks[last], spec) or has_used_up_retries(state.tasks[last], spec))


def slots_to_fill(state: ClusterState, spec: GroupSpec) -> int:
    """The number of slots that have a task or will get one: all wanted slots except finished ones."""
    index = state.group(spec.id)
    if spec.restart is Restart.ALWAYS and not spec.retry.attempts:
        return len(index.wanted)
    return sum(slot in index.holders or not has_finished(state, spec, slot) for slot in index.wanted)


def count_for(state: ClusterState, spec: GroupSpec, slot: int) -> int:
    """The number of tasks of the slot that have failed in a row before the next one."""
    last = state.group(spec.id).last_ended.get(slot)
    task = state.tasks[last] if last is not None else None
    if task is None or not _is_current(task, spec):
        return 0
    return task.failures


def unmet_dependency(state: ClusterState, spec: GroupSpec) -> str:
    """The dependency that the group waits for, as a phrase ("shop/redis to run"); "" where none keeps it waiting."""
    for dependency in spec.dependencies:
        for other in state.stacks[spec.id.stack].groups:
            if other.id.service == dependency.service and not _meets(state, other, dependency.condition):
                return f"{other.id} {_PHRASES[dependency.condition]}{_why_it_never_will(state, other, dependency)}"
    return ""


def signal_of(spec: GroupSpec | Group) -> str:
    """The signal that a group's tasks get after a change of a dependency, "" where they get none."""
    signals = (each.signal for each in spec.dependencies if each.on_change is OnChange.SIGNAL)
    return next(signals, "")


def signals_due(state: ClusterState, spec: GroupSpec) -> int:
    """The number of signals that each task of the group shall have had. The last one counts only once the changed tasks
    of the dependency have proved themselves."""
    rollouts = state.rollouts.get(spec.id.stack)
    current = rollouts.current if rollouts else None
    heeded = {each.service for each in spec.dependencies if each.on_change is OnChange.SIGNAL}
    is_early = current is not None and any(part.group.service in heeded and not part.is_done for part in current.groups)
    return max(spec.signals - is_early, 0)


def is_init_step(state: ClusterState, spec: GroupSpec) -> bool:
    """Whether other groups of its stack wait for the group to complete."""
    return any(
        dependency.service == spec.id.service and dependency.condition is Condition.COMPLETED
        for other in state.stacks[spec.id.stack].groups
        for dependency in other.dependencies
    )


def _why_it_never_will(state: ClusterState, other: GroupSpec, dependency: Dependency) -> str:
    """The permanent failure of an init step: which task, how, and what would help; "" without one."""
    if dependency.condition is not Condition.COMPLETED:
        return ""
    index = state.group(other.id)
    for slot in index.wanted:
        last = state.tasks[index.last_ended[slot]] if slot in index.last_ended else None
        if last is not None and is_finished(last, other) and last.state is not TaskState.FINISHED:
            said = last.message or last.reason or last.state.value
            return f", but {last.id} failed: {said}; `framework restart {other.id}` runs it again"
    return ""


_PHRASES = {
    Condition.STARTED: "to run",
    Condition.HEALTHY: "to be healthy",
    Condition.COMPLETED: "to complete",
}


def _meets(state: ClusterState, other: GroupSpec, condition: Condition) -> bool:
    """Whether a dependency is met. One that shall have no instances keeps nobody waiting."""
    if other.wants_none:
        return True
    index = state.group(other.id)
    if condition is Condition.STARTED:
        return bool(index.running) or has_completed(state, other.id)
    if condition is Condition.HEALTHY:
        return bool(index.ready)
    return has_completed(state, other.id)


def has_completed(state: ClusterState, group: GroupId) -> bool:
    """Whether the last task of every wanted slot, as the spec has it now, has exited with 0."""
    spec, index = state.specs[group], state.group(group)
    last = [state.tasks[index.last_ended[slot]] for slot in index.wanted if slot in index.last_ended]
    return 0 < len(last) == len(index.wanted) and all(
        is_finished(task, spec) and task.state is TaskState.FINISHED for task in last
    )
