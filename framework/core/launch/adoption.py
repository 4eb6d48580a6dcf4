"""Adoption: the next task of a slot takes over a container that outlived its executor.

The task of such a container is called orphaned. An executor also ends when its agent comes back under another id (`rm
-f meta/slaves/latest`, Mesos's own step after its attributes have changed). Then the master has removed the old id, and
the containers run on, on the machine of the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from framework.core.groups.never_started import has_never_started
from framework.core.groups.rollout_gate import spec_for_refill
from framework.core.model import GroupSpec, Instant, KnownAgent, Task
from framework.core.state.agents import DRAINING, Agents
from framework.core.state.cluster_state import ClusterState
from framework.core.state.context import Context
from framework.core.state.executor_choice import ExecutorChoice
from framework.core.state.timers import Timer
from placement.agent import Agent
from placement.cluster_snapshot import ClusterSnapshot
from placement.offer import Offer
from placement.request import Placement
from specs.ids import AgentId, GroupId, TaskId, is_same_container
from specs.model.resources import PortRanges, Resources
from specs.states import Goal, TaskState

MOST_PREDECESSORS = 5
"""Limit on the adoptions in a row of which none lasted. After that something is wrong with the executor or the agent,
and the next end counts as a failure."""
LASTING_SECONDS = 60.0
"""An adopted container that has run for so long has lasted."""
_EXECUTOR_ENDED = frozenset({"REASON_EXECUTOR_TERMINATED", "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"})
_ENDED_UNASKED = frozenset({TaskState.FAILED, TaskState.LOST, TaskState.GONE})
"""Mesos reports GONE for tasks whose executor has not come back to a restarted agent."""
_FORGOTTEN_STATES = frozenset(
    {TaskState.LOST, TaskState.GONE, TaskState.GONE_BY_OPERATOR, TaskState.UNKNOWN, TaskState.DROPPED}
)
"""States of a task that neither agent nor master knows, as after its agent id was removed. The machine can have an
agent again, under another id, while containers run on."""
_WITHOUT_CAUSE = frozenset({"REASON_RECONCILIATION", "REASON_AGENT_REREGISTERED"})
"""Reasons of a status that the master sends on a reconciliation, or when an agent is back. They do not say why the task
ended."""
_AGENT_REMOVED = "REASON_AGENT_REMOVED"
_SAME_ADDRESS = "a new agent registered at the same address"
"""Mesos's message for an agent that came back under another id. The reason alone is the same as for a machine that was
shut down for good."""
SUCCESSOR_SECONDS = 5.0
"""Time-out for the agent that has replaced a task's own: the master offers it within a second."""


def marked(state: ClusterState, task: Task) -> Task:
    """An ended task, marked as orphaned if its container may run on without its executor and the next task can adopt
    it; and as left if that container must be removed unless it is adopted.

    A task that never reached its executor has no container, but it may have been launched to adopt one. Plain processes
    end with their executor.
    """
    version = state.versions.get((task.group.stack, task.version))
    if version is None or not version.container.image:
        return task
    if task.sweeps:
        return replace(task, is_left=task.state is not TaskState.FINISHED)
    was_begun = bool(task.sandbox or task.running_since)
    has_no_executor = _executor_ended(task)
    is_left = has_no_executor or _is_untold(task) if was_begun else task.is_left
    if has_no_executor:
        is_orphaned = was_begun or task.adopts
    else:
        is_orphaned = task.adopts and (task.state is TaskState.DROPPED or has_never_started(task))
    if task.goal is Goal.STOP or len(predecessors_after(task)) > MOST_PREDECESSORS:
        is_orphaned = False
    return replace(task, is_orphaned=is_orphaned, is_left=is_left)


def _is_untold(task: Task) -> bool:
    """Whether no executor has reported the end of the task: its container may still be there."""
    return task.state in _FORGOTTEN_STATES or (task.state is TaskState.FAILED and task.reason in _WITHOUT_CAUSE)


def is_removed(task: Task) -> bool:
    """Whether it ended because the master removed its agent: no fault of the task."""
    return task.state in _ENDED_UNASKED and task.reason == _AGENT_REMOVED


def predecessors_after(last: Task | None) -> tuple[TaskId, ...]:
    """The tasks, newest first, whose container can still be on the agent of `last`, the last ended task of a slot. In
    most cases there are none."""
    if last is None:
        return ()
    has_come_to_nothing = bool(last.predecessors) and not last.running_since
    if not (_executor_ended(last) or last.is_orphaned or last.is_left or has_come_to_nothing):
        return ()
    has_lasted = bool(last.running_since) and last.ended_at - last.launched_at >= LASTING_SECONDS
    return (last.id,) if has_lasted else (last.id, *last.predecessors)[: MOST_PREDECESSORS + 1]


def _executor_ended(task: Task) -> bool:
    """Whether Mesos has reported that the executor, or the whole agent, is gone. What an executor reports itself when
    it shuts down is another state."""
    return task.state in _ENDED_UNASKED and (task.reason in _EXECUTOR_ENDED or task.reason == _AGENT_REMOVED)


