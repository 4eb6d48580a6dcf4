"""Invariants that must hold after every step of the core."""

from __future__ import annotations

from framework.core.converge.stop_order import stops_after
from framework.core.groups.completion import has_finished
from framework.core.model import Stored
from framework.core.scheduler import Scheduler
from framework.core.state.cluster_state import ClusterState
from framework.core.state.delay_scheduling import OFFER_WAIT_SECONDS
from framework.core.state.group_index import GroupIndex
from framework.core.volatile import Connection
from specs.model.constraints import Mode
from specs.states import Goal


def check(scheduler: Scheduler) -> None:
    """Raises AssertionError where derived state differs from its recomputation, or where the state are absurd."""
    context = scheduler.context
    state = context.state
    again = ClusterState.of(
        Stored(
            framework_id=state.framework_id,
            next_serial=state.next_serial,
            stacks=tuple(state.stacks.values()),
            versions=tuple(state.versions.values()),
            tasks=tuple(state.tasks.values()),
            agents=tuple(state.agents.values()),
            rollouts=tuple(state.rollouts.values()),
            histories=tuple(state.histories.values()),
            answers=tuple(state.answers.values()),
        )
    )
    again.depart(state.draining)
    assert again.counts == state.counts
    assert again.executors == state.executors
    assert again.agent_uses == state.agent_uses
    assert again.agent_failures == state.agent_failures
    assert again.global_groups == state.global_groups
    assert again.backoffs == state.backoffs
    assert again.apart == state.apart
    assert again.specs == state.specs
    assert again.left == state.left
    assert again.version_uses == state.version_uses
    assert again.answers == state.answers
    for group, index in state.groups.items():
        _check_group(again.group(group), index)
    for task in state.tasks.values():
        assert (task.group.stack, task.version) in state.versions, f"{task.id}: its version is gone"
    _check_histories(state)
    for spec in state.specs.values():
        assert (spec.id.stack, spec.version) in state.versions, f"{spec.id}: its version is gone"
    _check_agents(scheduler)
    _check_slots(scheduler)
    _check_waits(scheduler)


def _check_histories(state: ClusterState) -> None:
    """Every stack that was changed has one that ends with its index; its versions are there, also of removed ones."""
    for name, history in state.histories.items():
        numbers = [revision.number for revision in history.revisions]
        assert numbers == sorted(set(numbers)), f"{name}: revisions {numbers}"
        assert name not in state.stacks or numbers[-1] == state.stacks[name].index
        for version in history.versions:
            assert (name, version) in state.versions, f"{name}: version {version} of its history is gone"


def _check_group(again: GroupIndex, index: GroupIndex) -> None:
    marks = ("outdated", "draining", "useless", "stale", "ready", "running")
    for name in ("living", "holders", "surge", "outgoing", *marks):
        assert getattr(again, name) == getattr(index, name), f"{index.id}: {name} differ from their recomputation"
    assert set(again.ended) == set(index.ended)


def _check_agents(scheduler: Scheduler) -> None:
    """Of every agent of a living task the facts are stored; every offer is in the pool once by its agent."""
    context = scheduler.context
    for task in context.state.tasks.values():
        assert not task.state.is_lively or task.agent_id in context.state.agents, f"{task.id}: its agent is not stored"
    assert not set(context.agents.present) & set(context.agents.absent)
    offers = context.pool.by_agent()
    assert sorted(offer.id for held in offers.values() for offer in held) == sorted(context.pool.held)
    assert all(offer.agent_id == id for id, held in offers.items() for offer in held)


def _check_waits(scheduler: Scheduler) -> None:
    """Only what is pending waits for better offers, for agents whose offers are not at hand, and not beyond the end."""
    context = scheduler.context
    for group, slot, end in context.placing.offer_waits.waits():
        assert slot in context.pending.get(group, ()), f"{group}/{slot} waits for better offers, and wants none"
        assert end <= context.now + OFFER_WAIT_SECONDS, f"{group}/{slot} waits until {end}, for too long"
        wakes_at = scheduler.wakes_at()
        is_connected = context.connection is Connection.SUBSCRIBED
        assert end <= context.now or not is_connected or (wakes_at is not None and wakes_at <= end), (
            "nobody ends a wait"
        )
    for id in context.placing.offer_waits.silent:
        assert not context.pool.is_held(id), f"{id} made an offer, and is said to make none"


def _check_slots(scheduler: Scheduler) -> None:
    """As many slots are wanted as is desired, or one an agent; each is held, finished, or pending, and no other is."""
    context = scheduler.context
    for group, slots in context.pending.items():
        index = context.state.group(group)
        for slot in slots:
            assert slot in index.wanted, f"{group}/{slot} is pending, though only {sorted(index.wanted)} are wanted"
            is_open = slot in index.replacements and slot not in index.surge
            assert slot not in index.holders or is_open, (
                f"{group}/{slot} is pending, though {index.holders[slot]} holds it"
            )
    for group, index in context.state.groups.items():
        spec = context.state.specs.get(group)
        if spec is None or spec.is_stopped:
            assert not index.wanted
            assert not index.violating, f"{group}: nothing of it is to be anywhere, and {index.violating} are to move"
        elif spec.mode is Mode.GLOBAL:
            assert None not in index.wanted.values()
            assert len(set(index.wanted.values())) == len(index.wanted), f"{group}: two slots of one agent"
        else:
            assert len(index.wanted) == spec.instances and set(index.wanted.values()) <= {None}
        for slot, id in index.surge.items():
            task = context.state.tasks[id]
            assert task.goal is Goal.RUN and task.beside == index.holders[slot], f"{id} comes in beside nothing"
        for slot in index.replacements:
            assert slot in context.pending.get(group, ()), f"{group}/{slot} is to be followed, and is not pending"
        for slot, id in index.holders.items():
            task = context.state.tasks[id]
            is_held = group in context.deferred_stops and bool(stops_after(context.state, group))
            assert slot in index.wanted or task.goal is Goal.STOP or is_held, f"{id} is surplus and shall run"
        for slot in index.wanted if spec else ():
            is_done = spec is not None and has_finished(context.state, spec, slot)
            is_pending = slot in context.pending.get(group, ())
            assert slot in index.holders or is_done or is_pending, f"{group}/{slot} is wanted, and nothing comes of it"
