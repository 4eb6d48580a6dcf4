"""Pending slots meet held offers: launches, declines, suppress, revive. What would rather go to an agent whose offer is
not held waits for it for a moment (core.state.delay_scheduling)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from framework.core import agent_changes
from framework.core.commands import Accept, PutFramework
from framework.core.converge.converge import forget_if_over, review_slot
from framework.core.groups.completion import unmet_dependency
from framework.core.launch import container_sweep
from framework.core.launch.adoption import adoptions, awaiting, left_on
from framework.core.launch.launch import Batch, Filling, batches
from framework.core.launch.placement_request import request_for, slots_by_spec, spec_to_launch
from framework.core.launch.preferred_agents import look_around
from framework.core.model import GroupSpec, Task
from framework.core.state.backoff import is_permanently_failed, is_waiting, permanent_failure, sentence
from framework.core.state.context import Context
from framework.core.state.delay_scheduling import OFFER_WAIT_SECONDS
from framework.core.state.executor_choice import NO_ROOM, ExecutorChoice, choose_executor, free_in
from framework.core.state.placing import NO_OFFERS, PendingCause
from framework.core.state.timers import Timer
from framework.core.volatile import Connection
from placement.checks import Offered
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import place
from placement.occupancy import Occupancy
from placement.offer import Offer
from placement.refusals import Refusal
from placement.request import Overhead, Placement, Request
from specs.ids import AgentId, GroupId

SEEK_MOVED_EVERY_SECONDS = 10.0
WITHOUT_OFFERS_SECONDS = 2.0
"""After so long without any offer the cause is looked for in what the master told of its agents."""


def settle(context: Context) -> None:
    """Launches what fits on the held offers; then holds, declines, revives or suppresses as there is need."""
    if context.connection is not Connection.SUBSCRIBED:
        return
    context.placing.is_due = False
    if context.agents.is_awaited:
        return
    _end_waits(context)
    has_tried = bool(context.pool.held)
    may_launch = not context.unknown_tasks.halts_placing and not context.outbox.is_full
    if has_tried and may_launch:
        _adopt(context)
    sweeps = _sweep(context) if context.state.left and may_launch else {}
    parts = _eligible(context)
    requests = [request for asked in parts for request in asked]
    if requests and has_tried:
        # The first request of each group goes before any second one: slots that keep their version are counted by
        # those placed after them.
        rounds = (list(each) for each in zip_longest(*parts))
        requests = [left for each in rounds for left in _launch(context, [one for one in each if one])]
    waiting = awaiting(context)
    for group, count in sweeps.items():
        waiting[group] = waiting.get(group, 0) + count
    _seek(context, requests, waiting)
    _wake_for_waits(context)
    if requests or waiting:
        if has_tried:
            _hold(context)
        elif not context.timers.has(Timer.EXPLAIN, ""):
            context.timers.set(Timer.EXPLAIN, "", context.now + WITHOUT_OFFERS_SECONDS)
        return
    context.placing.moved.clear()
    context.emit(*context.pool.decline(context.settings.decline_seconds, context.now))
    if not context.pending and context.pool.received:
        context.emit(*context.pool.suppress())


def explain_without_offers(context: Context) -> None:
    """Notes why pending groups find no place, where nothing is offered at all: a full cluster makes no offers."""
    is_ready = context.connection is Connection.SUBSCRIBED and not context.agents.is_awaited
    requests = [asked[0] for asked in _eligible(context)] if is_ready and not context.pool.held else []
    if requests:
        result = place(requests, _table(context).snapshot, seed=context.state.next_serial)
        _unplaced(context, requests, result.refusals)


def _eligible(context: Context) -> list[list[Request]]:
    """The requests that can be placed now: a list for each group, a request for each version, the kept version first.
    Notes the cause for every other pending group."""
    requests = []
    for group in sorted(context.pending):
        if context.unknown_tasks.halts_placing:
            _note(context, group, "waits for an operator: `framework approve` says what for")
            continue
        if context.outbox.is_full:
            _note(context, group, "waits for ZooKeeper: too much waits to be stored already")
            continue
        asked = _requested(context, context.state.specs[group])
        if isinstance(asked, str):
            _note(context, group, asked)
        else:
            requests.append(asked)
    return requests


def _requested(context: Context, spec: GroupSpec) -> list[Request] | str:
    """The requests for the pending slots of a group, one a version, or why there is none now. A version that waits
    after a failure keeps no other waiting."""
    parts = slots_by_spec(context, spec)
    causes = [_held_back(context, as_spec) for as_spec, _ in parts]
    if all(causes):
        return causes[0] if causes else "waits for an offer of the agent on which its containers run"
    if unmet := unmet_dependency(context.state, spec):
        return f"waits for {unmet}"
    ready = (part for part, cause in zip(parts, causes, strict=True) if not cause)
    requests = (request_for(context, spec, as_spec, slots) for as_spec, slots in ready)
    return [part for request in requests for part in _by_wait(context, request)]


def _by_wait(context: Context, request: Request) -> list[Request]:
    """The slots that have waited for better offers, and then those that may wait."""
    parts: dict[bool, list[int]] = {True: [], False: []}
    for slot in request.slots:
        parts[context.placing.offer_waits.has_waited(request.group, slot, context.now)].append(slot)
    return [replace(request, slots=tuple(slots)) for slots in parts.values() if slots]


def _held_back(context: Context, as_spec: GroupSpec) -> str:
    """Why nothing of this version of the group may be launched after what has failed, "" where it may."""
    backoff = context.state.backoffs.get((as_spec.id, as_spec.version))
    if backoff is not None and is_permanently_failed(backoff):
        return permanent_failure(backoff, str(as_spec.id))
    return sentence(backoff) if backoff is not None and is_waiting(backoff, context.now) else ""


def _note(context: Context, group: GroupId, text: str, *, is_unplaced: bool = False) -> None:
    cause = PendingCause(text, is_unplaced)
    if context.placing.causes.get(group) != cause:
        context.placing.causes[group] = cause
        context.state.touched[group] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The table of one pass: offers by agent, the executor choice there, and the snapshot for placement."""

    offers: Mapping[AgentId, Sequence[Offer]]
    choices: Mapping[AgentId, ExecutorChoice]
    snapshot: ClusterSnapshot


