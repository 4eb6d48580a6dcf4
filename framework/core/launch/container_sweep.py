"""Container sweeps: a task that removes orphan containers, those that outlived their executor and that no task adopts.

The reaper of the next executor on an agent removes them, too, but there may never be a next one: the stack was removed,
the group scaled down, or its slot filled elsewhere. So for a task that `is_left` a task that `sweeps` is launched, on
its agent or on the one in that agent's place. It needs almost no resources, its goal is STOP from the start, and it
holds no slot. It is FINISHED when no container is left. Until then a removed stack is still being removed. After some
tries, or ten minutes, an event reports the containers, and they are left to the next executor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from framework.core.commands import Accept, Launch, RemoveOrphans
from framework.core.events import OrphanContainersReported
from framework.core.launch.adoption import keeper_of
from framework.core.launch.launch import Batch
from framework.core.model import Instant, Task
from framework.core.state.agents import DRAINING
from framework.core.state.context import Context
from framework.core.state.executor_choice import ExecutorChoice
from framework.core.state.timers import Timer
from placement.agent import AgentState
from placement.cluster_snapshot import ClusterSnapshot
from placement.offer import Offer, ReservationPool
from placement.reservation_pools import draw
from specs.ids import AgentId, GroupId, TaskId, task_id
from specs.model.resources import Resources
from specs.model.stack import Container
from specs.states import Goal, Health, Readiness, TaskState

RESOURCES = Resources(cpus_milli=10, mem_mib=1)
"""Resources of a sweep. Mesos requires some for every task."""
AGAIN_SECONDS = 10.0
"""Pause before a failed sweep is tried again."""
MOST_TRIES = 5
MOST_SECONDS = 600.0
"""Limit on the time from a task's end to its sweep: its agent may have no room, or be away."""
NOWHERE_SECONDS = 30.0
"""Time-out of a removed stack for an agent that is not in the master's list: the agent may be coming back."""
MOST_AT_ONCE = 50
"""Limit on the tasks of a group and agent that one sweep is for."""
_BEFORE_ADOPTION = frozenset({TaskState.INTENT, TaskState.STAGING, TaskState.STARTING})
"""States of a task that can still adopt the container of a predecessor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The work of one sweep: to remove the containers that tasks of one group (`left`, newest first) left on one
    agent."""

    agent_id: AgentId
    left: tuple[Task, ...]


def due(context: Context) -> list[Sweep]:
    """The sweeps that wait for an offer. Sets the timer for those that are due later."""
    by_place: dict[tuple[GroupId, AgentId], list[Task]] = {}
    looks: list[Instant] = []
    for id in context.state.left:
        task = context.state.tasks[id]
        looks.append(task.ended_at + _kept_seconds(context, task))
        keeper = keeper_of(context.agents, task)
        if keeper is None or keeper.state in DRAINING or keeper.state is AgentState.DISCONNECTED:
            continue
        at = _due_at(context, task)
        if context.now < at:
            looks.append(at)
        else:
            by_place.setdefault((task.group, keeper.id), []).append(task)
    if looks:
        context.timers.set(Timer.SWEEP, "", min(looks))
    return [
        Sweep(agent_id=agent_id, left=tuple(reversed(by_place[group, agent_id][-MOST_AT_ONCE:])))
        for group, agent_id in sorted(by_place)
    ]


def _due_at(context: Context, task: Task) -> Instant:
    """When a task's container is swept. Not at once while its slot is pending: the next task may adopt the
    container."""
    if task.sweeps:
        return task.ended_at + AGAIN_SECONDS
    is_pending = task.slot in context.pending.get(task.group, ())
    return task.ended_at + (context.settings.adoption_seconds if is_pending else 0.0)


def waiting(sweeps: list[Sweep]) -> dict[GroupId, int]:
    """The number of sweeps of each group that wait for an offer."""
    counts: dict[GroupId, int] = {}
    for sweep in sweeps:
        group = sweep.left[0].group
        counts[group] = counts.get(group, 0) + 1
    return counts


def batch_of(
    context: Context,
    sweeps: list[Sweep],
    snapshot: ClusterSnapshot,
    offers: Mapping[AgentId, Sequence[Offer]],
    choice: ExecutorChoice,
) -> Batch | None:
    """The launches of the sweeps of one agent, as far as its offers have room; None if there is no room for one."""
    agent_id = sweeps[0].agent_id
    free = snapshot.free[agent_id]
    if agent_id not in snapshot.overhead.present:
        needed = snapshot.overhead.resources
        free = free - needed if free.covers(needed) else Resources()
    serial, launches, pools = context.state.next_serial, [], choice.pools
    for sweep in sweeps:
        if not free.covers(RESOURCES):
            break
        free = free - RESOURCES
        taken: tuple[ReservationPool, ...] = ()
        if pools:
            taken, pools = draw(pools, RESOURCES)
        launches.append(_launch(context, sweep, offers[agent_id][0], choice, taken, serial))
        serial += 1
    if not launches:
        return None
    accept = Accept(
        offer_ids=tuple(offer.id for offer in offers[agent_id]),
        launches=tuple(launches),
        refuse_seconds=context.settings.decline_again_seconds,
    )
    return Batch(accept=accept, tasks=tuple(launch.task for launch in launches), next_serial=serial)


