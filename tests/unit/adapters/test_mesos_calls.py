"""Calls to the master: their contents, those that are joined, and those that fail."""

from __future__ import annotations

import base64
import dataclasses
import threading
import time

import pytest

from framework.adapters import mesos_session
from framework.adapters.mesos import MesosDriver
from framework.adapters.mesos_config import MesosConfig
from framework.core.commands import Decline, Reconcile, Revive, Suppress
from framework.core.events import CallFailed, Disconnected, OfferRescinded, Subscribed
from specs.ids import AgentId, OfferId, TaskId
from tests.kit.fake_master import FRAMEWORK_ID, FakeMaster, Inbox, eventually
from tests.kit.mesos_driver import EXECUTOR, KILL, accept, running


def test_reconcile_names_the_agent_and_kill_its_policy() -> None:
    with FakeMaster() as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        driver.perform(Reconcile(tasks=((TaskId("t"), AgentId("a")),)))
        driver.perform(Reconcile())
        driver.perform(KILL)
        eventually(lambda: len(master.calls) == 3)
        asked, everything, kill = [seen.body for seen in master.calls]
        assert asked["reconcile"]["tasks"] == [{"task_id": {"value": "t"}, "agent_id": {"value": "a"}}]
        assert everything["reconcile"]["tasks"] == []
        assert kill["kill"] == {
            "task_id": {"value": "t"},
            "agent_id": {"value": "a"},
            "kill_policy": {"grace_period": {"nanoseconds": 2_500_000_000}},
        }
        assert {seen.body["framework_id"]["value"] for seen in master.calls} == {FRAMEWORK_ID}


def test_two_drivers_of_a_process_share_no_headers() -> None:
    with FakeMaster() as one, FakeMaster() as other:
        secret = {"principal": "p", "secret": "s\u00e9cret"}
        with running(one.address, **secret) as (first, inbox), running(other.address) as (second, other_inbox):
            inbox.wait(Subscribed)
            other_inbox.wait(Subscribed)
            first.perform(Revive())
            second.perform(Suppress())
            eventually(lambda: one.calls and other.calls)
        wanted = "Basic " + base64.b64encode("p:s\u00e9cret".encode()).decode()
        assert one.subscriptions[0].headers["Authorization"] == one.calls[0].headers["Authorization"] == wanted
        assert "Authorization" not in other.subscriptions[0].headers
        assert "Authorization" not in other.calls[0].headers


def test_refused_accepts_and_kills_come_back_and_others_do_not() -> None:
    answers = {"ACCEPT": (400, "bad offer"), "KILL": (403, "no"), "REVIVE": (400, "no")}
    with FakeMaster(answers=answers) as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        calls = (accept(), Revive(), KILL)
        for call in calls:
            driver.perform(call)
        inbox.wait(CallFailed, 2)
        assert [event.call for event in inbox.of(CallFailed)] == [calls[0], KILL]
        assert "refused Accept: 400 bad offer" in inbox.of(CallFailed)[0].problem


def test_without_a_master_accepts_and_kills_come_back_at_once() -> None:
    with running("127.0.0.1:1") as (driver, inbox):
        problem = inbox.wait(Disconnected).problem
        assert "127.0.0.1:1 takes no connection: Connection refused" in problem
        for call in (Revive(), KILL):
            driver.perform(call)
        failed = inbox.wait(CallFailed)
        assert failed.call == KILL
        assert "Connection refused" in failed.problem
        time.sleep(0.5)
        assert len(inbox.of(Disconnected)) == 1


def test_before_the_first_subscribe_calls_come_back() -> None:
    inbox = Inbox()
    driver = MesosDriver(MesosConfig(master="127.0.0.1:1", executor=EXECUTOR), inbox.post)
    driver.perform(KILL)
    driver.perform(Revive())
    assert [event.call for event in inbox.of(CallFailed)] == [KILL]
    driver.close()


def test_a_call_whose_answer_never_came_is_not_called_failed() -> None:
    """Nobody knows whether the master did it: the core reconciles after the next subscription."""
    hold = threading.Event()
    with FakeMaster(hold=hold) as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        driver.perform(KILL)
        eventually(lambda: master.calls)
        master.close_streams()
        inbox.wait(Subscribed, 2)
        hold.set()
        assert "closed the connection" in inbox.wait(Disconnected).problem
        assert not inbox.of(CallFailed)


def test_a_call_connection_that_ends_idle_is_opened_again_quietly() -> None:
    with FakeMaster(closes_after_calls=True) as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        driver.perform(Revive())
        eventually(lambda: master.closed == 1)
        # The thread that hands this on has seen the end of the other connection, too.
        master.send({"type": "RESCIND", "rescind": {"offer_id": {"value": "o"}}})
        inbox.wait(OfferRescinded)
        driver.perform(Suppress())
        eventually(lambda: master.types() == ["REVIVE", "SUPPRESS"])
        assert not inbox.of(Disconnected)


def test_a_master_that_answers_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_session, "ANSWER_SECONDS", 0.3)
    hold = threading.Event()
    with FakeMaster(hold=hold) as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        driver.perform(Revive())
        assert "did not answer a call for 0.3 s" in inbox.wait(Disconnected).problem
        inbox.wait(Subscribed, 2)
        hold.set()


def test_a_full_queue_turns_calls_away_and_subscribes_anew() -> None:
    hold = threading.Event()
    with FakeMaster(hold=hold) as master, running(master.address, most_waiting_calls=10) as (driver, inbox):
        inbox.wait(Subscribed)
        calls = [dataclasses.replace(KILL, task_id=TaskId(f"t{number}")) for number in range(20_000)]
        for call in calls:
            driver.perform(call)
        inbox.wait(Subscribed, 2)
        hold.set()
        assert "10 calls wait" in inbox.wait(Disconnected).problem
        failed = {event.call.task_id for event in inbox.of(CallFailed)}
        assert len(failed) > 10_000


def test_declines_are_joined() -> None:
    hold = threading.Event()
    with FakeMaster(hold=hold) as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        ids = [OfferId(f"o{number}") for number in range(500)]
        for id in ids:
            driver.perform(Decline(offer_ids=(id,), refuse_seconds=5.0))
        hold.set()
        declined = eventually(
            lambda: (
                (got := [i["value"] for c in master.of_type("DECLINE") for i in c["decline"]["offer_ids"]])
                and len(got) == 500
                and got
            )
        )
        assert declined == ids
        assert len(master.calls) < 500
