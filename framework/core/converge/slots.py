"""Which slots of a group shall be filled."""

from __future__ import annotations

from framework.core.groups.completion import has_finished
from framework.core.launch.global_groups import global_slots
from framework.core.model import GroupSpec, Task
from framework.core.state.context import Context
from framework.core.state.group_index import holds_slot
from placement.surplus import Filled, Worth, slots_to_drop
from specs.ids import AgentId, GroupId
from specs.model.constraints import Mode
from specs.states import Goal, Health, TaskState


def wanted_slots(context: Context, group: GroupId) -> dict[int, AgentId | None]:
    """The slots that shall be filled, ascending, with the agent that each belongs to, None where it is free to go.

    Slots that are wanted already stay so; what is missing are the lowest free numbers. Of too many, those go without
    which the group stays even, and thus there may be gaps. After a start nothing is remembered: then the slots are
    wanted in which a task shall run, was orphaned or has finished, and again the lowest free numbers.
    """
    spec = context.state.specs.get(group)
    if spec is None or spec.is_stopped:
        return {}
    if spec.mode is Mode.GLOBAL:
        return global_slots(context, spec)
    return dict.fromkeys(_wanted_of_many(context, spec))


def _wanted_of_many(context: Context, spec: GroupSpec) -> list[int]:
    state = context.state
    index = state.group(spec.id)
    kept = dict.fromkeys(index.wanted)
    there = (*index.holders.values(), *(id for id in index.outgoing if holds_slot(state.tasks[id])))
    kept |= dict.fromkeys(state.tasks[id].slot for id in there if state.tasks[id].goal is Goal.RUN)
    if not index.wanted:
        orphaned = [slot for slot, id in sorted(index.last_ended.items()) if state.tasks[id].is_orphaned]
        kept |= dict.fromkeys([slot for slot in orphaned if slot not in kept][: max(spec.instances - len(kept), 0)])
        done = (slot for slot in sorted(index.last_ended) if slot not in kept and has_finished(state, spec, slot))
        kept |= dict.fromkeys(list(done)[: max(spec.instances - len(kept), 0)])
    if len(kept) > spec.instances:
        slots = [_filled(context, spec, slot) for slot in kept]
        order = context.kill_orders.get(spec.id, spec.kill_order)
        surplus = slots_to_drop(slots, len(kept) - spec.instances, spec.rules, context.agents.cluster, order)
        gone = frozenset(surplus)
        return sorted(slot for slot in kept if slot not in gone)
    number = 0
    while len(kept) < spec.instances:
        kept.setdefault(number)
        number += 1
    return sorted(kept)


def _filled(context: Context, spec: GroupSpec, slot: int) -> Filled:
    state = context.state
    index = state.group(spec.id)
    holder = index.holders.get(slot)
    if holder is None:
        return Filled(slot=slot, worth=Worth.FINISHED if has_finished(state, spec, slot) else Worth.EMPTY)
    task = state.tasks[holder]
    if task.goal is Goal.STOP:
        return Filled(slot=slot, worth=Worth.EMPTY)
    since = task.running_since or task.launched_at
    return Filled(slot=slot, worth=_worth(task), agent_id=task.agent_id, since=since)


def _worth(task: Task) -> Worth:
    if task.is_ready and not task.has_failed_probation:
        return Worth.READY
    if task.state is TaskState.UNREACHABLE:
        return Worth.UNREACHABLE
    return Worth.UNHEALTHY if task.health is Health.UNHEALTHY else Worth.STAGING