def left_on(context: Context, group: GroupId, slot: int, offer: Offer) -> tuple[Task | None, tuple[TaskId, ...]]:
    """The last ended task of the slot and its predecessors, if their container can still be on the offer's agent; else
    none."""
    state = context.state
    id = state.group(group).last_ended.get(slot)
    last = state.tasks[id] if id is not None else None
    if last is None or not is_at(context.agents, last, offer):
        return None, ()
    return last, predecessors_after(last)


def is_at(agents: Agents, task: Task, offer: Offer) -> bool:
    """Whether the task was on the offer's agent, or on the same machine under an agent id that was removed."""
    if task.agent_id == offer.agent_id:
        return True
    is_same = bool(task.address) and (task.hostname, task.address) == (offer.hostname, offer.address)
    return is_same and task.agent_id not in agents.present


def keeper_of(agents: Agents, task: Task) -> Agent | None:
    """The agent on whose machine the container of an ended task can run on; None if there is none now."""
    return agents.present.get(task.agent_id) or agents.successor(task.agent_id, task.hostname, task.address)


def awaited(context: Context, spec: GroupSpec, slot: int) -> Task | None:
    """The orphaned task of a slot that waits for an offer of its own agent; None if the slot can be filled anywhere.

    The wait is bounded. There is none for an agent that is away or drains, and none for one that has another id and
    other attributes now if the group has constraints: they say where the slot is filled.
    """
    state = context.state
    id = state.group(spec.id).last_ended.get(slot)
    last = state.tasks[id] if id is not None else None
    if last is None or not last.is_orphaned or context.now >= _awaited_until(context, last):
        return None
    wanted = spec_for_refill(context, spec, slot)
    is_current = is_same_container(last.version, wanted.version) and last.generation >= wanted.generation
    if slot in state.group(spec.id).holders or not is_current:
        return None
    agent = keeper_of(context.agents, last)
    if agent is None:
        is_coming = is_removed(last) and state.group(spec.id).wanted.get(slot) is None
        return last if is_coming else None
    if agent.state in DRAINING or not _suits(agent, state.agents.get(last.agent_id), spec, last):
        return None
    return last if state.group(spec.id).wanted.get(slot) in (None, agent.id) else None


def _awaited_until(context: Context, last: Task) -> Instant:
    """The end of a slot's wait. It waits for another agent id on its machine only if Mesos says that there is one."""
    if not is_removed(last) or keeper_of(context.agents, last) is not None:
        return last.ended_at + context.settings.adoption_seconds
    return last.ended_at + (SUCCESSOR_SECONDS if _SAME_ADDRESS in last.message else 0.0)


def _suits(agent: Agent, before: KnownAgent | None, spec: GroupSpec, last: Task) -> bool:
    """Whether the agent is the task's own, or one in its place with the same attributes, or the group has no
    constraints."""
    if agent.id == last.agent_id:
        return True
    if before is not None and (before.attributes, before.region, before.zone) == (
        agent.attributes,
        agent.region,
        agent.zone,
    ):
        return True
    rules = spec.rules
    return not (rules.constraints or rules.spread or rules.near or rules.apart)


def awaiting(context: Context) -> dict[GroupId, int]:
    """The number of pending slots of each group that wait for their agents. Sets the timer for the end of each group's
    wait."""
    counts: dict[GroupId, int] = {}
    for group in sorted(context.pending):
        spec = context.state.specs[group]
        found = [task for slot in context.pending[group] if (task := awaited(context, spec, slot)) is not None]
        if found:
            counts[group] = len(found)
            end = min(_awaited_until(context, task) for task in found)
            context.timers.set(Timer.ADOPTION, str(group), end)
    return counts


def adoptions(
    context: Context, snapshot: ClusterSnapshot, choices: Mapping[AgentId, ExecutorChoice]
) -> tuple[Placement, ...]:
    """Placements that put slots back where their containers run, on the same ports, as far as offers have room.
    Constraints and dependencies are not checked: the container runs already."""
    left: dict[AgentId, Resources] = {}
    found: list[Placement] = []
    for group in sorted(context.pending):
        spec = context.state.specs[group]
        for slot in sorted(context.pending[group]):
            task = awaited(context, spec, slot)
            keeper = keeper_of(context.agents, task) if task is not None else None
            if task is None or keeper is None or keeper.id not in choices:
                continue
            id = keeper.id
            free = left.get(id) or _free_beside_executor(snapshot, id)
            version = context.state.versions[group.stack, task.version]
            wants = replace(version.resources, ports=PortRanges.single(task.host_ports))
            if not free.covers(wants):
                continue
            left[id] = free - wants
            found.append(Placement(group=group, slot=slot, agent_id=id, host_ports=task.host_ports, resources=wants))
    return tuple(found)


def _free_beside_executor(snapshot: ClusterSnapshot, id: AgentId) -> Resources:
    """The offered resources, less those of the executor if it does not run there."""
    free, overhead = snapshot.free[id], snapshot.overhead
    if id in overhead.present:
        return free
    return free - overhead.resources if free.covers(overhead.resources) else Resources()
