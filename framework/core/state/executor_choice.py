"""The executor that a task gets on an agent, the resources that pay for both, and the state of an executor upgrade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from framework.core.model import Instant, Settings
from placement.offer import Offer, ReservationPool
from specs.executor_ids import content_of, executor_variant
from specs.ids import AgentId, ExecutorId, GroupId
from specs.model.resources import Resources

NO_ROOM = "has no reservation with room for the executor"
MOST_RESERVATIONS = 1000


@dataclass(slots=True)
class Reservations:
    """The reservations seen in offers, by the executor that each pays for; the oldest are forgotten."""

    _by_executor: dict[ExecutorId, str] = field(default_factory=dict)
    _executors: dict[str, ExecutorId] = field(default_factory=dict)

    def take_offers(self, base: ExecutorId, offers: Iterable[Offer]) -> None:
        """Takes the reservations of offers. `base` is the scheduler's own executor where no reservation pays for it."""
        content = content_of(base)
        for offer in offers:
            for pool in offer.pools:
                if pool.reservation and pool.reservation not in self._executors:
                    executor = executor_variant(content, pool.reservation)
                    self._executors[pool.reservation] = executor
                    self._by_executor[executor] = pool.reservation
        while len(self._executors) > MOST_RESERVATIONS:
            oldest = next(iter(self._executors))
            del self._by_executor[self._executors.pop(oldest)]

    def of(self, executor: ExecutorId, base: ExecutorId) -> str | None:
        """The reservation that pays for an executor, "" where none does. None where the executor differs from `base` in
        more than that and where it was fetched, or where its reservation is not known."""
        content = content_of(executor)
        if content == content_of(base):
            return ""
        return self._by_executor.get(content) if content.startswith(f"{content_of(base)}-") else None


@dataclass(slots=True)
class ExecutorUpgrade:
    """An upgrade of executors that is under way (core.converge.executor_upgrade)."""

    #: Agents still to be upgraded, in order.
    waiting: list[AgentId]
    #: The agent that is being upgraded; None between two agents.
    agent_id: AgentId | None = None
    #: The slots that must run there again, each with whether it was ready before.
    slots: dict[tuple[GroupId, int], bool] = field(default_factory=dict)
    #: When the agent's time is over.
    until: Instant = 0.0
    #: When its older executors are asked to end again.
    ask_again_at: Instant = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorChoice:
    """The executor for tasks on one agent, and the resources that pay for both."""

    executor_id: ExecutorId
    #: The reservation that pays for the executor, "" where none does.
    reservation: str
    #: Whether the executor runs there already and costs nothing more.
    is_present: bool
    #: The rest for tasks, by reservation; empty where nothing is reserved.
    pools: tuple[ReservationPool, ...]


def free_in(offers: Sequence[Offer]) -> Resources:
    """All that the offers of one agent have together."""
    free = offers[0].resources
    for offer in offers[1:]:
        free = free + offer.resources
    return free


def choose_executor(
    offers: Sequence[Offer], running: Mapping[ExecutorId, int], reservations: Reservations, settings: Settings
) -> ExecutorChoice | None:
    """Chooses the executor on the agent of these offers, and the resources that pay for it. `running` are the executors
    there with tasks of ours. None where no reservation has room for the executor.

    An executor that runs there is used as it is, whoever led when it was fetched: the current one first, otherwise the
    one with most tasks.
    """
    base = settings.executor_id
    pools = _pools(offers)
    there = {*running, *(id for offer in offers for id in offer.executor_ids)}
    for executor in sorted(there, key=lambda id: (id != base, -running.get(id, 0), id)):
        reservation = reservations.of(executor, base)
        if reservation is not None:
            return ExecutorChoice(executor_id=executor, reservation=reservation, is_present=True, pools=pools)
    if not pools:
        return ExecutorChoice(executor_id=base, reservation="", is_present=False, pools=())
    for place in sorted(range(len(pools)), key=lambda place: bool(pools[place].reservation)):
        pool = pools[place]
        if pool.resources.covers(settings.executor_resources):
            left = replace(pool, resources=pool.resources - settings.executor_resources)
            return ExecutorChoice(
                executor_id=executor_variant(base, pool.reservation),
                reservation=pool.reservation,
                is_present=False,
                pools=(*pools[:place], left, *pools[place + 1 :]),
            )
    return None


def _pools(offers: Sequence[Offer]) -> tuple[ReservationPool, ...]:
    """The offers' pools by reservation, none where nothing is reserved."""
    if not any(offer.pools for offer in offers):
        return ()
    amounts: dict[str, Resources] = {}
    for offer in offers:
        for pool in offer.pools or (ReservationPool(resources=offer.resources),):
            known = amounts.get(pool.reservation)
            amounts[pool.reservation] = pool.resources if known is None else known + pool.resources
    return tuple(
        ReservationPool(reservation=reservation, resources=amounts[reservation]) for reservation in sorted(amounts)
    )
