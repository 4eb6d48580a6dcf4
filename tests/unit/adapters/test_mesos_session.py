"""The subscription: redirects, refusals, silent masters, and masters that lose the lead."""

from __future__ import annotations

import base64
import itertools
import json
import socket
import time
from collections.abc import Callable

import pytest

from framework.adapters import mesos
from framework.adapters.mesos import Driver
from framework.core.commands import Acknowledge, Revive, Subscribe
from framework.core.events import CallFailed, Disconnected, FrameworkRefused, StatusReceived, Subscribed
from specs.ids import FrameworkId
from tests.kit.fake_master import FRAMEWORK_ID, FakeMaster, Say, eventually
from tests.kit.mesos_driver import KILL, running


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


found: list[FakeDetector] = []


class FakeDetector:
    """Stands for ZooKeeper: tells of leaders when the test says so."""

    def __init__(self, url: str, change: Callable[[str], None], complain: Callable[[str], None]) -> None:
        self.change, self.complain = change, complain
        found.append(self)

    def start(self) -> None:
        """Finds nobody."""

    def stop(self) -> None:
        """Is none the wiser."""


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