def _launch(
    context: Context,
    sweep: Sweep,
    offer: Offer,
    choice: ExecutorChoice,
    pools: tuple[ReservationPool, ...],
    serial: int,
) -> Launch:
    newest = sweep.left[0]
    names: dict[TaskId, None] = {}
    for task in sweep.left:
        names |= dict.fromkeys((task.id, *task.predecessors))
    task = Task(
        id=task_id(newest.group, newest.slot, serial),
        group=newest.group,
        slot=newest.slot,
        attempt=newest.attempt,
        version=newest.version,
        generation=newest.generation,
        goal=Goal.STOP,
        state=TaskState.INTENT,
        health=Health.NONE,
        agent_id=offer.agent_id,
        hostname=offer.hostname,
        address=offer.address,
        executor_id=choice.executor_id,
        host_ports=(),
        launched_at=context.now,
        state_since=context.now,
        predecessors=tuple(names),
        readiness=Readiness.NONE,
        beside=newest.id,
        stop_cause=f"it removes the container that {newest.id} left",
        failures=1 + max(task.failures if task.sweeps else 0 for task in sweep.left),
        sweeps=True,
    )
    # Of the settings none is needed but an image: without one it would be a plain process.
    image = context.state.versions[newest.group.stack, newest.version].container.image
    return Launch(
        task=task,
        container=Container(image=image),
        resources=RESOURCES,
        pools=pools,
        executor_reservation=choice.reservation,
    )


def handed_on(context: Context, task: Task) -> Task:
    """The task as it is stored at its launch: from now on it stands for the containers that its predecessors left."""
    left = [context.state.tasks[id] for id in task.predecessors if id in context.state.left]
    for each in left:
        context.put(replace(each, is_left=False))
    return replace(task, is_left=True) if left else task


def end_overdue(context: Context) -> dict[GroupId, None]:
    """Ends the sweeps that were tried often enough or for long enough; returns their groups."""
    over: dict[GroupId, None] = {}
    for id in list(context.state.left):
        task = context.state.tasks[id]
        tries = task.failures if task.sweeps else 0
        if tries < MOST_TRIES and context.now < task.ended_at + _kept_seconds(context, task):
            continue
        context.put(replace(task, is_left=False))
        over[task.group] = None
        text = f"a container of {task.id} may be left on {task.hostname}: the next executor there removes it"
        context.publish_task("ContainerLeft", task, text)
    return over


def _kept_seconds(context: Context, task: Task) -> float:
    """Limit on the time since the task ended. It is short if only a removed stack waits, and for an agent that is not
    there. An agent that an operator marked as gone is treated the same: its machine may be back under another id that a
    newly elected master does not know again."""
    is_there = not context.agents.is_known or keeper_of(context.agents, task) is not None
    return MOST_SECONDS if is_there or task.group in context.state.specs else NOWHERE_SECONDS


def holds(context: Context, group: GroupId) -> bool:
    """Whether a group must be kept because a container of it must still be removed."""
    return any(context.state.tasks[id].group == group for id in context.state.left)


def answer(context: Context, event: OrphanContainersReported) -> None:
    """Answers which of the containers that an executor found are orphans. They belong to other agent ids than its own:
    an agent that is away can come back."""
    if context.unknown_tasks.halts_placing:
        return  # the store may be the wrong one
    tasks = context.state.tasks.values()
    named = {id for task in tasks if task.state in _BEFORE_ADOPTION for id in task.predecessors}
    unwanted = tuple(id for id in event.tasks if id not in named and not _is_wanted(context, id))
    if not unwanted:
        return
    is_known = all(id in context.state.tasks for id in unwanted)
    wait = context.after_all_saves if is_known else context.after_fence  # a newer leader may have stored it
    wait(RemoveOrphans(agent_id=event.agent_id, executor_id=event.executor_id, tasks=unwanted))


def _is_wanted(context: Context, id: TaskId) -> bool:
    """Whether a task lives, or has a container that another can still adopt."""
    task = context.state.tasks.get(id)
    if task is None:
        return False
    return task.state.is_lively or (
        task.is_orphaned and context.now < task.ended_at + context.settings.adoption_seconds
    )