def _table(context: Context) -> _Table:
    state, agents, settings = context.state, context.agents, context.settings
    offers = context.pool.by_agent()
    choices: dict[AgentId, ExecutorChoice] = {}
    without_room: dict[AgentId, str] = {}
    for id, held in offers.items():
        choice = choose_executor(held, state.executors.get(id, {}), context.reservations, settings)
        if choice is None:
            without_room[id] = NO_ROOM
        else:
            choices[id] = choice
    present = frozenset(id for id, choice in choices.items() if choice.is_present)
    return _Table(
        offers=offers,
        choices=choices,
        snapshot=ClusterSnapshot(
            cluster=agents.cluster,
            free={id: free_in(held) for id, held in offers.items()},
            occupancy=Occupancy(counts=state.counts, apart=state.apart),
            overhead=Overhead(resources=settings.executor_resources, present=present),
            unavailable={**agents.unavailable, **without_room} if without_room else agents.unavailable,
            region=agents.region,
        ),
    )


def _launch(context: Context, requests: list[Request]) -> list[Request]:
    """Launches what fits, unless it is to wait for a better offer; returns the rest, with its causes noted."""
    table = _table(context)
    seed = context.state.next_serial
    result, put_off = look_around(context, requests, table.snapshot)
    if result is None:
        result = place([each for each in requests if each.group not in put_off], table.snapshot, seed=seed)
    refuse_seconds = context.settings.decline_again_seconds if result.refusals else context.settings.decline_seconds
    _launch_placed(context, table, result.placements, refuse_seconds)
    for group, cause in put_off.items():
        _note(context, group, cause)
    left = _unplaced(context, requests, result.refusals)
    return left + [each for each in requests if each.group in put_off]


def _end_waits(context: Context) -> None:
    """Ends the waits that were long enough: such groups take what is at hand, or ask for offers as others do."""
    for group in context.placing.offer_waits.end(context.pool.by_agent(), context.pool.revived_at, context.now):
        context.placing.slots_sought.pop(group, None)


