"""The order in which groups stop together: a group stops before the ones that it depends on."""

from __future__ import annotations

from framework.core.model import StackSpec
from framework.core.state.cluster_state import ClusterState
from framework.core.state.context import Context
from specs.ids import GroupId
from specs.states import TaskState


def stops_after(state: ClusterState, group: GroupId) -> tuple[GroupId, ...]:
    """The groups that have to stop before this one. They depend on it, directly or through others, shall stop as a
    whole as it does, and have a task that lives and can be reached.

    The order follows from the stored specs alone, so that the next leader goes on with the same one. A group that was
    taken out of the stack has none: its dependencies went with it.
    """
    stack = state.stacks.get(group.stack)
    if stack is None or not _stops(state, group):
        return ()
    services = _dependants(stack, group.service)
    return tuple(
        spec.id
        for spec in stack.groups
        if spec.id.service in services and _stops(state, spec.id) and _is_there(state, spec.id)
    )


def hold(context: Context, group: GroupId) -> bool:
    """Whether the tasks of a group, which are not wanted any more, must run on for now. Notes and publishes that."""
    after = stops_after(context.state, group)
    sentence = f"stops after {', '.join(str(each) for each in after)}" if after else ""
    if sentence != context.deferred_stops.get(group, ""):
        context.state.touched[group] = None
        if sentence and group not in context.deferred_stops:
            context.publish_group("GroupHeld", group, f"{group} {sentence}")
    if sentence:
        context.deferred_stops[group] = sentence
    else:
        context.deferred_stops.pop(group, None)
    return bool(sentence)


def _dependants(stack: StackSpec, service: str) -> dict[str, None]:
    """The services that depend on this one, directly or through others; never itself, as there are no cycles."""
    found: dict[str, None] = {}
    left = [service]
    while left:
        needed = left.pop()
        for spec in stack.groups:
            one = spec.id.service
            if one not in found and any(dependency.service == needed for dependency in spec.dependencies):
                found[one] = None
                left.append(one)
    found.pop(service, None)
    return found


def _stops(state: ClusterState, group: GroupId) -> bool:
    """Whether the group shall have no tasks any more."""
    spec = state.specs.get(group)
    return spec is None or spec.wants_none


def _is_there(state: ClusterState, group: GroupId) -> bool:
    index = state.groups.get(group)
    living = (state.tasks[id] for ids in index.living.values() for id in ids) if index is not None else ()
    return any(task.state is not TaskState.UNREACHABLE for task in living)
