"""The plan of a submit, computed from a view: its changes, where new tasks would go, and which do not fit. The
scheduler is not asked, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from framework.core.groups.completion import signal_of
from framework.core.model import GroupSpec, Task
from framework.core.read.pace_warnings import warned
from framework.core.stacks.changes import instances_of
from framework.core.views import AgentView, GroupView, StackView, View
from framework.core.volatile import Connection
from placement.cluster import Cluster
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import eligible
from placement.neighbours import selects
from placement.occupancy import Occupancy, TaskCounts
from placement.request import Overhead, Request
from placement.simulation import Outcome, hard_apart, missing, request_of, settle
from placement.violations import violations
from specs.file.route_labels import passed_over
from specs.ids import AgentId, GroupId, TaskId, VersionId, container_hash, is_same_container
from specs.model.canonical import version_of
from specs.model.constraints import STICKY_ALWAYS, Mode, Neighbour, Rules
from specs.model.dependants import Dependant, dependants_of
from specs.model.difference import Change, GroupDifference, difference, renames
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Container, Group, HealthCheck, OnChange, Restart, Stack
from specs.states import Goal, TaskState

_Held = tuple[GroupView, Task]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """The effect of a submit on a group; `change` is None where its settings stay. `note` says why nothing is placed
    although something is wanted ("is stopped"), or what its number goes by, "" else."""

    group: GroupId
    change: Change | None
    outcome: Outcome
    note: str = ""
    follows: str = ""
    """The effect on it of a change of another service, a phrase; "" where there is none."""
    moves: tuple[str, ...] = ()
    """The running tasks that have to go elsewhere, each with the changed rules that it breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`index` is the stack's now, 0 where there is none. `problem` is what keeps anything from being placed now."""

    stack: str
    index: int
    is_new: bool
    changes: tuple[GroupDifference, ...]
    groups: tuple[GroupPlan, ...]
    warnings: tuple[str, ...]
    problem: str


def stack_of(view: StackView) -> Stack:
    """The stack as it was submitted, with the numbers that scaling gave it since."""
    return Stack(name=view.spec.name, groups=tuple(group_of(group) for group in view.groups))


def snapshot_of(view: View, *, without: Task | None = None) -> ClusterSnapshot:
    """The snapshot of now: what is offered, or else what was free when the master was last asked.

    `without` a task its agent has what it takes, and does not count it.
    """
    leaving = [] if without is None else [held for held in _held(view) if held[1].id == without.id]
    return _snapshot(view, leaving, hard_apart(_rules(view)))


def plan(view: View, new: Stack) -> Plan:
    """The plan of submitting the stack: its changes, and where the tasks that it adds or lacks would go now."""
    found = view.stacks.get(new.name)
    deployed = None if found is None or found.spec.is_removed else found
    old = stack_of(deployed) if deployed else None
    new = _with_numbers(old, new)
    changes = {change.group: change for change in difference(old, new)}
    now = {group.spec.id: group for group in (deployed.groups if deployed else ())}
    following = _dependants(new, now, changes)
    restarted = {id for id, one in following.items() if one.on_change is OnChange.RESTART}
    kept = {
        group.id: _kept(now[group.id], group) if group.id in now and group.id not in restarted else {}
        for group in new.groups
    }
    violating = {
        group.id: _violating(view, now[group.id], group, kept[group.id]) for group in new.groups if group.id in now
    }
    kept |= {id: {slot: at for slot, at in kept[id].items() if slot not in slots} for id, slots in violating.items()}
    leaving = [
        (group, task)
        for group, task in _held(view)
        if task.group.stack == new.name and kept.get(task.group, {}).get(task.slot) != task.agent_id
    ]
    rules = [(id, rules) for id, rules in _rules(view) if id.stack != new.name]
    snapshot = _snapshot(view, leaving, hard_apart([*rules, *((group.id, group.rules) for group in new.groups)]))
    stopped = {id for id, group in now.items() if group.spec.is_stopped}
    requests = [
        remembered(missing(group, snapshot, kept[group.id]), view, now.get(group.id))
        for group in new.groups
        if group.id not in stopped
    ]
    outcomes = {outcome.group: outcome for outcome in settle(requests, snapshot).outcomes}
    groups = tuple(
        GroupPlan(
            group=group.id,
            change=changes[group.id].change if group.id in changes else None,
            outcome=outcomes.get(group.id, Outcome(group=group.id, wanted=0)),
            note=_note(group, is_stopped=group.id in stopped),
            follows=_follows(group, following.get(group.id)),
            moves=tuple(violating.get(group.id, {}).values()),
        )
        for group in new.groups
    )
    return Plan(
        stack=new.name,
        index=found.spec.index if found else 0,
        is_new=old is None,
        changes=tuple(changes.values()),
        groups=groups,
        warnings=warnings(view, new),
        problem=problem_of(view),
    )


