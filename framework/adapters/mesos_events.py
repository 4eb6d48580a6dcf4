"""The master's events as ours; pure but for the log, which tells of what could not be read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, assert_never

from framework.adapters import codec, mesos_messages
from framework.core.events import (
    AgentRemoved,
    Event,
    ExecutorFailed,
    InverseOffersReceived,
    OfferRescinded,
    OffersReceived,
    OrphanContainersReported,
    ProgressReported,
    StatusReceived,
)
from placement.offer import Offer
from specs.ids import AgentId, ExecutorId, OfferId, TaskId

log = logging.getLogger(__name__)

Json = dict[str, Any]
#: The messages of specs/records.proto that executors send; a test compares the two.
MessageKind: TypeAlias = Literal["progress", "orphan_containers"]


def event(plain: Json, unreadable: Callable[[OfferId], None]) -> Event | None:
    """Translates a master's event; None where it means nothing to us.

    Offers that cannot be read are given to `unreadable`, so that they can be declined: they would be held for ever.
    Raises KeyError, TypeError, ValueError and their kind for another shape.
    """
    match plain["type"]:
        case "OFFERS":
            offers = tuple(_offers(plain["offers"].get("offers", ()), unreadable))
            return OffersReceived(offers=offers) if offers else None
        case "UPDATE":
            return StatusReceived(status=codec.status(plain["update"]["status"]))
        case "INVERSE_OFFERS":
            pairs = _inverse_offers(plain["inverse_offers"].get("inverse_offers", ()))
            return InverseOffersReceived(offers=pairs) if pairs else None
        case "RESCIND":
            return OfferRescinded(offer_id=OfferId(plain["rescind"]["offer_id"]["value"]))
        case "FAILURE":
            return _failure(plain["failure"])
        case "MESSAGE":
            return _said(plain["message"])
    return None


def _offers(plain: list[Json], unreadable: Callable[[OfferId], None]) -> list[Offer]:
    offers = []
    for each in plain:
        try:
            offers.append(codec.offer(each))
        except Exception:  # a shield: one strange offer must not cost the others
            log.exception("an offer cannot be read and is declined; a bug of this framework, please report: %r", each)
            unreadable(OfferId(each["id"]["value"]))
    return offers


def _inverse_offers(plain: list[Json]) -> tuple[tuple[OfferId, AgentId], ...]:
    """Those that name an agent: Mesos knows others, and makes none."""
    named = (each for each in plain if "agent_id" in each)
    return tuple((OfferId(each["id"]["value"]), AgentId(each["agent_id"]["value"])) for each in named)


def _failure(failure: Json) -> Event | None:
    agent_id = AgentId(failure["agent_id"]["value"])
    if "executor_id" not in failure:
        return AgentRemoved(agent_id=agent_id)
    executor_id = ExecutorId(failure["executor_id"]["value"])
    return ExecutorFailed(agent_id=agent_id, executor_id=executor_id, status=failure.get("status", 0))


def _said(plain: Json) -> Event | None:
    """The event in a message of one of our executors, None where a later executor sends more than we know."""
    message = mesos_messages.executor_message(plain["data"])
    what: MessageKind | None = message.WhichOneof("what")
    match what:
        case None:
            return None
        case "orphan_containers":
            return OrphanContainersReported(
                agent_id=AgentId(plain["agent_id"]["value"]),
                executor_id=ExecutorId(plain["executor_id"]["value"]),
                tasks=tuple(TaskId(id) for id in message.orphan_containers.task_ids),
            )
        case "progress":
            progress = message.progress
            return ProgressReported(
                task_id=TaskId(progress.task_id),
                stage=progress.stage,
                done_bytes=progress.done_bytes,
                total_bytes=progress.total_bytes,
            )
        case _:
            assert_never(what)
