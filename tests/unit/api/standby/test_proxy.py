"""Any scheduler answers any request: what a standby passes on, what it answers itself, and when it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from framework.api.app import create_app
from framework.api.guard.hosts import Hosts
from framework.api.info import ExecutorFile, Limits, ServerInfo
from framework.api.server import Server
from framework.api.standby import proxy
from framework.app import set_up_logging
from framework.core.commands import Done
from framework.core.events import ScaleRequested
from framework.ports import is_address
from specs.ids import group_id
from tests.kit.front import NOW, FakeFront, a_group, a_stack, a_task, a_view
from tests.kit.leadership import FakeLeadership

SHA256 = "a1b2"
WEB = group_id("shop", "web")


class Scheduler:
    """An API over a scripted Front and a scripted Leadership, at an address of its own."""

    def __init__(
        self, archive: Path, leadership: FakeLeadership, *, token: str | None = None, hosts: Iterable[str] = ()
    ) -> None:
        self.front = FakeFront()
        self.leadership = leadership
        probe = socket.create_server(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        self.address = f"127.0.0.1:{port}"
        if leadership.is_leader:
            leadership.leader = self.address
        app = create_app(
            self.front,
            token=token,
            hosts=Hosts(hosts),
            executor=ExecutorFile(path=archive, sha256=SHA256),
            info=ServerInfo(version="0.1.0", name="framework", role="*", leader=self.address, started_at=NOW),
            limits=Limits(heartbeat_seconds=0.2),
            clock=lambda: NOW,
            leadership=leadership,
        )
        self.app = app
        self.server = Server(app, "127.0.0.1", port)
        self.url = f"http://{self.address}"

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, self.url + path, timeout=10, trust_env=False, **options)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "framework-executor.pyz"
    path.write_bytes(b"#!/usr/bin/env python3\nPK")
    return path


@pytest.fixture
def leader(archive: Path) -> Iterator[Scheduler]:
    scheduler = Scheduler(archive, FakeLeadership(), token="t0ken")
    with scheduler.server:
        yield scheduler


@pytest.fixture
def standby(archive: Path, leader: Scheduler) -> Iterator[Scheduler]:
    scheduler = Scheduler(archive, FakeLeadership(is_leader=False, leader=leader.address), token="t0ken")
    with scheduler.server:
        yield scheduler


TOKEN = {"Authorization": "Bearer t0ken"}


def test_a_read_is_the_leaders(leader: Scheduler, standby: Scheduler) -> None:
    leader.front.publish(a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)])])]))
    answer = standby.ask("GET", "/v1/tasks?pattern=shop%2Fweb")
    assert [task["id"] for task in answer.json()["tasks"]] == ["shop.web.0.1"]
    assert answer.headers["X-Framework-Leader"] == leader.address
    assert answer.headers["X-Framework-Proxied-By"] == standby.address
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(answer.headers.get_list("date")) == 1
    own = leader.ask("GET", "/v1/tasks?pattern=shop%2Fweb")
    assert own.json() == answer.json()
    assert own.headers["X-Framework-Leader"] == leader.address
    assert "X-Framework-Proxied-By" not in own.headers


def test_changes_with_their_bodies_are_passed_on(leader: Scheduler, standby: Scheduler) -> None:
    leader.front.answer = lambda _asked: Done(changed=("shop/web",), index=3, message="")
    body = {"pattern": "shop/web", "instances": 4}
    assert standby.ask("POST", "/v1/scale", json=body).status_code == 401
    answer = standby.ask("POST", "/v1/scale", json=body, headers=TOKEN)
    assert (answer.status_code, answer.json()["index"]) == (202, 3)
    (asked,) = leader.front.requests
    assert isinstance(asked, ScaleRequested) and asked.instances == 4
    pieces = iter([b'{"pattern": "shop/web",', b'"delta": 1}'])
    typed = {**TOKEN, "Content-Type": "application/json"}
    chunked = standby.ask("POST", "/v1/scale", content=pieces, headers=typed)
    assert chunked.status_code == 202
    assert standby.front.requests == []


def test_refusals_come_back_as_the_leader_made_them(leader: Scheduler, standby: Scheduler) -> None:
    for method, path in [("GET", "/v1/stacks/none"), ("GET", "/nothing"), ("PUT", "/v1/scale")]:
        passed, own = (each.ask(method, path, headers=TOKEN) for each in (standby, leader))
        assert (passed.status_code, passed.json()) == (own.status_code, own.json())
    assert standby.ask("HEAD", "/v1/stacks").status_code == leader.ask("HEAD", "/v1/stacks").status_code


def test_a_body_that_is_too_large_is_refused_here(standby: Scheduler, leader: Scheduler) -> None:
    answer = standby.ask("POST", "/v1/scale", content=iter([b"x" * 40_000] * 3), headers=TOKEN)
    assert answer.status_code == 413
    assert leader.front.requests == []


def test_events_come_one_by_one_and_end_with_who_follows(leader: Scheduler, standby: Scheduler) -> None:
    with httpx.stream("GET", f"{standby.url}/v1/events", timeout=10, trust_env=False) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        for number in range(3):
            leader.front.happen("TaskRunning", f"task {number}")
            assert next(line for line in lines if line.startswith("data: ")).count(f"task {number}") == 1
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert leader.front.subscribers == 1
    for _ in range(100):
        if leader.front.subscribers == 0:
            break
        threading.Event().wait(0.05)
    assert leader.front.subscribers == 0, "the leader's stream has ended too"


def test_another_leader_at_the_same_address_takes_nothing(leader: Scheduler, standby: Scheduler) -> None:
    """The leader has died, and another framework's scheduler has its address: the standby does not know yet."""
    leader.front.answer = lambda _asked: Done(changed=("shop/web",), index=3, message="")
    body = {"pattern": "shop/web", "instances": 4}
    leader.leadership.term = "0ther"
    answer = standby.ask("POST", "/v1/scale", json=body, headers=TOKEN)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert f"The scheduler at {standby.address} passed this on to another leader" in answer.json()["message"]
    assert leader.front.requests == []
    standby.leadership.term = "0ther"
    spoofed = {**TOKEN, "X-Framework-Term": "x"}
    assert standby.ask("POST", "/v1/scale", json=body, headers=spoofed).status_code == 202, "the standby's word counts"


