"""Offers: when more are requested, which are held, and when they are declined."""

from __future__ import annotations

from framework.core.commands import Decline, Revive, Suppress
from framework.core.events import OfferRescinded, OffersReceived, ScaleRequested
from framework.core.state.offer_pool import between_revives
from specs.model.resources import Resources
from tests.kit.conversation import Conversation, group, launched, only_view, stack


def test_more_is_asked_for_soon_after_and_the_less_often_the_more_agents_there_are() -> None:
    talk = Conversation()
    talk.subscribe(*(talk.agent(number) for number in range(1, 201)))
    talk.submit(stack(group()))
    assert Revive() in talk.wait(0.02)
    talk.offers()
    talk.say(ScaleRequested(request_id=90, pattern="shop/web", delta=1))
    assert Revive() not in talk.wait(0.25), "it was asked for less than 0.4 s ago"
    assert Revive() in talk.wait(0.05)
    assert [between_revives(number) for number in (1, 200, 500, 10_000)] == [0.1, 0.4, 1.0, 1.0]


def test_idle_it_declines_for_long_and_suppresses_once() -> None:
    talk = Conversation()
    talk.up(group())
    heard = talk.offers(talk.offer(1), talk.offer(2))
    assert [command.refuse_seconds for command in heard if isinstance(command, Decline)] == [3600.0]
    assert sum(isinstance(command, Suppress) for command in talk.heard) == 1


def test_rescinded_offers_are_not_used() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))

    offer = talk.offer(1)
    talk.say(OffersReceived(offers=(offer,)), OfferRescinded(offer_id=offer.id))
    assert launched(talk.wait(1)) == []


def test_what_does_not_fit_holds_the_offers_a_while_then_lets_them_go_with_the_cause_told() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(resources=Resources(cpus_milli=8000, mem_mib=64))))
    talk.wait(1.1)
    heard = talk.offers()
    assert not [command for command in heard if isinstance(command, Decline)]
    assert only_view(talk).waiting[0].cause == "0/3 agents fit: 3 cpus (wanted 8, best 3.9)"
    heard = talk.wait(6)
    assert [command.refuse_seconds for command in heard if isinstance(command, Decline)] == [3600.0]
    assert not [command for command in talk.wait(60) if isinstance(command, Revive)]