def _wake_for_waits(context: Context) -> None:
    times = (
        context.placing.offer_waits.until(context.now),
        context.placing.offer_waits.asks_at(context.pool.revived_at, context.now),
    )
    if next_at := min((at for at in times if at is not None and context.now < at), default=0.0):
        context.timers.set(Timer.DELAY_SCHEDULING, "", next_at)


def _adopt(context: Context) -> None:
    """Gives tasks whose executor died back to their agents, before others take the room."""
    if not awaiting(context):
        return
    table = _table(context)
    placements = adoptions(context, table.snapshot, table.choices)
    _launch_placed(context, table, placements, context.settings.decline_again_seconds)


def _sweep(context: Context) -> dict[GroupId, int]:
    """Launches what removes containers that nobody takes over; returns how many of each group wait for an offer."""
    for group in container_sweep.end_overdue(context):
        forget_if_over(context, group)
    sweeps = container_sweep.due(context)
    if not sweeps or not context.pool.held:
        return container_sweep.waiting(sweeps)
    table = _table(context)
    for agent_id in dict.fromkeys(sweep.agent_id for sweep in sweeps):
        there = [sweep for sweep in sweeps if sweep.agent_id == agent_id]
        choice = table.choices.get(agent_id)
        if choice is None:
            continue
        batch = container_sweep.batch_of(context, there, table.snapshot, table.offers, choice)
        if batch is not None:
            _send(context, table, batch)
            sweeps = [sweep for sweep in sweeps if sweep not in there[: len(batch.tasks)]]
    return container_sweep.waiting(sweeps)


def _launch_placed(context: Context, table: _Table, placements: Sequence[Placement], refuse_seconds: float) -> None:
    """Launches the placements."""
    filled = [(each, _filling(context, each, table.offers[each.agent_id][0])) for each in placements]
    for batch in batches(
        context.state, filled, table.offers, table.choices, refuse_seconds=refuse_seconds, now=context.now
    ):
        _send(context, table, batch)
    context.flush()


def _send(context: Context, table: _Table, batch: Batch) -> None:
    """Stores the tasks of one agent, and has them launched once that is done."""
    context.flush()
    context.state.next_serial = batch.next_serial
    context.write(
        "framework",
        "",
        PutFramework(framework_id=context.state.framework_id, next_serial=batch.next_serial),
    )
    agent_changes.remember_facts(context, batch.tasks[0].agent_id)
    waits = {
        task.id: context.placing.offer_waits.told(task.group, task.slot, context.now)
        for task in batch.tasks
        if not task.sweeps
    }
    for task in batch.tasks:
        context.put(container_sweep.handed_on(context, task))
        review_slot(context, task.group, task.slot)
        context.timers.set(Timer.LAUNCH, task.id, context.now + context.settings.launch_timeout_seconds)
    context.after_save(batch.accept)
    for task in batch.tasks:
        context.publish_task("TaskLaunched", task, f"{task.id} was launched on {task.hostname}")
        why = _why_there(context, task, batch.accept, len(table.offers)) + waits.get(task.id, "")
        context.stories.note(task.id, "TaskPlaced", why, context.now)
    for offer_id in batch.accept.offer_ids:
        context.pool.remove(offer_id)
    taken = [launch.resources for launch in batch.accept.launches]
    id = batch.tasks[0].agent_id
    if id not in table.snapshot.overhead.present:
        taken.append(context.settings.executor_resources)
    free = table.snapshot.free[id]
    context.agents.launch(id, free, taken)
    for amount in taken:
        free = free - amount if free.covers(amount) else free
    context.pool.give_back(id, free, context.now)


def _filling(context: Context, placement: Placement, offer: Offer) -> Filling:
    spec, index = context.state.specs[placement.group], context.state.group(placement.group)
    beside = index.holders.get(placement.slot) if placement.slot in index.replacements else None
    last, predecessors = left_on(context, spec.id, placement.slot, offer)
    as_spec = spec_to_launch(context, spec, placement.slot)
    return Filling(spec=as_spec, beside=beside, last=last, predecessors=predecessors)