def _note(group: Group, *, is_stopped: bool) -> str:
    if is_stopped:
        return f"is stopped: `framework start {group.id}` starts it"
    return f"scaled by its load: {group.autoscale}" if group.autoscale else ""


def _with_numbers(old: Stack | None, new: Stack) -> Stack:
    """The stack with as many instances as its groups would have once it is submitted."""
    now = {group.id: group.instances for group in old.groups} if old else {}
    groups = tuple(replace(group, instances=instances_of(group, now.get(group.id))) for group in new.groups)
    return replace(new, groups=groups)


def _dependants(
    new: Stack, now: Mapping[GroupId, GroupView], changes: Mapping[GroupId, GroupDifference]
) -> dict[GroupId, Dependant]:
    replaced = [id for id, change in changes.items() if change.change is Change.REPLACED]
    return dependants_of({group.id: group.dependencies for group in new.groups if group.id in now}, replaced)


def _follows(group: Group, dependant: Dependant | None) -> str:
    if dependant is None:
        return ""
    changed = f"{group.id.stack}/{dependant.service}"
    if dependant.on_change is OnChange.RESTART:
        return f"is restarted, as {changed} is changed"
    return f"gets {signal_of(group)} once {changed} is changed"


def warnings(view: View, new: Stack) -> tuple[str, ...]:
    """Warnings about likely mistakes: neighbours in other stacks that are not there, labels that mean
    nothing here, and rules that no agent meets."""
    others = [group.spec.id for name, stack in view.stacks.items() if name != new.name for group in stack.groups]
    ours = [group.id for group in new.groups]
    found = []
    for group in new.groups:
        for word, neighbours in (("near", group.rules.near), ("apart", group.rules.apart)):
            for neighbour in neighbours:
                if not any(selects(neighbour.to, group.id, other) for other in (*ours, *others)):
                    found.append(f"{group.id}: {word} {neighbour.to}: no group is there now; {_means(word, neighbour)}")
    more = (_passed_over(new), _renamed(view, new), _checked_anew(view, new), _frozen(view, new), _unmet(view, new))
    return (*found, *(line for lines in more for line in lines))


def _frozen(view: View, new: Stack) -> Iterator[str]:
    """Which groups could never be changed, by their own pace."""
    deployed = view.stacks.get(new.name)
    now = {group.spec.id: group for group in (deployed.groups if deployed else ())}
    for group in new.groups:
        was = now.get(group.id)
        if group.mode is Mode.GLOBAL:
            slots = was.wanted if was else 0
        else:
            slots = instances_of(group, was.spec.instances if was else None)
        yield from warned(group, group.container, slots)


def _passed_over(new: Stack) -> Iterator[str]:
    for group in new.groups:
        if names := passed_over(tuple({**dict(group.container.labels), **dict(group.metadata)}.items())):
            verb = "means" if len(names) == 1 else "mean"
            yield f"{group.id}: {', '.join(names)} {verb} nothing here; docs/balancers.md has the labels that do"


def _renamed(view: View, new: Stack) -> Iterator[str]:
    """Which groups get other labels or another name: they are others then."""
    deployed = view.stacks.get(new.name)
    if deployed is None or deployed.spec.is_removed:
        return
    old = Stack(
        name=new.name, groups=tuple(group_of(one) for one in deployed.groups if one.spec in deployed.spec.groups)
    )
    for rename in renames(old, new):
        yield str(rename)


