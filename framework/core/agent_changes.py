"""Agents come, go or change: their facts are stored, and the groups that depend on them are reviewed."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import AnswerInverse
from framework.core.converge.converge import review_group
from framework.core.converge.executor_upgrade import retire_idle
from framework.core.events import AgentsReported
from framework.core.rollout.rollouts import go_on
from framework.core.state.agent_failures import has_recent_failures
from framework.core.state.agents import facts_of, has_facts_of
from framework.core.state.context import Context
from framework.core.state.timers import Timer
from framework.core.volatile import Connection
from placement.offer import Offer
from specs.ids import AgentId, OfferId

MOST_WRITES = 200
"""Limit on the agents that are stored or forgotten with one report; the rest follows with the next."""
REFRESH_EVERY_SECONDS = 1.0
ASK_AGAIN_SECONDS = 10.0
"""After this time Mesos may ask again whether we have left an agent."""


def subscribed(context: Context, region: str) -> None:
    """A new subscription: placing waits for the master's list of agents, for a bounded time."""
    context.agents.region = region
    context.agents.is_awaited = True
    context.timers.set(Timer.AGENTS_REPORT, "", context.now + context.settings.agents_wait_seconds)


def reported(context: Context, event: AgentsReported) -> None:
    """Takes the master's list of agents, or why there is none."""
    agents = context.agents
    if agents.problem != event.problem:
        agents.problem = event.problem
        if event.problem:
            context.publish("AgentsUnknown", event.problem)
    if not event.problem:
        agents.report(event.agents)
        context.placing.offer_waits.heard(context.pool.report(event.agents, context.now))
        agents.touched |= {id: None for failing in context.state.agent_failures.values() for id in failing}
        _store(context)
    known(context)
    if context.pending:
        context.place_soon()  # what is free is part of the cause that they are told


def known(context: Context) -> None:
    """The list of agents has come, or its time-out: placing may go on."""
    if context.connection is Connection.SUBSCRIBED:
        context.agents.is_known = True
        if context.agents.is_awaited:
            context.agents.is_awaited = False
            context.timers.drop(Timer.AGENTS_REPORT, "")
            context.state.touched |= dict.fromkeys(context.pending)  # they say what they wait for
            context.place_soon()
    refresh(context)


def offers_received(context: Context, offers: tuple[Offer, ...]) -> None:
    """Takes the facts of agents from their offers."""
    before = context.agents.revision
    context.agents.take_offers(offers)
    context.placing.offer_waits.heard(offer.agent_id for offer in offers)
    context.reservations.take_offers(context.settings.executor_id, offers)
    if context.agents.revision != before and not context.agents.is_awaited:
        _refresh_soon(context)


def asked_to_leave(context: Context, offers: tuple[tuple[OfferId, AgentId], ...]) -> None:
    """Answers inverse offers: whether tasks of ours are still on agents that will be maintained. Their replacement
    elsewhere has begun by itself."""
    busy = tuple(id for id, agent_id in offers if agent_id in context.state.executors)
    left = tuple(id for id, agent_id in offers if agent_id not in context.state.executors)
    for ids, has_left in ((busy, False), (left, True)):
        if ids:
            context.emit(AnswerInverse(offer_ids=ids, has_left=has_left, refuse_seconds=ASK_AGAIN_SECONDS))


def removed(context: Context, id: AgentId) -> None:
    """The master has removed an agent."""
    context.agents.lose(id)
    _refresh_soon(context)


def _refresh_soon(context: Context) -> None:
    """Refreshes at once, but not again and again where many come or go one by one."""
    at = context.agents.refreshed_at + REFRESH_EVERY_SECONDS
    if context.agents.refreshed_at <= context.now < at:
        context.timers.set(Timer.MAINTENANCE, "", at)
    else:
        refresh(context)


def refresh(context: Context) -> None:
    """Finds out which agents placement must avoid. Where that has changed, reviews all that depends on it."""
    agents, state = context.agents, context.state
    agents.refreshed_at = context.now
    agents.remember({id: state.agents[id] for id in state.executors if id not in agents.present})
    agents.find_unavailable(context.now, context.settings.maintenance_lead_seconds)
    if agents.boundary:
        context.timers.set(Timer.MAINTENANCE, "", agents.boundary)
    else:
        context.timers.drop(Timer.MAINTENANCE, "")
    mark = (agents.revision, agents.is_known)
    if agents.reviewed != mark:
        agents.reviewed = mark
        context.placing.slots_sought.clear()  # what was declined because of these agents may fit now
        context.place_soon()
        for group in sorted(state.global_groups):
            review_group(context, group)
            if not state.group(group).wanted:
                state.touched[group] = None  # it says why it is nowhere
        before = state.draining
        for group in sorted(state.depart(agents.draining)):
            go_on(context, group)
        retire_idle(context, (id for id in state.draining if id not in before))


def remember_facts(context: Context, id: AgentId) -> None:
    """Adds the facts of an agent to the step's save, unless the store has them."""
    agent, stored = context.agents.get(id), context.state.agents.get(id)
    if agent is None or (stored is not None and has_facts_of(stored, agent)):
        return
    context.put_agent(replace(facts_of(agent), failures=stored.failures if stored else ()))


def _store(context: Context) -> None:
    """Stores the changed facts of agents that have tasks, and forgets agents that are gone and without tasks."""
    state, present = context.state, context.agents.present
    changed = 0
    for id in list(state.agents):
        if changed >= MOST_WRITES:
            return
        before = state.agents[id]
        if id in present:
            if id in state.agent_uses:
                remember_facts(context, id)
        elif id not in state.agent_uses and not has_recent_failures(before, context.now, context.settings):
            context.drop_agent(id)
        changed += state.agents.get(id) is not before
