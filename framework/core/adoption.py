"""Tasks whose executor died while their containers run on: who follows them, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from framework.core.agents import LEAVING
from framework.core.books import Books
from framework.core.context import Context
from framework.core.executors import Purse
from framework.core.lost import is_lost
from framework.core.model import GroupWish, Instant, Task
from framework.core.permits import refill
from placement.request import Placement
from placement.situation import Situation
from specs.ids import AgentId, GroupId, TaskId, is_same_make
from specs.resources import PortRanges, Resources
from specs.states import Goal, TaskState

MOST_PREDECESSORS = 5
"""After so many adoptions one after the other of which none lasted, something is wrong with the executor or the agent:
the next end counts as any other."""
LASTING_SECONDS = 60.0
_EXECUTOR_LOST = frozenset({"REASON_EXECUTOR_TERMINATED", "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"})
_LOST_STATES = frozenset({TaskState.FAILED, TaskState.LOST, TaskState.GONE})
"""GONE is what Mesos says of tasks whose executor has not come back to an agent that was started again."""


def marked(books: Books, task: Task) -> Task:
    """An ended task, marked as orphaned where its executor died and its container may run on.

    What never came to the executor has no container, unless it was to adopt one. Plain processes end with the executor.
    """
    version = books.versions.get((task.group.stack, task.version))
    if task.goal is Goal.STOP or version is None or not version.container.image:
        return task
    was_begun = bool(task.sandbox or task.running_since)
    is_orphaned = (
        was_begun or task.adopts
        if _lost_its_executor(task)
        else task.adopts and (task.state is TaskState.DROPPED or is_lost(task))
    )
    if not is_orphaned or len(predecessors_after(task)) > MOST_PREDECESSORS:
        return task
    return replace(task, is_orphaned=True)


def predecessors_after(last: Task | None) -> tuple[TaskId, ...]:
    """The tasks, newest first, whose container may be where `last`, the last ended task of a slot, was; in most cases
    there are none."""
    if last is None:
        return ()
    has_come_to_nothing = bool(last.predecessors) and not last.running_since
    if not (_lost_its_executor(last) or last.is_orphaned or has_come_to_nothing):
        return ()
    has_lasted = bool(last.running_since) and last.ended_at - last.launched_at >= LASTING_SECONDS
    return (last.id,) if has_lasted else (last.id, *last.predecessors)[: MOST_PREDECESSORS + 1]


def _lost_its_executor(task: Task) -> bool:
    """Whether Mesos has said so; what an executor says itself when it shuts down is another state."""
    return task.state in _LOST_STATES and task.reason in _EXECUTOR_LOST


def left_on(books: Books, group: GroupId, slot: int, agent_id: AgentId) -> tuple[Task | None, tuple[TaskId, ...]]:
    """The last ended task of the slot and its predecessors, where its container may still be on this agent."""
    id = books.group(group).last_ended.get(slot)
    last = books.tasks[id] if id is not None else None
    if last is None or last.agent_id != agent_id:
        return None, ()
    return last, predecessors_after(last)


def awaited(context: Context, wish: GroupWish, slot: int, now: Instant) -> Task | None:
    """The orphaned task of a slot that waits for its own agent's offer; None where it may go anywhere.

    It waits for a bounded time, and not for an agent that is away or leaving.
    """
    books = context.books
    id = books.group(wish.id).last_ended.get(slot)
    last = books.tasks[id] if id is not None else None
    if last is None or not last.is_orphaned or now >= last.ended_at + context.settings.adoption_seconds:
        return None
    wanted = refill(context, wish, slot)
    is_current = is_same_make(last.version, wanted.version) and last.generation >= wanted.generation
    if slot in books.group(wish.id).seats or not is_current:
        return None
    agent = context.agents.present.get(last.agent_id)
    if agent is None or agent.state in LEAVING:
        return None
    return last if books.group(wish.id).wanted.get(slot) in (None, last.agent_id) else None


def awaiting(context: Context, now: Instant) -> dict[GroupId, int]:
    """How many pending slots of each group wait for their agents. Sets the timer for the end of each group's wait."""
    counts: dict[GroupId, int] = {}
    for group in sorted(context.pending):
        wish = context.books.wishes[group]
        found = [task for slot in context.pending[group] if (task := awaited(context, wish, slot, now)) is not None]
        if found:
            counts[group] = len(found)
            end = min(task.ended_at for task in found) + context.settings.adoption_seconds
            context.timers.set("adopt", str(group), end)
    return counts


def adoptions(
    context: Context, situation: Situation, purses: Mapping[AgentId, Purse], now: Instant
) -> tuple[Placement, ...]:
    """Slots put back where their containers run, on the same ports, as far as offers have the room for them. Rules are
    not asked, nor dependencies: what runs, runs."""
    left: dict[AgentId, Resources] = {}
    found: list[Placement] = []
    for group in sorted(context.pending):
        wish = context.books.wishes[group]
        for slot in sorted(context.pending[group]):
            task = awaited(context, wish, slot, now)
            if task is None or task.agent_id not in purses:
                continue
            id = task.agent_id
            room = left.get(id) or _room_beside_executor(situation, id)
            version = context.books.versions[group.stack, task.version]
            wants = replace(version.resources, ports=PortRanges.single(task.host_ports))
            if not room.covers(wants):
                continue
            left[id] = room - wants
            found.append(Placement(group=group, slot=slot, agent_id=id, host_ports=task.host_ports, resources=wants))
    return tuple(found)


def _room_beside_executor(situation: Situation, id: AgentId) -> Resources:
    """What is offered, less what the executor takes where it does not run already."""
    room, overhead = situation.room[id], situation.overhead
    if id in overhead.present:
        return room
    return room - overhead.resources if room.covers(overhead.resources) else Resources()