def _checked_anew(view: View, new: Stack) -> Iterator[str]:
    """Which groups' running tasks get another check."""
    deployed = view.stacks.get(new.name)
    now = {group.spec.id: group for group in (deployed.groups if deployed else ())}
    for group in new.groups:
        was, check = now.get(group.id), group.container.health
        if was is None or check is None or not was.tasks or not is_same_container(was.spec.version, version_of(group)):
            continue
        if was.container.health is None or _requests(was.container.health) != _requests(check):
            yield (
                f"{group.id}: its tasks run on, and serve until they have passed the new health check; those that never"
                " do are replaced, at the pace of `update`: with a check that is wrong no new task becomes healthy"
            )


def _requests(check: HealthCheck) -> HealthCheck:
    """The request of a check, without its interval and limits."""
    return HealthCheck(
        kind=check.kind,
        path=check.path,
        port=check.port,
        command=check.command,
        method=check.method,
        headers=check.headers,
        codes=check.codes,
        verifies=check.verifies,
    )


def allowed(view: View, stack: Stack) -> dict[GroupId, tuple[AgentId, ...]]:
    """The agents on which each group might run by its rules, however large they are, and be they drained or not; but
    none that is gone."""
    gone = {one.agent.id: one.unavailable for one in view.agents.values() if is_gone(one)}
    snapshot = replace(snapshot_of(view), unavailable=gone)
    return {
        group.id: eligible(replace(request_of(group), resources=Resources(), host_ports=()), snapshot)
        for group in stack.groups
    }


def _held(view: View) -> Iterator[_Held]:
    for stack in view.stacks.values():
        for group in stack.groups:
            for task in group.tasks:
                if not needs_replacement(task):
                    yield group, task


def needs_replacement(task: Task) -> bool:
    """Whether its slot has to be filled again, and its agent no longer counts it: it has ended, or is unreachable."""
    return task.state.is_terminal or task.state is TaskState.UNREACHABLE


def _rules(view: View) -> Iterator[tuple[GroupId, Rules]]:
    for stack in view.stacks.values():
        for group in stack.groups:
            yield group.spec.id, group.spec.rules


def _snapshot(view: View, leaving: Iterable[_Held], apart: tuple[tuple[GroupId, Neighbour], ...]) -> ClusterSnapshot:
    free: dict[AgentId, Resources] = {}
    for one in view.agents.values():
        has = one.agent.free if one.offered is None else one.offered
        if has is not None:
            free[one.agent.id] = has
    gone: dict[TaskId, None] = {}
    for group, task in leaving:
        gone[task.id] = None
        if task.agent_id in free:
            free[task.agent_id] += _freed(view, group, task, free[task.agent_id])
    return ClusterSnapshot(
        cluster=Cluster(one.agent for one in view.agents.values()),
        free=free,
        occupancy=Occupancy(counts=_counts(task for _, task in _held(view) if task.id not in gone), apart=apart),
        overhead=Overhead(resources=view.executor, present=frozenset(task.agent_id for _, task in _held(view))),
        unavailable={one.agent.id: one.unavailable for one in view.agents.values() if one.unavailable},
        region=view.region,
    )


def _counts(tasks: Iterable[Task]) -> TaskCounts:
    counts: dict[GroupId, dict[AgentId, dict[VersionId, int]]] = {}
    for task in tasks:
        versions = counts.setdefault(task.group, {}).setdefault(task.agent_id, {})
        container = container_hash(task.version)
        versions[container] = versions.get(container, 0) + 1
    return counts