def _why_there(context: Context, task: Task, accept: Accept, offered: int) -> str:
    """The reason why the task is on this agent, for its story."""
    if task.sweeps:
        return (
            f"on {task.hostname}, where the container is; {task.stop_cause}; with offer {', '.join(accept.offer_ids)}"
        )
    rules = context.state.specs[task.group].rules
    weights = [rule.weight for rule in rules.spread] + [rule.weight for rule in (*rules.near, *rules.apart)]
    hard = len(rules.constraints) + weights.count(0)
    soft = len(rules.prefer) + len(weights) - weights.count(0)
    by = f"{hard} hard rules met, worth most by {soft} preferences and {rules.strategy.value}"
    return (
        f"slot {task.slot}, attempt {task.attempt}, version {task.version}: agent {task.hostname} was taken out of"
        f" {offered} on offer: {by}; with offer {', '.join(accept.offer_ids)}"
    )


def _unplaced(context: Context, requests: list[Request], refusals: Mapping[GroupId, Refusal]) -> list[Request]:
    unplaced = []
    for request in requests:
        refused = refusals.get(request.group)
        if refused is None:
            continue
        rest = context.pending.get(request.group, {})
        context.placing.refused_at[request.group] = context.now
        unplaced.append(replace(request, slots=tuple(slot for slot in request.slots if slot in rest)))
        rules = tuple(sorted(reason.rule for reason in refused.reasons if reason.rule != Offered.rule))
        if not rules and refused.agents:
            _note(context, request.group, NO_OFFERS.text)
            continue
        _note(context, request.group, refused.sentence(), is_unplaced=True)
        context.publish_waiting(request.group, refused.sentence(), rules)
    return unplaced


def _seek(context: Context, unplaced: list[Request], waiting: Mapping[GroupId, int]) -> None:
    """Asks for offers, also for those once declined, where more slots want a place than when last asked, or
    where tasks have moved at which their rules look."""
    wanted = dict(waiting)
    for request in unplaced:
        wanted[request.group] = wanted.get(request.group, 0) + len(request.slots)
    has_more = any(count > context.placing.slots_sought.get(group, 0) for group, count in wanted.items())
    asks_at = context.placing.offer_waits.asks_at(context.pool.revived_at, context.now)
    has_more = has_more or (asks_at is not None and asks_at <= context.now)
    if has_more or _may_have_opened(context, unplaced):
        commands, again = context.pool.revive(context.now, len(context.agents.present))
        context.emit(*commands)
        if again:
            context.timers.set(Timer.REVIVE, "", again)
            return
        if not context.pool.held:
            for request in unplaced:
                context.placing.offer_waits.began(request.group, request.slots, context.now)
        context.placing.moved.clear()
        context.placing.moves_sought_at = context.now
    context.placing.slots_sought = wanted


def _may_have_opened(context: Context, unplaced: list[Request]) -> bool:
    """Whether rules may allow an agent that they did not when Mesos was last asked; at most every
    SEEK_MOVED_EVERY_SECONDS."""
    if not any(_looks_at_moved(context, request) for request in unplaced):
        return False
    earliest = context.placing.moves_sought_at + SEEK_MOVED_EVERY_SECONDS
    if context.now < earliest:
        context.timers.set(Timer.TASKS_MOVED, "", earliest)
    return context.now >= earliest


def _looks_at_moved(context: Context, request: Request) -> bool:
    rules = request.rules
    if rules.near or rules.apart or context.state.apart:
        return bool(context.placing.moved)
    counts = bool(rules.spread) or any(rule.is_counting for rule in rules.constraints)
    return counts and request.group in context.placing.moved


def _hold(context: Context) -> None:
    """Keeps offers for a while in which more may come, so that placement sees the cluster; then lets them go, unless
    somebody waits for better ones and falls back on these."""
    pool, seconds = context.pool, context.settings.offer_hold_seconds
    if context.placing.offer_waits.until(context.now) is not None:
        seconds += OFFER_WAIT_SECONDS
    context.emit(*pool.decline(context.settings.decline_seconds, context.now, older_than=context.now - seconds))
    oldest = pool.oldest()
    if oldest is not None:
        context.timers.set(Timer.HELD_OFFERS, "", oldest + seconds)
