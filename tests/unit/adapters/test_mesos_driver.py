"""The driver against a master that misbehaves: what pymesos alone would get wrong."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from framework.adapters import mesos, mesos_session
from framework.adapters.mesos import Driver, MesosDriver
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig, addresses_of, zookeeper_of
from framework.core.commands import (
    Accept,
    Acknowledge,
    Decline,
    Kill,
    Launch,
    Reconcile,
    Revive,
    Subscribe,
    Suppress,
)
from framework.core.events import (
    CallFailed,
    Disconnected,
    FrameworkRefused,
    OfferRescinded,
    OffersReceived,
    StatusReceived,
    Subscribed,
)
from specs.ids import AgentId, FrameworkId, OfferId, TaskId
from specs.model.resources import Resources
from specs.model.stack import Container
from tests.kit.fake_master import FRAMEWORK_ID, FakeMaster, Inbox, Say, eventually
from tests.kit.mesos_samples import make_offer, make_task

EXECUTOR = ExecutorConfig(uri="http://127.0.0.1:8080/v1/executor/abc/framework-executor.pyz")
KILL = Kill(task_id=TaskId("t"), agent_id=AgentId("a"), grace_seconds=2.5)
SUBSCRIBE = Subscribe(framework_id=None)


@contextmanager
def running(master: str, **settings: Any) -> Iterator[tuple[MesosDriver, Inbox]]:
    inbox = Inbox()
    driver = MesosDriver(MesosConfig(master=master, executor=EXECUTOR, role="apps", **settings), inbox.post)
    driver.perform(SUBSCRIBE)
    try:
        yield driver, inbox
    finally:
        driver.close()


def accept() -> Accept:
    launch = Launch(task=make_task(), container=Container(image="busybox"), resources=Resources(cpus_milli=100))
    return Accept(offer_ids=(OfferId("o1"),), launches=(launch,), refuse_seconds=5.0)


# ---- the traps of pymesos, one by one ----------------------------------------


def test_importing_pymesos_leaves_interrupts_and_log_handlers_alone() -> None:
    program = (
        "import signal, logging; before = signal.getsignal(signal.SIGINT); import framework.adapters.mesos;"
        "assert signal.getsignal(signal.SIGINT) is before; assert not logging.getLogger('pymesos').handlers"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_an_exception_of_the_loop_does_not_end_the_thread_nor_tear_down(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    happened: list[Any] = []

    def post(event: Any) -> None:
        happened.append(event)
        if isinstance(event, OfferRescinded):
            raise RuntimeError("a bug of the loop")

    rescind = {"type": "RESCIND", "rescind": {"offer_id": {"value": "o"}}}
    with FakeMaster([Say(events=(rescind, rescind))]) as master:
        driver = MesosDriver(MesosConfig(master=master.address, executor=EXECUTOR), post)
        driver.perform(SUBSCRIBE)
        eventually(lambda: len([e for e in happened if isinstance(e, OfferRescinded)]) == 2)
        driver.perform(Revive())
        eventually(lambda: master.types() == ["REVIVE"])
        driver.close()
        assert master.types() == ["REVIVE"]
        assert len(master.subscriptions) == 1


def test_one_that_may_not_subscribe_any_more_leaves_the_subscription_to_its_successor() -> None:
    may = [True, False, False]
    inbox = Inbox()
    with FakeMaster([Say(), Say()]) as master:
        config = MesosConfig(master=master.address, executor=EXECUTOR)
        driver = MesosDriver(config, inbox.post, may_subscribe=lambda: may.pop(0) if may else True)
        driver.perform(SUBSCRIBE)
        inbox.wait(Subscribed)
        master.close_streams()
        eventually(lambda: any("still leads" in event.problem for event in inbox.of(Disconnected)))
        eventually(lambda: len(master.subscriptions) == 2)
        assert may == [], "it asked each time"
        driver.close()


@pytest.mark.parametrize(
    "event", [{"type": "UPDATE"}, {"no": "type"}, [1], {"type": "UPDATE", "update": {"status": 1}}]
)
def test_an_event_that_cannot_be_read_ends_nothing(event: Any, caplog: pytest.LogCaptureFixture) -> None:
    with FakeMaster() as master, running(master.address) as (_, inbox):
        inbox.wait(Subscribed)
        master.send(event)
        master.send({"type": "RESCIND", "rescind": {"offer_id": {"value": "o"}}})
        inbox.wait(OfferRescinded)
        assert "please report" in caplog.text
        assert not inbox.of(Disconnected)


def test_stopping_never_tears_down() -> None:
    with FakeMaster() as master:
        with running(master.address) as (_, inbox):
            inbox.wait(Subscribed)
        assert master.calls == []


def test_what_waits_leaves_before_the_driver_ends() -> None:
    with FakeMaster() as master:
        with running(master.address) as (driver, inbox):
            inbox.wait(Subscribed)
            for number in range(200):
                driver.perform(dataclasses.replace(KILL, task_id=TaskId(f"t{number}")))
        assert len(master.of_type("KILL")) == 200


def test_subscriptions_that_are_taken_and_dropped_come_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = Driver._pause

    def noted(self: Driver) -> None:
        pauses.append(self._pause_seconds)
        real(self)

    monkeypatch.setattr(Driver, "_pause", noted)
    with FakeMaster() as master, running(master.address) as (_, inbox):
        for number in range(1, 4):
            inbox.wait(Subscribed, count=number)
            master.close_streams()
        inbox.wait(Subscribed, count=4)
        assert pauses == [0.1, 0.2, 0.4]


def test_redirects_to_itself_are_followed_with_pauses_and_told_once() -> None:
    with FakeMaster([Say(status=307)]) as master:
        master.script = [Say(status=307, location=f"//{master.address}/api/v1/scheduler")]
        with running(master.address) as (_, inbox):
            problem = inbox.wait(Disconnected).problem
            eventually(lambda: len(master.subscriptions) >= 4)
            at = [seen.at for seen in master.subscriptions[:4]]
            assert [b - a > 0.07 for a, b in itertools.pairwise(at)] == [True] * 3
            assert at[3] - at[2] > 0.25
            assert len(inbox.of(Disconnected)) == 1
            assert master.address in problem and "does not lead yet" in problem


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (Say(status=503, text="No leader elected"), ["not available (No leader elected)", "majority"]),
        (Say(status=401), ["principal and secret", "--secret-file"]),
        (Say(status=403, text="Not authorized to use role 'apps'"), ["forbids", "role 'apps'", "--role"]),
        (Say(status=400, text="Role 'x y' is invalid"), ["400", "Role 'x y' is invalid"]),
        (Say(status=404), ["no scheduler API", "--master"]),
        (Say(status=307), ["knows no leader"]),
    ],
)
def test_a_refusal_is_one_clear_line_and_the_driver_keeps_trying(say: Say, words: list[str]) -> None:
    with FakeMaster([say, say, Say()]) as master, running(master.address) as (_, inbox):
        inbox.wait(Subscribed)
        problems = [event.problem for event in inbox.of(Disconnected)]
        assert len(problems) == 1
        for word in [master.address, *words]:
            assert word in problems[0]


def test_a_redirect_leads_to_the_leader_at_once() -> None:
    with FakeMaster() as leader, FakeMaster() as follower:
        follower.script = [Say(status=307, location=f"//{leader.address}/api/v1/scheduler")]
        begin = time.monotonic()
        with running(follower.address) as (_, inbox):
            assert inbox.wait(Subscribed).master == leader.address
            assert leader.subscriptions[0].at - begin < 2


def test_error_stops_the_driver_and_is_told() -> None:
    error = {"type": "ERROR", "error": {"message": "Framework has been removed"}}
    with FakeMaster([Say(events=(error,))]) as master, running(master.address) as (driver, inbox):
        assert inbox.wait(FrameworkRefused).message == "Framework has been removed"
        driver.perform(KILL)
        assert inbox.wait(CallFailed).call == KILL
        time.sleep(0.3)  # three times the first pause
        assert len(master.subscriptions) == 1
        driver.perform(Subscribe(framework_id=None))
        eventually(lambda: len(master.subscriptions) == 2)


def test_the_framework_info_is_ours_as_it_is() -> None:
    with FakeMaster() as master, running(master.address, principal="p") as (_, inbox):
        inbox.wait(Subscribed)
        info = master.subscriptions[0].body["subscribe"]["framework_info"]
        kinds = [each["type"] for each in info["capabilities"]]
        assert kinds == [
            "MULTI_ROLE",
            "PARTITION_AWARE",
            "TASK_KILLING_STATE",
            "REGION_AWARE",
            "RESERVATION_REFINEMENT",
            "GPU_RESOURCES",
        ]
        assert info["failover_timeout"] == 604800.0
        assert info["checkpoint"] is True
        assert "suppressed_roles" not in master.subscriptions[0].body["subscribe"]


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


def test_a_silent_master_is_given_up_after_five_heartbeats() -> None:
    with FakeMaster([Say(heartbeat_seconds=0.1), Say()]) as master, running(master.address) as (_, inbox):
        inbox.wait(Subscribed)
        begin = time.monotonic()
        assert "said nothing for 0.5 s" in inbox.wait(Disconnected).problem
        assert 0.4 < time.monotonic() - begin < 2
        inbox.wait(Subscribed, 2)
        again = master.subscriptions[1].body
        assert again["framework_id"] == {"value": FRAMEWORK_ID}
        assert again["subscribe"]["framework_info"]["id"] == {"value": FRAMEWORK_ID}


def test_heartbeats_keep_a_connection() -> None:
    with FakeMaster([Say(heartbeat_seconds=0.1)]) as master, running(master.address) as (_, inbox):
        inbox.wait(Subscribed)
        deadline = time.monotonic() + 0.9
        while time.monotonic() < deadline:
            master.send({"type": "HEARTBEAT"})
            time.sleep(0.05)
        assert not inbox.of(Disconnected)


def test_performing_never_waits_for_the_master() -> None:
    """pymesos sends each call under one lock and waits for the answer."""
    hold = threading.Event()
    with FakeMaster(hold=hold) as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        for number in range(1000):
            driver.perform(dataclasses.replace(KILL, task_id=TaskId(f"t{number}")))
        hold.set()  # No answer came until now.
        eventually(lambda: len(master.of_type("KILL")) == 1000)
        numbers = [each["kill"]["task_id"]["value"] for each in master.of_type("KILL")]
        assert numbers == [f"t{number}" for number in range(1000)]


class FakeDetector:
    """Stands for ZooKeeper: tells of leaders when the test says so."""

    def __init__(self, url: str, change: Callable[[str], None], complain: Callable[[str], None]) -> None:
        self.change, self.complain = change, complain
        found.append(self)

    def start(self) -> None:
        """Finds nobody."""

    def stop(self) -> None:
        """Is none the wiser."""


found: list[FakeDetector] = []


@pytest.fixture
def detectors(monkeypatch: pytest.MonkeyPatch) -> list[FakeDetector]:
    """The detectors that drivers made, in their order. A pause would be long: nothing here may wait for its end."""
    monkeypatch.setattr(mesos, "FIRST_PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(mesos, "Detector", FakeDetector)
    found.clear()
    return found


def test_a_new_leader_is_subscribed_to_at_once(detectors: list[FakeDetector]) -> None:
    with FakeMaster() as one, FakeMaster() as other, running("zk://none:2181/mesos") as (driver, inbox):
        driver.perform(KILL)
        assert "not subscribed yet" in inbox.wait(CallFailed).problem
        detectors[0].change(one.address)
        assert inbox.wait(Subscribed).master == one.address
        begin = time.monotonic()
        detectors[0].change(other.address)
        assert inbox.wait(Subscribed, 2).master == other.address
        assert other.subscriptions[0].at - begin < 2
        changed = f"changed from {one.address} to {other.address}"
        assert [changed in event.problem for event in inbox.of(Disconnected)] == [True]


def test_a_pause_ends_when_another_leads(detectors: list[FakeDetector]) -> None:
    with FakeMaster([Say(status=503)]) as one, FakeMaster() as other, running("zk://none:2181/mesos") as (_, inbox):
        detectors[0].change(one.address)
        eventually(lambda: one.subscriptions)
        inbox.wait(Disconnected)
        begin = time.monotonic()
        detectors[0].change(other.address)
        inbox.wait(Subscribed)
        assert other.subscriptions[0].at - begin < 2


def test_a_hanging_connection_ends_when_another_leads(detectors: list[FakeDetector]) -> None:
    deaf = socket.create_server(("127.0.0.1", 0))
    with deaf, FakeMaster() as other, running("zk://none:2181/mesos") as (_, inbox):
        detectors[0].change(f"127.0.0.1:{deaf.getsockname()[1]}")
        deaf.accept()[0].recv(1)
        begin = time.monotonic()
        detectors[0].change(other.address)
        inbox.wait(Subscribed)
        assert other.subscriptions[0].at - begin < 2


def test_a_problem_of_zookeeper_costs_no_connection(detectors: list[FakeDetector]) -> None:
    with FakeMaster() as master, running("zk://none:2181/mesos") as (driver, inbox):
        detectors[0].complain("ZooKeeper is away")
        assert inbox.wait(Disconnected).problem == "ZooKeeper is away"
        detectors[0].change(master.address)
        inbox.wait(Subscribed)
        detectors[0].change(master.address)
        driver.perform(Revive())
        eventually(lambda: master.types() == ["REVIVE"])
        assert len(master.subscriptions) == 1


# ---- calls that fail ----------------------------------------------------------


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


def test_an_offer_that_cannot_be_read_is_declined(caplog: pytest.LogCaptureFixture) -> None:
    strange = make_offer("o-strange")
    del strange["url"]
    event = {"type": "OFFERS", "offers": {"offers": [strange, make_offer("o-good")]}}
    with FakeMaster([Say(events=(event,))]) as master, running(master.address) as (_, inbox):
        assert [offer.id for offer in inbox.wait(OffersReceived).offers] == ["o-good"]
        eventually(lambda: master.of_type("DECLINE"))
        assert master.of_type("DECLINE")[0]["decline"]["offer_ids"] == [{"value": "o-strange"}]


def test_the_same_subscribe_again_changes_nothing() -> None:
    with FakeMaster() as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        driver.perform(Subscribe(framework_id=FrameworkId(FRAMEWORK_ID)))
        driver.perform(Revive())
        eventually(lambda: master.types() == ["REVIVE"])
        assert len(master.subscriptions) == 1


def test_what_is_no_master_is_said_to_be_none() -> None:
    with FakeMaster() as master, running(master.address) as (_, inbox):
        inbox.wait(Subscribed)
        master.send_raw(b"5\r\nhello\r\n" * 10)
        assert "does not speak as a Mesos master" in inbox.wait(Disconnected).problem


def test_the_next_master_of_a_list_is_tried() -> None:
    with FakeMaster() as master, running(f"127.0.0.1:1, {master.address}") as (_, inbox):
        assert inbox.wait(Subscribed).master == master.address
        assert "127.0.0.1:1 " in inbox.wait(Disconnected).problem


def test_an_event_in_pieces_is_one_event() -> None:
    uuid = base64.b64encode(b"0" * 16).decode()
    status = {"task_id": {"value": "t"}, "agent_id": {"value": "a"}, "state": "TASK_RUNNING", "uuid": uuid}
    data = json.dumps({"type": "UPDATE", "update": {"status": status}}).encode()
    record = b"%d\n%b" % (len(data), data)
    raw = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (record[:2], record[2:50], record[50:]))
    with FakeMaster() as master, running(master.address) as (driver, inbox):
        inbox.wait(Subscribed)
        for position in range(len(raw)):
            master.send_raw(raw[position : position + 1])
        got = inbox.wait(StatusReceived).status
        driver.perform(Acknowledge(task_id=got.task_id, agent_id=got.agent_id, uuid=got.uuid))
        eventually(lambda: master.calls)
        wanted = {"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": uuid}
        assert master.calls[0].body["acknowledge"] == wanted
        assert master.calls[0].headers["Mesos-Stream-Id"] == "stream-1"


@pytest.mark.parametrize(
    "master", ["", "http://x:5050", "zk:/x/mesos", "zk://", "zk://x:2181", "zk://x:2181/", "x:y", "a:1,b:/"]
)
def test_a_master_that_is_none_is_refused(master: str) -> None:
    with pytest.raises(ValueError, match="--master: wanted zk://host:port"):
        MesosConfig(master=master, executor=EXECUTOR)


def test_masters_are_read_from_their_url() -> None:
    assert zookeeper_of("zk://a:2181,b:2181/mesos") == ("a:2181,b:2181", "/mesos")
    assert zookeeper_of("zk://user:word@a:2181/mesos/x/") == ("a:2181", "/mesos/x")
    assert addresses_of("a, b:6060") == ["a:5050", "b:6060"]
