"""The placement requests for a group's pending slots: its constraints, and the agents where the slots were before."""

from __future__ import annotations

from dataclasses import replace

from framework.core.groups.rollout_gate import previous_spec, spec_for_refill
from framework.core.launch.adoption import awaited
from framework.core.launch.launch import bare_request
from framework.core.model import GroupSpec, Instant, Task
from framework.core.state.agent_failures import penalties
from framework.core.state.agents import DRAINING
from framework.core.state.cluster_state import ClusterState, serial_of
from framework.core.state.context import Context
from framework.core.state.group_index import is_counted
from framework.core.state.timers import Timer
from placement.request import Request
from specs.ids import AgentId, VersionId, container_hash, is_same_container
from specs.model.constraints import STICKY_ALWAYS
from specs.states import Goal


def slots_by_spec(context: Context, spec: GroupSpec) -> tuple[tuple[GroupSpec, tuple[int, ...]], ...]:
    """The pending slots of a group by the spec that fills them, the previous spec first. Slots that wait for the agent
    that still runs their container are left out, perhaps all of them."""
    slots = [slot for slot in sorted(context.pending[spec.id]) if awaited(context, spec, slot) is None]
    specs: dict[VersionId, GroupSpec] = {}
    parts: dict[VersionId, list[int]] = {}
    for slot in slots:
        as_spec = spec_to_launch(context, spec, slot)
        specs.setdefault(as_spec.version, as_spec)
        parts.setdefault(as_spec.version, []).append(slot)
    ordered = sorted(parts, key=lambda version: version == spec.version)
    return tuple((specs[version], tuple(parts[version])) for version in ordered)


def request_for(context: Context, spec: GroupSpec, as_spec: GroupSpec, slots: tuple[int, ...]) -> Request:
    """The request for these pending slots of a group, all to be filled by `as_spec`. Sets the timer for the end of a
    wait for an agent."""
    wanted = context.state.group(spec.id).wanted
    pins = {slot: agent_id for slot in slots if (agent_id := wanted.get(slot)) is not None}
    homes: dict[int, AgentId] = {}
    if spec.rules.sticky:
        last = _last_tasks(context, spec)
        homes = {slot: last[slot].agent_id for slot in slots if slot in last}
        pins |= _pins(context, spec, [last[slot] for slot in homes])
    return replace(
        bare_request(context.state, as_spec),
        instances=len(wanted),
        rules=spec.rules,
        slots=slots,
        pins=pins,
        homes=homes,
        penalties=penalties(context.state.agent_failures, spec.id, context.now, context.settings),
        outgoing=_outgoing(context.state, spec, slots),
    )


def spec_to_launch(context: Context, spec: GroupSpec, slot: int) -> GroupSpec:
    """The spec by which the next task of a slot is launched: the desired one, or the previous one while a rollout keeps
    it."""
    replacement = context.state.group(spec.id).replacements.get(slot)
    if replacement is None:
        return spec_for_refill(context, spec, slot)
    return spec if is_same_container(replacement.version, spec.version) else previous_spec(context, spec) or spec


def _outgoing(state: ClusterState, spec: GroupSpec, slots: tuple[int, ...]) -> dict[AgentId, dict[VersionId, int]]:
    """The number of outgoing tasks by agent and version: those being stopped, and those whose replacement is there or
    placed now. Only counting constraints need all that are being stopped, and pay for a look at every slot."""
    index = state.group(spec.id)
    followed = dict.fromkeys((*slots, *index.surge))
    counts = bool(spec.rules.constraints or spec.rules.spread)
    holders = index.holders.values() if counts else [index.holders[slot] for slot in followed if slot in index.holders]
    found: dict[AgentId, dict[VersionId, int]] = {}
    for id in (*index.outgoing, *holders):
        task = state.tasks[id]
        if is_counted(task) and (task.goal is Goal.STOP or id in index.outgoing or task.slot in followed):
            versions = found.setdefault(task.agent_id, {})
            container = container_hash(task.version)
            versions[container] = versions.get(container, 0) + 1
    return found


def _last_tasks(context: Context, spec: GroupSpec) -> dict[int, Task]:
    """The last task of each slot: ended, outgoing, or running but about to be replaced."""
    state = context.state
    index = state.group(spec.id)
    last: dict[int, Task] = {}
    followed = (index.holders[slot] for slot in index.replacements if slot not in index.draining)
    outgoing = (id for id in index.outgoing if not state.tasks[id].sweeps)
    for id in sorted((*index.last_ended.values(), *outgoing, *followed), key=serial_of):
        last[state.tasks[id].slot] = state.tasks[id]
    return last


def _pins(context: Context, spec: GroupSpec, last: list[Task]) -> dict[int, AgentId]:
    """Slots that must go back to their agent: always, or for a while as long as the agent is there."""
    wait_seconds = spec.rules.sticky_wait_seconds
    if wait_seconds == STICKY_ALWAYS:
        return {task.slot: task.agent_id for task in last}
    pins: dict[int, AgentId] = {}
    until: list[Instant] = []
    for task in last:
        agent = context.agents.present.get(task.agent_id)
        end = (task.ended_at or task.state_since) + wait_seconds
        if context.now < end and agent is not None and agent.state not in DRAINING:
            pins[task.slot] = task.agent_id
            until.append(end)
    if until:
        context.timers.set(Timer.STICKY, str(spec.id), min(until))
    return pins
