"""From a request to a stack's new spec, or to a refusal. Pure: the spec is stored before it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from framework.core.commands import PutHistory, PutRollouts, PutStack, PutTask, PutVersion, Refused, Write
from framework.core.events import (
    ChangeRequest,
    KillRequested,
    RestartRequested,
    RollbackRequested,
    RolloutActionRequested,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StopRequested,
)
from framework.core.model import GroupSpec, Instant, Revision, StackSpec, Task, Version
from framework.core.stacks import history
from framework.core.state.cluster_state import ClusterState
from framework.core.state.stack_change import StackChange
from specs.ids import GroupId, TaskId, VersionId
from specs.model.canonical import version_of
from specs.model.constraints import Mode
from specs.model.stack import Group
from specs.states import Goal

MOST_INSTANCES = 100_000
_COMMANDS: dict[type, str] = {
    StackSubmitted: "submit",
    StackRemoved: "remove",
    ScaleRequested: "scale",
    RestartRequested: "restart",
    StopRequested: "stop",
    StartRequested: "start",
    RollbackRequested: "rollback",
    RolloutActionRequested: "rollback",
    KillRequested: "kill",
}
"""The names of requests in the history."""


def writes_of(change: StackChange, state: ClusterState) -> tuple[Write, ...]:
    """The writes that store the change."""
    writes: list[Write] = [PutVersion(version=version) for version in change.versions]
    if change.history is not None:
        writes.append(PutHistory(history=change.history))
    if change.stack != state.stacks.get(change.stack.name):
        writes.append(PutStack(stack=change.stack))
    if change.rollouts is not None:
        writes.append(PutRollouts(rollouts=change.rollouts))
    for id in change.killed:
        if id in state.tasks:
            writes.append(PutTask(task=replace(state.tasks[id], goal=Goal.STOP, stop_cause=change.killed_because)))
    return tuple(writes)


def evaluate(request: ChangeRequest, state: ClusterState, now: Instant) -> tuple[StackChange, ...] | Refused:
    """The changes of stacks that the request asks for; an empty tuple where nothing would change."""
    if isinstance(request, StackSubmitted):
        return _submit(request, state, now)
    if isinstance(request, RollbackRequested):
        return _roll_back(request, state, now)
    if isinstance(request, StackRemoved):
        return _remove(request, state.stacks.get(request.name))
    if isinstance(request, KillRequested):
        return _kill_and_scale(request, state)
    if isinstance(request, ScaleRequested | RestartRequested | StopRequested | StartRequested):
        return _adjust(request, state)
    return Refused(kind="invalid", message=f"{type(request).__name__} does not change a stack")


def remembered(
    change: StackChange, request: ChangeRequest, state: ClusterState, now: Instant, most: int
) -> StackChange:
    """The change with the stack's history, where the spec has changed; at most `most` definitions are kept. The answer
    to a submit of an existing stack says what it changes."""
    stack, command = change.stack, _COMMANDS[type(request)]
    before = state.stacks.get(stack.name)
    if stack == before:
        return change
    old = () if before is None or before.is_removed else before.groups
    text, services = history.describe(old, () if stack.is_removed else stack.groups)
    if isinstance(request, RollbackRequested):
        text = f"{change.message}: {text}"
    made = Revision(
        number=stack.index,
        at=now,
        command=command,
        text=text,
        by=_by(request),
        message=_message(request),
        services=services,
        groups=stack.groups if command in history.DEFINING else None,
    )
    known = history.revised(state.histories.get(stack.name), before, made, stack.name, most)
    message = text if isinstance(request, StackSubmitted) and old else change.message
    return replace(change, history=known, message=message)


def _message(request: ChangeRequest) -> str:
    if isinstance(request, RolloutActionRequested):
        return request.cause
    return request.message


def _by(request: ChangeRequest) -> str:
    if isinstance(request, StackSubmitted):
        return request.submitted_by
    if isinstance(request, RolloutActionRequested):
        return request.asked_by
    return request.by


def _submit(request: StackSubmitted, state: ClusterState, now: Instant) -> tuple[StackChange, ...] | Refused:
    old = state.stacks.get(request.stack.name)
    current = None if old is None or old.is_removed else old
    if refused := _changed_meanwhile(request.stack.name, current, request.if_index, "submit"):
        return refused
    before = {spec.id: spec for spec in current.groups} if current else {}
    ids = request.versions or tuple(version_of(group) for group in request.stack.groups)
    made = tuple(zip(request.stack.groups, ids, strict=True))
    specs = tuple(_spec(group, id, before.get(group.id)) for group, id in made)
    if current and current.groups == specs:
        return ()
    versions = {
        id: Version(stack=request.stack.name, id=id, container=group.container, resources=group.resources)
        for group, id in made
    }
    stack = StackSpec(
        name=request.stack.name,
        groups=specs,
        index=_next_index(request.stack.name, state),
        submitted_at=now,
        submitted_by=request.submitted_by,
        message=request.message,
    )
    return (
        StackChange(
            stack=stack,
            versions=tuple(versions.values()),
            changed=_differing(before, specs),
            message="created" if current is None else "changed",
        ),
    )


def _roll_back(request: RollbackRequested, state: ClusterState, now: Instant) -> tuple[StackChange, ...] | Refused:
    old = state.stacks.get(request.name)
    current = None if old is None or old.is_removed else old
    if refused := _changed_meanwhile(request.name, current, request.if_index, "roll back"):
        return refused
    known = state.histories.get(request.name)
    found = history.target(known, old, request.name, request.to, with_instances=request.with_instances)
    if isinstance(found, Refused):
        return found
    specs = history.returned(found, current, with_instances=request.with_instances)
    if current and current.groups == specs:
        return ()
    stack = StackSpec(
        name=request.name,
        groups=specs,
        index=_next_index(request.name, state),
        submitted_at=now,
        submitted_by=request.by,
        message=request.message,
    )
    before = {spec.id: spec for spec in current.groups} if current else {}
    return (StackChange(stack=stack, changed=_differing(before, specs), message=f"back to {found.number}"),)


def _changed_meanwhile(name: str, current: StackSpec | None, if_index: int | None, verb: str) -> Refused | None:
    index = current.index if current else 0
    if if_index is None or if_index == index:
        return None
    return Refused(
        kind="conflict",
        message=f"stack {name} has index {index}, not {if_index}: it was changed meanwhile;"
        f" look at the plan again and {verb} with its index",
    )


def _next_index(name: str, state: ClusterState) -> int:
    """One that its history does not have yet either, where that is kept of a removed stack."""
    stack, known = state.stacks.get(name), state.histories.get(name)
    newest = known.revisions[-1].number if known and known.revisions else 0
    return max(stack.index if stack else 0, newest) + 1


def _differing(before: Mapping[GroupId, GroupSpec], specs: tuple[GroupSpec, ...]) -> tuple[str, ...]:
    """The groups that differ, as texts, sorted by id."""
    after = {spec.id: spec for spec in specs}
    return tuple(str(id) for id in sorted({*before, *after}) if before.get(id) != after.get(id))


def _spec(group: Group, version: VersionId, before: GroupSpec | None) -> GroupSpec:
    return GroupSpec(
        id=group.id,
        version=version,
        instances=instances_of(group, before.instances if before else None),
        is_stopped=before.is_stopped if before else False,
        generation=before.generation if before else 0,
        signals=before.signals if before else 0,
        restart=group.restart,
        retry=group.retry,
        dependencies=group.dependencies,
        metadata=group.metadata,
        mode=group.mode,
        rules=group.rules,
        unreachable=group.unreachable,
        update=group.update,
        rollback=group.rollback,
        kill_order=group.kill_order,
        routes=group.routes,
        autoscale=group.autoscale,
    )


def instances_of(group: Group, now: int | None) -> int:
    """The number of instances of a submitted group that has `now` of them: a group that is scaled by its load keeps
    them, within its bounds."""
    return group.instances if group.autoscale is None or now is None else group.autoscale.bounded(now)


def _remove(request: StackRemoved, old: StackSpec | None) -> tuple[StackChange, ...] | Refused:
    if old is None:
        return Refused(
            kind="not_found", message=f"there is no stack {request.name}; `framework ls` names those there are"
        )
    if old.is_removed:
        return ()
    stack = replace(old, is_removed=True, index=old.index + 1)
    return (StackChange(stack=stack, changed=tuple(str(spec.id) for spec in old.groups), message="removing"),)


def _adjust(
    request: ScaleRequested | RestartRequested | StopRequested | StartRequested, state: ClusterState
) -> tuple[StackChange, ...] | Refused:
    matched = False
    changes: list[StackChange] = []
    for stack in state.stacks.values():
        if stack.is_removed:
            continue
        specs = []
        for spec in stack.groups:
            if not _is_meant(request, spec):
                specs.append(spec)
                continue
            matched = True
            adjusted = _adjusted(request, spec, state)
            if isinstance(adjusted, Refused):
                return adjusted
            specs.append(adjusted)
        changed = tuple(str(new.id) for new, old in zip(specs, stack.groups, strict=True) if new != old)
        if changed:
            new = replace(stack, groups=tuple(specs), index=stack.index + 1)
            order = request.order if isinstance(request, ScaleRequested) else None
            changes.append(StackChange(stack=new, changed=changed, order=order))
    if not matched:
        return Refused(
            kind="not_found", message=f"no group matches {request.pattern}; `framework ps` names those there are"
        )
    return tuple(changes)


def _is_meant(request: ScaleRequested | RestartRequested | StopRequested | StartRequested, spec: GroupSpec) -> bool:
    if isinstance(request, ScaleRequested) and request.only is not None:
        return spec.id == request.only
    return spec.id.matches(request.pattern)


def _kill_and_scale(request: KillRequested, state: ClusterState) -> tuple[StackChange, ...] | Refused:
    """`kill --scale`: each group has as many instances fewer as tasks of it are killed, and just their slots go."""
    tasks = living(request.tasks, state)
    if isinstance(tasks, Refused):
        return tasks
    fewer: dict[str, dict[GroupId, int]] = {}
    for task in tasks:
        spec, index = state.specs.get(task.group), state.group(task.group)
        if spec is not None and spec.mode is Mode.GLOBAL:
            return _no_number(spec)
        if spec is None or task.slot not in index.wanted or index.holders.get(task.slot) != task.id:
            return Refused(
                kind="conflict",
                message=f"{task.id} holds no slot that its group wants: there is none to give up. Nothing was stopped;"
                " kill it without --scale",
            )
        counts = fewer.setdefault(task.group.stack, {})
        counts[task.group] = counts.get(task.group, 0) + 1
    changes = []
    for name, counts in fewer.items():
        stack = state.stacks[name]
        specs = tuple(replace(spec, instances=spec.instances - counts.get(spec.id, 0)) for spec in stack.groups)
        for spec in specs:
            if spec.id in counts and (refused := _out_of_bounds(spec)):
                return refused
        new = replace(stack, groups=specs, index=stack.index + 1)
        killed = tuple(task.id for task in tasks if task.group.stack == name)
        changed = tuple(str(id) for id in sorted(counts))
        changes.append(StackChange(stack=new, changed=changed, killed=killed, killed_because=kill_cause(request)))
    return tuple(changes)


def living(ids: tuple[TaskId, ...], state: ClusterState) -> tuple[Task, ...] | Refused:
    """The tasks with these ids, each once, or why they cannot be stopped."""
    found = []
    for id in dict.fromkeys(ids):
        task = state.tasks.get(id)
        if task is None:
            message = f"there is no task {id}; `framework ps` lists those there are; nothing was stopped"
            return Refused(kind="not_found", message=message)
        if task.state.is_terminal:
            return Refused(kind="conflict", message=f"{id} has ended already ({task.state.value}); nothing was stopped")
        found.append(task)
    return tuple(found)


def kill_cause(request: KillRequested) -> str:
    """Why the tasks stop, as a phrase for people."""
    who = f" by {request.by}" if request.by else ""
    return f"killed{who}" + (f": {request.message}" if request.message else "")


def restarted(spec: GroupSpec, state: ClusterState) -> GroupSpec:
    """The group's spec with a generation above that of all its tasks, so that all are replaced: also tasks of a restart
    that was rolled back meanwhile."""
    newest = max((task.generation for task in state.tasks_of(spec.id)), default=0)
    return replace(spec, generation=max(spec.generation, newest) + 1)


def _adjusted(
    request: ScaleRequested | RestartRequested | StopRequested | StartRequested, spec: GroupSpec, state: ClusterState
) -> GroupSpec | Refused:
    if isinstance(request, RestartRequested):
        return restarted(spec, state)
    if isinstance(request, StopRequested):
        return replace(spec, is_stopped=True)
    if isinstance(request, StartRequested):
        return replace(spec, is_stopped=False)
    if spec.mode is Mode.GLOBAL:
        return _no_number(spec)
    instances = spec.instances
    if request.instances is not None:
        instances = request.instances
    elif request.delta is not None:
        instances += request.delta
    elif request.factor is not None:
        instances = round(instances * request.factor)
    if not 0 <= instances <= MOST_INSTANCES:
        return Refused(
            kind="invalid",
            message=f"{spec.id} would have {instances} instances; wanted 0 to {MOST_INSTANCES}; it has"
            f" {spec.instances} now",
            details=(("instances", f"{instances} is not in 0..{MOST_INSTANCES}"),),
        )
    scaled = replace(spec, instances=instances)
    return _out_of_bounds(scaled) or scaled


def _out_of_bounds(spec: GroupSpec) -> Refused | None:
    """Why a group that is scaled by its load cannot have so many instances; None where it can."""
    bounds = spec.autoscale
    if bounds is None or spec.fitting(spec.instances) == spec.instances:
        return None
    return Refused(
        kind="invalid",
        message=f"{spec.id} is scaled by its load, from {bounds.min} to {bounds.max}; wanted a number of these, got"
        f" {spec.instances}. Change autoscale in the stack file, or `framework stop {spec.id}` for none",
        details=(("instances", f"{spec.instances} is not in {bounds.min}..{bounds.max}, the bounds of autoscale"),),
    )


def _no_number(spec: GroupSpec) -> Refused:
    return Refused(
        kind="invalid",
        message=f"{spec.id} is global: it has one on every agent on which it can run, and no number of its own;"
        " name the groups that are to be scaled, or stop it",
    )
