"""From unfilled slots and held offers to tasks, their saves and their Accepts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from framework.core.books import Books
from framework.core.commands import Accept, Launch
from framework.core.model import GroupWish, Instant, Settings, Task
from placement.engine import Result, place
from placement.offer import Offer
from placement.request import Placement, Request
from specs.ids import task_id
from specs.resources import PortRanges
from specs.states import Goal, Health, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The launches on one offer, to be saved and then sent together."""

    accept: Accept
    tasks: tuple[Task, ...]
    next_serial: int


def request_for(books: Books, wish: GroupWish, slots: Iterable[int]) -> Request:
    """What the placement of these slots of a group asks for."""
    version = books.versions[wish.id.stack, wish.version]
    return Request(
        group=wish.id,
        slots=tuple(sorted(slots)),
        resources=version.resources,
        host_ports=tuple(port.host_port for port in version.container.ports),
    )


def find_places(books: Books, requests: list[Request], offers: list[Offer], settings: Settings) -> Result:
    """Places the requests on the offers as the books stand."""
    return place(
        requests,
        offers,
        executor=settings.executor_resources,
        executor_id=settings.executor_id,
        agents_with_executor=frozenset(
            agent for agent, executor in books.executors if executor == settings.executor_id
        ),
        counts=books.counts,
        seed=books.next_serial,
    )


def batches(
    books: Books,
    placements: tuple[Placement, ...],
    offers: list[Offer],
    *,
    settings: Settings,
    refuse_seconds: float,
    now: Instant,
) -> list[Batch]:
    """The tasks of the placements, numbered from the books' next serial on, one batch for each offer."""
    serial = books.next_serial
    by_offer: dict[int, list[Launch]] = {}
    for placement in placements:
        launch = _launch(books, placement, offers[placement.offer_index], serial, settings, now)
        by_offer.setdefault(placement.offer_index, []).append(launch)
        serial += 1
    result = []
    for index, launches in by_offer.items():
        accept = Accept(offer_ids=(offers[index].id,), launches=tuple(launches), refuse_seconds=refuse_seconds)
        tasks = tuple(launch.task for launch in launches)
        result.append(Batch(accept=accept, tasks=tasks, next_serial=serial))
    return result


def _launch(books: Books, placement: Placement, offer: Offer, serial: int, settings: Settings, now: Instant) -> Launch:
    wish = books.wishes[placement.group]
    version = books.versions[wish.id.stack, wish.version]
    task = Task(
        id=task_id(wish.id, placement.slot, serial),
        group=wish.id,
        slot=placement.slot,
        attempt=books.group(wish.id).attempts.get(placement.slot, 0) + 1,
        version=wish.version,
        generation=wish.generation,
        goal=Goal.RUN,
        state=TaskState.INTENT,
        health=Health.UNKNOWN if version.container.health else Health.NONE,
        agent_id=offer.agent_id,
        hostname=offer.hostname,
        address=offer.address,
        executor_id=settings.executor_id,
        host_ports=placement.host_ports,
        launched_at=now,
        state_since=now,
    )
    return Launch(
        task=task,
        container=version.container,
        resources=replace(version.resources, ports=PortRanges.single(placement.host_ports)),
        metadata=wish.metadata,
    )
