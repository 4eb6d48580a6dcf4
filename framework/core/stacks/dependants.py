"""The dependants of a change: groups that restart, or get a signal, when a dependency of theirs changes."""

from __future__ import annotations

from dataclasses import replace

from framework.core.model import GroupSpec, Rollout
from framework.core.stacks.changes import restarted
from framework.core.state.cluster_state import ClusterState
from framework.core.state.stack_change import StackChange
from specs.ids import is_same_container
from specs.model.dependants import Dependant, dependants_of
from specs.model.stack import OnChange


def with_dependants(change: StackChange, state: ClusterState) -> StackChange:
    """The change with its dependants: groups that ask for a restart or a signal when a dependency is replaced, and in
    turn the dependants of the restarted ones.

    They are part of the same stored spec, and the restarts are part of the same rollout, where each waits for its
    dependencies: no crash can come between the two.
    """
    old = state.stacks.get(change.stack.name)
    if old is None or old.is_removed or change.stack.is_removed:
        return change
    before = {spec.id: spec for spec in old.groups}
    there = {spec.id: spec for spec in change.stack.groups if spec.id in before}
    moved = [id for id, spec in there.items() if _is_moved(before[id], spec)]
    found = dependants_of({id: spec.dependencies for id, spec in there.items()}, moved)
    if not found:
        return change
    specs = tuple(_following(spec, found.get(spec.id), state) for spec in change.stack.groups)
    changed = tuple(sorted({*change.changed, *map(str, found)}))
    return replace(change, stack=replace(change.stack, groups=specs), changed=changed)


def _following(spec: GroupSpec, dependant: Dependant | None, state: ClusterState) -> GroupSpec:
    if dependant is None:
        return spec
    if dependant.on_change is OnChange.RESTART:
        return restarted(spec, state)
    return replace(spec, signals=spec.signals + 1)


def restart_cause(spec: GroupSpec, rollout: Rollout | None) -> str:
    """Why the rollout restarts a group whose settings stayed: a dependency was changed, or a restart requested."""
    for part in rollout.groups if rollout is not None else ():
        if part.group != spec.id and _follows(spec, part.group.service):
            return f"restarted, as {part.group} was changed"
    return "restart asked"


def _follows(spec: GroupSpec, service: str) -> bool:
    return any(each.service == service and each.on_change is OnChange.RESTART for each in spec.dependencies)


def _is_moved(old: GroupSpec, new: GroupSpec) -> bool:
    """Whether it gets new containers: its container hash has changed, or it was restarted."""
    return not is_same_container(old.version, new.version) or old.generation != new.generation
