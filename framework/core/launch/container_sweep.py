"""Containers that outlived their executor and that no task is to take over: a task is launched that removes them.

The reaper of the next executor on an agent would, but there may never be one: the stack was removed, the group scaled
down, or its slot went elsewhere. So a task that `is_left` is followed by one that `sweeps`, on its agent or on the one
in that agent's place. It asks for next to nothing, its goal is STOP from the start, it holds no slot, and it has
FINISHED once nothing is left. Until then a removed stack is being removed. After some tries, or ten minutes, what is
left is told of, and is a matter of the next executor.
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
"""Resources of a sweeping task. Mesos wants some of every task."""
AGAIN_SECONDS = 10.0
"""Pause before a sweep that came to nothing is tried again."""
MOST_TRIES = 5
MOST_SECONDS = 600.0
"""Limit on the time since a task ended in which its container is swept: its agent may have no room, or be away."""
NOWHERE_SECONDS = 30.0
"""How long a removed stack waits for an agent that the master does not name: it may just have come back."""
MOST_AT_ONCE = 50
"""Limit on the tasks of a group on an agent that one task sweeps."""
_BEFORE_ADOPTION = frozenset({TaskState.INTENT, TaskState.STAGING, TaskState.STARTING})
"""States in which a task may still be about to take over what its predecessors have left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The work of one task: to remove what tasks of one group, `left`, newest first, have left on one agent."""

    agent_id: AgentId
    left: tuple[Task, ...]


def due(context: Context, now: Instant) -> list[Sweep]:
    """The sweeps that wait for an offer. Sets the timer for what is due later."""
    by_place: dict[tuple[GroupId, AgentId], list[Task]] = {}
    looks: list[Instant] = []
    for id in context.state.left:
        task = context.state.tasks[id]
        looks.append(task.ended_at + _kept_seconds(context, task))
        keeper = keeper_of(context.agents, task)
        if keeper is None or keeper.state in DRAINING or keeper.state is AgentState.DISCONNECTED:
            continue
        at = _due_at(context, task)
        if now < at:
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
    """When a task's container is to be swept: for a while not where the next task of the slot may come there, and take
    it over or remove it."""
    if task.sweeps:
        return task.ended_at + AGAIN_SECONDS
    is_pending = task.slot in context.pending.get(task.group, ())
    return task.ended_at + (context.settings.adoption_seconds if is_pending else 0.0)


def waiting(sweeps: list[Sweep]) -> dict[GroupId, int]:
    """For how many sweeps of each group an offer is wanted."""
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
    now: Instant,
) -> Batch | None:
    """The sweeping tasks of one agent, as far as its offers have room."""
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
        launches.append(_launch(context, sweep, offers[agent_id][0], choice, taken, serial, now))
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
    now: Instant,
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
        launched_at=now,
        state_since=now,
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
    """The task as it is launched: what its predecessors have left is its business from now on."""
    left = [context.state.tasks[id] for id in task.predecessors if id in context.state.left]
    for each in left:
        context.put(replace(each, is_left=False))
    return replace(task, is_left=True) if left else task


def give_up(context: Context, now: Instant) -> dict[GroupId, None]:
    """Ends the sweeps that have been tried enough, or for long enough; returns the groups that they were of."""
    over: dict[GroupId, None] = {}
    for id in list(context.state.left):
        task = context.state.tasks[id]
        tries = task.failures if task.sweeps else 0
        if tries < MOST_TRIES and now < task.ended_at + _kept_seconds(context, task):
            continue
        context.put(replace(task, is_left=False))
        over[task.group] = None
        text = f"a container of {task.id} may be left on {task.hostname}: the next executor there removes it"
        context.publish_task("ContainerLeft", task, text)
    return over


def _kept_seconds(context: Context, task: Task) -> float:
    """Limit on the time since the task ended: short where nothing but a removed stack waits for an agent that is not
    there. It is the same where an operator has marked the agent as gone: its machine may be back under another id, and
    not be known again to a master that has just begun to lead."""
    is_there = not context.agents.is_told or keeper_of(context.agents, task) is not None
    return MOST_SECONDS if is_there or task.group in context.state.specs else NOWHERE_SECONDS


def holds(context: Context, group: GroupId) -> bool:
    """Whether a group is not over because something of it is still to be removed."""
    return any(context.state.tasks[id].group == group for id in context.state.left)


def answer(context: Context, event: OrphanContainersReported, now: Instant) -> None:
    """Says which of the containers that an executor asks about are wanted by nobody. Their agent ids are others than
    its own: they may be away, and come back."""
    if context.unknown_tasks.halts_placing:
        return  # the store may be the wrong one
    tasks = context.state.tasks.values()
    named = {id for task in tasks if task.state in _BEFORE_ADOPTION for id in task.predecessors}
    unwanted = tuple(id for id in event.tasks if id not in named and not _is_wanted(context, id, now))
    if not unwanted:
        return
    is_known = all(id in context.state.tasks for id in unwanted)
    wait = context.after_all_saves if is_known else context.after_fence  # a newer leader may have stored it
    wait(RemoveOrphans(agent_id=event.agent_id, executor_id=event.executor_id, tasks=unwanted))


def _is_wanted(context: Context, id: TaskId, now: Instant) -> bool:
    """Whether a task lives, or has a container that another may still take over."""
    task = context.state.tasks.get(id)
    if task is None:
        return False
    return task.state.is_lively or (task.is_orphaned and now < task.ended_at + context.settings.adoption_seconds)