def _freed(view: View, group: GroupView, task: Task, free: Resources) -> Resources:
    """The resources that the agent gets back when the task is gone: those of its group's version, as a view knows no
    others.
    Which items of a set the task has is not known; as many as it has are taken to be its own."""
    total = view.agents[task.agent_id].agent.total or Resources()
    has, left = dict(total.sets), dict(free.sets)
    scalars, sets = [], list(group.resources.sets)
    for name, amount in group.resources.scalars:
        if name in has:
            used = [item for item in has[name] if item not in left.get(name, ())]
            sets.append((name, tuple(used[: -(-amount // 1000)])))
        else:
            scalars.append((name, amount))
    freed = replace(group.resources, scalars=tuple(scalars), sets=(), ports=PortRanges.single(task.host_ports))
    for one in sets:
        freed += Resources(sets=(one,))
    return freed


def group_of(view: GroupView) -> Group:
    """The group as a stack has it."""
    return group_with(view.spec, view.container, view.resources)


def group_with(spec: GroupSpec, container: Container, resources: Resources) -> Group:
    """The group that is desired, with the settings of its version."""
    return Group(
        id=spec.id,
        instances=spec.instances,
        container=container,
        resources=resources,
        restart=spec.restart,
        retry=spec.retry,
        dependencies=spec.dependencies,
        metadata=spec.metadata,
        mode=spec.mode,
        rules=spec.rules,
        unreachable=spec.unreachable,
        kill_order=spec.kill_order,
        routes=spec.routes,
        update=spec.update,
        rollback=spec.rollback,
        autoscale=spec.autoscale,
    )


def _kept(now: GroupView, new: Group) -> dict[int, AgentId | None]:
    """The slots that are as they shall be: those with a task, and those whose task has ended for good (None)."""
    if not is_same_container(now.spec.version, version_of(new)):
        return {}
    holders: dict[int, AgentId | None] = {
        task.slot: task.agent_id for task in now.tasks if task.goal is Goal.RUN and not needs_replacement(task)
    }
    if new.restart is not Restart.ALWAYS or new.retry.attempts:
        waiting = {one.slot for one in now.waiting if not one.is_final}
        holders |= {task.slot: None for task in now.ended if task.slot not in holders and task.slot not in waiting}
    if new.mode is Mode.GLOBAL:
        return dict(sorted(holders.items()))
    return {slot: holders[slot] for slot in sorted(holders)[: new.instances]}


def _violating(view: View, now: GroupView, new: Group, kept: Mapping[int, AgentId | None]) -> dict[int, str]:
    """The slots whose task breaks a rule that was changed, with the rule; those of a global group belong to agents."""
    if now.spec.rules == new.rules or new.mode is Mode.GLOBAL:
        return {}
    snapshot = snapshot_of(view)
    held = {slot: agent for slot, agent in kept.items() if agent is not None}
    return violations(new.id, new.rules, held, snapshot.cluster, snapshot.occupancy)


def remembered(request: Request, view: View, now: GroupView | None) -> Request:
    """The request with what is known of the group's past: agents it ran on, agents that failed it."""
    penalties = {
        one.agent.id: one.penalties[request.group] for one in view.agents.values() if request.group in one.penalties
    }
    request = replace(request, penalties=penalties)
    if now is None or not request.rules.sticky:
        return request
    homes: dict[int, AgentId] = {}
    pins = dict(request.pins)
    for task in (*now.tasks, *now.ended):
        if task.slot not in request.slots or task.slot in homes:
            continue
        homes[task.slot] = task.agent_id
        wait = request.rules.sticky_wait_seconds
        if wait == STICKY_ALWAYS or (task.ended_at and task.ended_at + wait > view.at):
            pins[task.slot] = task.agent_id
    return replace(request, homes=homes, pins=pins)


def problem_of(view: View) -> str:
    """Why no task can be placed, whatever it needs; "" where some can."""
    if view.connection is not Connection.SUBSCRIBED:
        return view.problem or "The scheduler is not subscribed to a master."
    return view.agents_problem


def _means(word: str, neighbour: Neighbour) -> str:
    if word == "near" and not neighbour.weight:
        return "it waits until one has a task"
    return "it means nothing until one is"


def is_gone(one: AgentView) -> bool:
    """Whether an agent is known only because tasks were on it: nothing goes there, and what it has is not told."""
    return bool(one.unavailable) and one.agent.total is None


def _unmet(view: View, new: Stack) -> Iterator[str]:
    strict = tuple(group for group in new.groups if group.rules.constraints)
    count = sum(not is_gone(one) for one in view.agents.values())
    if not count or not strict:
        return
    may = allowed(view, replace(new, groups=strict))
    for group in strict:
        if not may[group.id]:
            rules = "; ".join(str(rule) for rule in group.rules.constraints if not rule.is_counting)
            yield f"{group.id}: none of the {count} agents that are known meets its constraints ({rules})"
