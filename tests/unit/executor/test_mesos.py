"""The driver against a scripted agent: each trap of pymesos's executor driver, closed."""

from __future__ import annotations

import base64
import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor.codec import events_of, status_message
from executor.core.commands import Subscribe
from executor.core.events import (
    Acknowledged,
    Disconnected,
    Event,
    KillReceived,
    LaunchGarbled,
    ShutdownReceived,
    Subscribed,
    Superseded,
)
from executor.core.statuses import CheckStatus, Status
from executor.mesos import STEADY_SECONDS, ExecutorDriver, Records
from specs.ids import TaskId
from specs.model.stack import CheckKind
from specs.records_pb2 import StatusDetail
from specs.states import TaskState

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
UNKNOWN = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 24\r\n\r\nExecutor cannot be found"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 14\r\n\r\nnot recovered\n"
SUBSCRIBED = {"type": "SUBSCRIBED", "subscribed": {"agent_info": {"id": {"value": "A"}}}}
STATUS = Status(
    task_id=TaskId("t"), state=TaskState.RUNNING, uuid=b"u" * 16, timestamp=1.5, message="runs", exit_code=3
)


class Agent:
    """Answers subscriptions as it is told, and every other call with 202."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.subscriptions: queue.Queue[dict[str, Any]] = queue.Queue()
        self.calls: queue.Queue[dict[str, Any]] = queue.Queue()
        self.headers: queue.Queue[str] = queue.Queue()
        self.refusals = 0
        self.has_forgotten = False
        self.streams: list[socket.socket] = []
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def say(self, *messages: dict[str, Any], pieces: int = 1) -> None:
        data = b""
        for message in messages:
            text = json.dumps(message).encode()
            data += b"%d\n%s" % (len(text), text)
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self.streams[-1].sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    def drop(self) -> None:
        self.streams[-1].shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        file = connection.makefile("rb")
        while file.readline():
            length = 0
            while (header := file.readline().strip().decode()) != "":
                self.headers.put(header)
                if header.lower().startswith("content-length:"):
                    length = int(header.partition(":")[2])
            call = json.loads(file.read(length))
            if call["type"] != "SUBSCRIBE":
                connection.sendall(ACCEPTED)
                self.calls.put(call)
            elif self.has_forgotten:
                connection.sendall(UNKNOWN)
            elif self.refusals:
                self.refusals -= 1
                connection.sendall(UNAVAILABLE)
            else:
                connection.sendall(OK)
                self.streams.append(connection)
                self.subscriptions.put(call)


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    agent = Agent()
    monkeypatch.setenv("MESOS_AGENT_ENDPOINT", agent.address)
    monkeypatch.setenv("MESOS_FRAMEWORK_ID", "F")
    monkeypatch.setenv("MESOS_EXECUTOR_ID", "E")
    monkeypatch.setenv("MESOS_SANDBOX", "/box")
    monkeypatch.setenv("MESOS_CHECKPOINT", "1")
    monkeypatch.setenv("MESOS_RECOVERY_TIMEOUT", "2mins")
    yield agent
    agent.listener.close()


def connect(agent: Agent, **options: Any) -> tuple[ExecutorDriver, queue.Queue[Event]]:
    events: queue.Queue[Event] = queue.Queue()
    driver = ExecutorDriver(events.put, **options)
    driver.start()
    driver.subscribe(Subscribe(statuses=(), tasks=()))
    agent.subscriptions.get(timeout=5)
    agent.say(SUBSCRIBED)
    assert events.get(timeout=5) == Subscribed()
    return driver, events


def test_what_the_agent_says_arrives_however_it_is_cut(agent: Agent) -> None:
    _, events = connect(agent)
    kill = {"type": "KILL", "kill": {"task_id": {"value": "t"}}}
    agent.say({"type": "HEARTBEAT"}, {"type": "NEWER_THAN_US"}, kill, {"type": "SHUTDOWN"}, pieces=9)
    assert events.get(timeout=5) == KillReceived(task_id=TaskId("t"))
    assert events.get(timeout=5) == ShutdownReceived(reason="the agent says so")


def test_a_message_that_is_not_understood_is_left_out(agent: Agent) -> None:
    _, events = connect(agent)
    kill = {"type": "KILL", "kill": {"task_id": {"value": "t"}}}
    agent.say({"type": "KILL"}, {"type": "LAUNCH", "launch": 3}, kill)
    assert events.get(timeout=5) == KillReceived(task_id=TaskId("t"))


def test_a_lost_connection_is_told_and_comes_back_soon_naming_what_is_unacknowledged(agent: Agent) -> None:
    driver, events = connect(agent)
    agent.refusals = 2
    agent.drop()
    lost = events.get(timeout=5)
    assert isinstance(lost, Disconnected)
    began_at = time.monotonic()
    driver.subscribe(Subscribe(statuses=(STATUS,), tasks=({"task_id": {"value": "t"}},)))
    call = agent.subscriptions.get(timeout=5)
    assert 0.3 < time.monotonic() - began_at < 1.9
    assert call["subscribe"]["unacknowledged_updates"] == [{"status": status_message(STATUS, "E", "/box")}]
    assert call["subscribe"]["unacknowledged_tasks"] == [{"task_id": {"value": "t"}}]
    assert events.empty()


# ---- an agent that is another by now ------------------------------------------------

LAUNCH = {"type": "LAUNCH", "launch": {"task": {"task_id": {"value": "t"}, "data": "!"}}}


def subscribed_as(agent_id: str, run: str = "") -> dict[str, Any]:
    content: dict[str, Any] = {"agent_info": {"id": {"value": agent_id}}}
    return {"type": "SUBSCRIBED", "subscribed": content | ({"container_id": {"value": run}} if run else {})}


def ends_with(events: queue.Queue[Event], words: str) -> None:
    """The next event says that the agent is another, and nothing follows it."""
    event = events.get(timeout=5)
    assert isinstance(event, Superseded)
    assert words in event.reason
    with pytest.raises(queue.Empty):
        events.get(timeout=0.3)


def test_a_subscription_taken_by_an_agent_with_another_id_is_left_at_once(agent: Agent) -> None:
    driver, events = connect(agent)
    agent.drop()
    assert isinstance(events.get(timeout=5), Disconnected)
    driver.subscribe(Subscribe(statuses=(), tasks=()))
    agent.subscriptions.get(timeout=5)
    agent.say(subscribed_as("B"), LAUNCH)
    ends_with(events, "it is agent B now, and this executor belongs to agent A")
    assert agent.subscriptions.empty()


def test_the_agent_that_started_it_is_known_from_the_start(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESOS_SLAVE_ID", "OTHER")
    events: queue.Queue[Event] = queue.Queue()
    driver = ExecutorDriver(events.put)
    driver.start()
    driver.subscribe(Subscribe(statuses=(), tasks=()))
    agent.subscriptions.get(timeout=5)
    agent.say(SUBSCRIBED)
    ends_with(events, "it is agent A now, and this executor belongs to agent OTHER")


def test_another_executor_under_this_id_is_not_fought(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESOS_SANDBOX", "/work/slaves/A/frameworks/F/executors/E/runs/first")
    events: queue.Queue[Event] = queue.Queue()
    driver = ExecutorDriver(events.put)
    driver.start()
    driver.subscribe(Subscribe(statuses=(), tasks=()))
    agent.subscriptions.get(timeout=5)
    agent.say(subscribed_as("A", "second"))
    ends_with(events, "run second, and this one is run first")


def test_an_agent_that_does_not_know_the_executor_is_not_asked_again(agent: Agent) -> None:
    driver, events = connect(agent)
    agent.has_forgotten = True
    agent.drop()
    assert isinstance(events.get(timeout=5), Disconnected)
    driver.subscribe(Subscribe(statuses=(), tasks=()))
    ends_with(events, "it does not know this executor (Executor cannot be found)")


def test_an_agent_whose_work_directory_names_another_id_is_not_waited_for(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "meta" / "slaves" / "B").mkdir(parents=True)
    (tmp_path / "meta" / "slaves" / "latest").symlink_to(tmp_path / "meta" / "slaves" / "B")
    monkeypatch.setenv("MESOS_SANDBOX", str(tmp_path / "slaves/A/frameworks/F/executors/E/runs/first"))
    agent.refusals = 1000
    events: queue.Queue[Event] = queue.Queue()
    driver = ExecutorDriver(events.put)
    driver.start()
    driver.subscribe(Subscribe(statuses=(), tasks=()))
    ends_with(events, "it has the id B now, by its work directory")


def test_subscriptions_that_do_not_hold_come_ever_later(agent: Agent) -> None:
    """The pauses are read off the driver: a busy machine makes them longer, and never shorter."""
    driver = ExecutorDriver(lambda _: None)
    pauses = []
    for held_seconds in (0.0, 0.1, 1.0, 0.0, STEADY_SECONDS, 0.0):
        driver._note_held(held_seconds)
        pauses.append(driver._short_pause)
    assert pauses == [0.2, 0.4, 0.8, 1.0, 0.0, 0.2]


def test_a_subscription_that_was_taken_and_dropped_is_followed_by_a_pause(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("executor.mesos.time.sleep", slept.append)
    driver, events = connect(agent)
    for _ in range(3):
        agent.drop()
        assert isinstance(events.get(timeout=5), Disconnected)
        driver.subscribe(Subscribe(statuses=(), tasks=()))
        agent.subscriptions.get(timeout=5)
        agent.say(SUBSCRIBED)
        assert events.get(timeout=5) == Subscribed()
    assert [pause for pause in slept if pause in (0.0, 0.2, 0.4, 0.8)] == [0.0, 0.2, 0.4, 0.8]


def test_statuses_go_over_one_kept_connection_in_order(agent: Agent) -> None:
    driver, _ = connect(agent)
    for number in range(20):
        driver.send_status(Status(task_id=TaskId(f"t{number}"), state=TaskState.RUNNING, uuid=b"u" * 16, timestamp=0))
    names = [agent.calls.get(timeout=5)["update"]["status"]["task_id"]["value"] for _ in range(20)]
    assert names == [f"t{number}" for number in range(20)]
    assert agent.connections == 2


def test_sending_without_an_agent_neither_raises_nor_waits(agent: Agent) -> None:
    driver, events = connect(agent)
    agent.drop()
    assert isinstance(events.get(timeout=5), Disconnected)
    began_at = time.monotonic()
    driver.send_status(STATUS)
    assert time.monotonic() - began_at < 0.1
    assert agent.calls.empty()


def test_a_silent_connection_is_given_up(agent: Agent) -> None:
    _, events = connect(agent, silence_seconds=0.2)
    assert events.get(timeout=5) == Disconnected(reason="the agent has been silent for 0 s")


@pytest.mark.parametrize(("text", "seconds"), [("1", 120.0), ("0", None), ("", None)])
def test_checkpoint_0_is_false(agent: Agent, monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None) -> None:
    monkeypatch.setenv("MESOS_CHECKPOINT", text)
    assert ExecutorDriver(lambda _: None).recovery_seconds == seconds


def test_the_token_of_an_executor_is_shown(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "secret")
    connect(agent)
    assert "Authorization: Bearer secret" in [agent.headers.get() for _ in range(agent.headers.qsize())]


# ---- Mesos's JSON -------------------------------------------------------------------


def test_a_status_as_mesos_wants_it() -> None:
    message = status_message(STATUS, "E", "/box")
    data = StatusDetail.FromString(base64.b64decode(message.pop("data")))
    assert (data.sandbox, data.has_exit_code, data.exit_code, data.out_of_memory) == ("/box", True, 3, False)
    assert message == {
        "task_id": {"value": "t"},
        "executor_id": {"value": "E"},
        "state": "TASK_RUNNING",
        "source": "SOURCE_EXECUTOR",
        "timestamp": 1.5,
        "uuid": base64.b64encode(b"u" * 16).decode(),
        "message": "runs",
    }


def test_a_message_is_made_fit_for_mesos() -> None:
    status = Status(
        task_id=TaskId("t"),
        state=TaskState.FAILED,
        uuid=b"u" * 16,
        timestamp=0,
        message="bad\x00\udc80" + "x" * 3000,
        is_healthy=False,
        addresses=("172.17.0.2", "fd00::2"),
    )
    message = status_message(status, "E", "/box")
    assert (len(message["message"]), message["message"][:5], message["healthy"]) == (1000, "bad ?", False)
    assert message["container_status"]["network_infos"][0]["ip_addresses"] == [
        {"ip_address": "172.17.0.2", "protocol": "IPv4"},
        {"ip_address": "fd00::2", "protocol": "IPv6"},
    ]


def test_acknowledgements_kills_and_what_cannot_be_launched() -> None:
    uuid = base64.b64encode(b"u" * 16).decode()
    acknowledged = {"type": "ACKNOWLEDGED", "acknowledged": {"task_id": {"value": "t"}, "uuid": uuid}}
    assert events_of(acknowledged) == (Acknowledged(task_id=TaskId("t"), uuid=b"u" * 16),)
    policy = {"grace_period": {"nanoseconds": 1500000000}}
    kill = {"type": "KILL", "kill": {"task_id": {"value": "t"}, "kill_policy": policy}}
    assert events_of(kill) == (KillReceived(task_id=TaskId("t"), grace_seconds=1.5),)
    (garbled,) = events_of({"type": "LAUNCH", "launch": {"task": {"task_id": {"value": "t"}, "data": "!"}}})
    assert isinstance(garbled, LaunchGarbled)
    assert events_of({"type": "ERROR", "error": {"message": "no"}}) == (
        ShutdownReceived(reason="the agent refuses this executor: no"),
    )


def test_records_are_found_in_any_pieces_and_nonsense_is_no_record() -> None:
    records = Records()
    assert [record for byte in b"3\nabc0\n2\nxy" for record in records.feed(bytes([byte]))] == [b"abc", b"", b"xy"]
    with pytest.raises(ValueError):
        list(records.feed(b"what\n"))


@pytest.mark.parametrize(
    ("kind", "code", "wanted"),
    [
        (CheckKind.HTTP, None, {"type": "HTTP", "http": {}}),
        (CheckKind.HTTPS, 503, {"type": "HTTP", "http": {"status_code": 503}}),
        (CheckKind.TCP, 0, {"type": "TCP", "tcp": {"succeeded": False}}),
        (CheckKind.COMMAND, 3, {"type": "COMMAND", "command": {"exit_code": 3}}),
    ],
)
def test_readiness_is_said_where_mesos_has_a_place_for_it(
    kind: CheckKind, code: int | None, wanted: dict[str, Any]
) -> None:
    check = CheckStatus(kind=kind, code=code)
    status = Status(
        task_id=TaskId("t"), state=TaskState.RUNNING, uuid=bytes(16), timestamp=1.0, is_ready=False, check=check
    )
    assert status_message(status, "executor", "/sandbox")["check_status"] == wanted