def test_what_was_passed_on_is_not_passed_on_again(archive: Path, standby: Scheduler) -> None:
    """Two that take each other for the leader."""
    other = Scheduler(archive, FakeLeadership(is_leader=False, leader=standby.address))
    standby.leadership.leader = other.address
    with other.server:
        answer = standby.ask("GET", "/v1/stacks")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert f"the scheduler at {standby.address} passed this on to the one at {other.address}".lower() in (
        answer.json()["message"].lower()
    )


def test_without_a_leader(standby: Scheduler) -> None:
    standby.leadership.leader = ""
    answer = standby.ask("GET", "/v1/stacks")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["message"].startswith("No scheduler leads at the moment")
    assert "X-Framework-Leader" not in answer.headers


def test_a_restore_that_keeps_the_leaders_place_is_no_address(standby: Scheduler) -> None:
    standby.leadership.leader = "framework restore on höst1, process 4711"
    answer = standby.ask("GET", "/v1/stacks")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "framework restore on höst1, process 4711, keeps its place" in answer.json()["message"]
    assert "X-Framework-Leader" not in answer.headers
    assert standby.ask("GET", "/v1/leader").status_code == 200


@pytest.mark.parametrize(
    ("leader", "is_one"),
    [
        ("10.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("leader.example:80", True),
        ("", False),
        ("leader", False),
        (":80", False),
        ("framework restore on host1, process 12", False),
        ("framework restore on host1:12", False),
    ],
)
def test_what_is_an_address(leader: str, is_one: bool) -> None:
    assert is_address(leader) is is_one


def test_a_leader_that_is_gone(leader: Scheduler, standby: Scheduler) -> None:
    leader.server.stop()
    answer = standby.ask("POST", "/v1/restart", json={"pattern": "shop"}, headers=TOKEN)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    said = answer.json()["message"]
    assert f"The leader at {leader.address} cannot be reached" in said and "nothing was asked of it" in said
    assert "session time-out of 10 s" in said


def test_a_leader_that_takes_no_connection(standby: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "_CONNECT_SECONDS", 0.5)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # which the kernel answers as long as there is room, and then no more
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        standby.leadership.leader = f"127.0.0.1:{full.getsockname()[1]}"
        answer = standby.ask("POST", "/v1/restart", json={"pattern": "shop"}, headers=TOKEN)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "cannot be reached (no connection within 0.5 s), and nothing was asked of it" in answer.json()["message"]


def test_a_standby_that_is_late_does_not_blame_the_leader(
    leader: Scheduler, standby: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader's kernel takes the connection at once; each turn of the standby's loop takes most of the time-out."""
    monkeypatch.setattr(proxy, "_CONNECT_SECONDS", 0.15)

    async def ask() -> httpx.Response:
        async def hold_up() -> None:
            while True:
                time.sleep(0.1)  # the loop is what is to be held up
                await asyncio.sleep(0)

        late = asyncio.create_task(hold_up())
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(standby.app)) as client:
                return await client.get(f"{standby.url}/v1/stacks", timeout=None)
        finally:
            late.cancel()

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        answer = loop.run_until_complete(ask())
    assert answer.status_code == 200, answer.text


@pytest.fixture
def rude(standby: Scheduler) -> Iterator[list[bytes]]:
    """A leader that answers each connection with the bytes of the list and closes it."""
    answers: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        standby.leadership.leader = f"127.0.0.1:{listening.getsockname()[1]}"

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answers[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield answers
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_a_leader_that_dies_before_it_answers(standby: Scheduler, rude: list[bytes]) -> None:
    rude.append(b"")
    answer = standby.ask("POST", "/v1/restart", json={"pattern": "shop"}, headers=TOKEN)
    assert answer.status_code == 503
    assert "What was asked may still happen" in answer.json()["message"]
    assert answer.headers["X-Framework-Outcome"] == "unknown"


def test_a_part_of_an_answer_is_not_taken_for_the_whole(standby: Scheduler, rude: list[bytes]) -> None:
    rude.append(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[1,2\r\n")
    with pytest.raises(httpx.RemoteProtocolError):
        standby.ask("GET", "/v1/stacks")


def test_headers_of_one_connection_stay_there(standby: Scheduler, rude: list[bytes]) -> None:
    rude.append(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
        b"Server: other\r\nX-Kept: yes\r\n\r\n[]"
    )
    answer = standby.ask("GET", "/v1/stacks")
    assert answer.text == "[]" and answer.headers["X-Kept"] == "yes"
    assert not {"x-hop", "keep-alive", "server"} & set(answer.headers)


def test_about_itself_each_answers_itself(leader: Scheduler, standby: Scheduler) -> None:
    standby.front.publish(a_view(problem="the scheduler at 1.2.3.4:80 leads; this one stands by"))
    leader.leadership.problem = "is not asked"
    archive = standby.ask("GET", f"/v1/executor/{SHA256}/framework-executor.pyz")
    assert archive.content.startswith(b"#!") and "X-Framework-Proxied-By" not in archive.headers
    assert "X-Framework-Proxied-By" not in standby.ask("GET", "/v1/ready").headers
    told = standby.ask("GET", "/v1/leader").json()
    assert (told["leader"], told["answered_by"]) == (leader.address, standby.address)
    other = standby.ask("GET", "/v1/executor/ffff/framework-executor.pyz")
    assert other.status_code == 404 and other.headers["X-Framework-Proxied-By"] == standby.address


class TestStale:
    def test_reads_are_answered_from_the_store(self, leader: Scheduler, standby: Scheduler) -> None:
        standby.leadership.stored = a_view([a_stack("old", [a_group(group_id("old", "web"))])], at=NOW - 1.5)
        leader.server.stop()
        answer = standby.ask("GET", "/v1/stacks?stale=ok")
        assert [stack["name"] for stack in answer.json()["stacks"]] == ["old"]
        assert answer.headers["X-Framework-Age"] == "1.5"
        assert standby.ask("GET", "/v1/stacks/old?stale=ok").json()["name"] == "old"

    def test_what_is_not_stored_is_the_leaders_to_say(self, leader: Scheduler, standby: Scheduler) -> None:
        for path in ("/v1/agents?stale=ok", "/v1/stacks?stale=no", "/v1/events?stale=ok&follow=false"):
            answer = standby.ask("GET", path)
            assert (answer.status_code, answer.headers["X-Framework-Proxied-By"]) == (200, standby.address)
        plan = standby.ask("POST", "/v1/scale?stale=ok", json={"pattern": "x", "delta": 1}, headers=TOKEN)
        assert plan.headers["X-Framework-Proxied-By"] == standby.address

    def test_the_leader_answers_as_always(self, leader: Scheduler) -> None:
        assert "X-Framework-Age" not in leader.ask("GET", "/v1/stacks?stale=ok").headers

    def test_a_store_that_cannot_be_read(self, standby: Scheduler) -> None:
        standby.leadership.stored = None
        answer = standby.ask("GET", "/v1/stacks?stale=ok")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "The store cannot be read now" in answer.json()["message"]


class TestStepDown:
    def test_any_scheduler_takes_the_order(self, leader: Scheduler, standby: Scheduler) -> None:
        leader.leadership.standbys = [standby.address, "10.0.0.8:8080"]
        answer = standby.ask("POST", "/v1/leader/step-down", json={"to": standby.address}, headers=TOKEN)
        assert (answer.status_code, leader.leadership.steps_down) == (202, 1)
        assert leader.leadership.named == [standby.address]
        assert f"{standby.address} takes over" in answer.json()["message"]
        assert standby.ask("POST", "/v1/leader/step-down", json={}).status_code == 401

    @pytest.mark.parametrize(
        ("body", "status", "says"),
        [
            ({}, 409, "No scheduler stands by, so nobody would take over"),
            ({"to": "10.0.0.8:8080"}, 409, "10.0.0.8:8080 does not stand by"),
            ({"to": "10.0.0.8:8080", "anyway": True}, 409, "10.0.0.8:8080 does not stand by"),
            ({"anyway": True}, 202, "nobody else takes over"),
            ({"who": "x"}, 422, "not as the API wants it"),
        ],
    )
    def test_refused_where_nobody_would_lead(
        self, leader: Scheduler, body: dict[str, object], status: int, says: str
    ) -> None:
        answer = leader.ask("POST", "/v1/leader/step-down", json=body, headers=TOKEN)
        assert (answer.status_code, leader.leadership.steps_down) == (status, int(status == 202))
        assert says in answer.json()["message"]

    def test_to_itself(self, leader: Scheduler) -> None:
        answer = leader.ask("POST", "/v1/leader/step-down", json={"to": leader.address}, headers=TOKEN)
        assert answer.status_code == 409 and "leads already" in answer.json()["message"]

    def test_without_zookeeper(self, leader: Scheduler) -> None:
        leader.leadership.problem = "ZooKeeper did not say"
        for method, path in (("POST", "/v1/leader/step-down"), ("GET", "/v1/leader")):
            answer = leader.ask(method, path, json={}, headers=TOKEN)
            assert (answer.status_code, answer.json()["message"]) == (503, "ZooKeeper did not say.")


def test_many_at_a_time(leader: Scheduler, standby: Scheduler) -> None:
    async def all_at_once() -> list[int]:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            answers = await asyncio.gather(*(client.get(f"{standby.url}/v1/stacks") for _ in range(100)))
        return [answer.status_code for answer in answers]

    with contextlib.closing(asyncio.new_event_loop()) as loop:
        assert loop.run_until_complete(all_at_once()) == [200] * 100


def test_each_scheduler_is_called_by_its_own_names(archive: Path) -> None:
    """A standby checks Host and Origin by its own names, and calls the leader by the leader's address."""
    leader = Scheduler(archive, FakeLeadership(), hosts=["first.example"])
    with leader.server:
        leading = FakeLeadership(is_leader=False, leader=leader.address)
        standby = Scheduler(archive, leading, hosts=["second.example"])
        with standby.server:
            own = {"Host": "second.example", "Origin": "http://second.example"}
            assert standby.ask("POST", "/v1/stop", json={"pattern": "x"}, headers=own).status_code == 202
            assert len(leader.front.requests) == 1
            for strange in ({"Host": "first.example"}, {"Host": "second.example", "Origin": "http://first.example"}):
                assert standby.ask("POST", "/v1/stop", json={"pattern": "x"}, headers=strange).status_code == 403
            assert len(leader.front.requests) == 1


@pytest.fixture
def logged() -> Iterator[Callable[[], list[str]]]:
    """All that is logged with the logging of a scheduler, as it is by default."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    root, keep = logging.getLogger(), Keep()
    names = ("kazoo", "asyncio", "urllib3", "httpx", "httpcore", "uvicorn")
    before = {name: logging.getLogger(name).level for name in ("", *names)}
    set_up_logging("debug")
    root.setLevel(logging.DEBUG)  # which it leaves where pytest has a handler
    root.addHandler(keep)
    yield lambda: [line for line in lines if "Using selector" not in line]
    root.removeHandler(keep)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_what_is_passed_on_is_not_logged(
    leader: Scheduler, standby: Scheduler, logged: Callable[[], list[str]]
) -> None:
    """Keys of sessions stand in paths."""
    assert standby.ask("GET", "/v1/exec/s3cret-key/output").status_code == 404
    assert standby.ask("POST", "/v1/exec/s3cret-key/input", headers=TOKEN, content=b"").status_code == 404
    assert [line for line in logged() if "s3cret-key" in line] == []


def test_a_length_that_is_said_twice_is_refused(leader: Scheduler, standby: Scheduler) -> None:
    for scheduler in (leader, standby):
        host, port = scheduler.address.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(
                b"POST /v1/stop HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t0ken\r\nContent-Length: 3\r\n"
                b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            )
            assert connection.recv(65536).startswith(b"HTTP/1.1 400")
        assert scheduler.front.requests == []


def test_an_upload_that_breaks_off_is_no_bug_of_a_standby(
    leader: Scheduler, standby: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = standby.address.split(":")
    for method, path in (("PUT", "/v1/stacks/shop"), ("POST", "/v1/stop"), ("POST", "/v1/exec/key/input")):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t0ken\r\n"
            connection.sendall(f"{head}Content-Length: 1000\r\nContent-Type: application/json\r\n\r\n{{".encode())
    assert standby.ask("GET", "/v1/info").status_code == 200
    standby.server.stop()
    leader.server.stop()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert leader.front.requests == []
