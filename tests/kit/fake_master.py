"""A master that misbehaves as it is told to: HTTP on a port of its own, one answer after the other to SUBSCRIBE."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
FRAMEWORK_ID = "f-0001"
OPERATOR_ANSWERS = {
    "GET_AGENTS": json.dumps({"type": "GET_AGENTS", "get_agents": {}}),
    "GET_MAINTENANCE_SCHEDULE": json.dumps({"type": "GET_MAINTENANCE_SCHEDULE", "get_maintenance_schedule": {}}),
}


@dataclass
class Say:
    """An answer to SUBSCRIBE: 200 opens a stream with `events` after SUBSCRIBED."""

    status: int = 200
    text: str = ""
    location: str = ""
    events: tuple[Json, ...] = ()
    heartbeat_seconds: float = 15.0
    framework_id: str = FRAMEWORK_ID
    region: str = ""
    then_close: bool = False


@dataclass
class Seen:
    """A request as it came; `at` is monotonic seconds."""

    at: float
    headers: dict[str, str]
    body: Json


@dataclass
class FakeMaster:
    """`script` answers the subscriptions in turn, its last element all that follow; `answers` the calls by type,
    those of the operator API, which are `asked`, too."""

    script: list[Say] = field(default_factory=lambda: [Say()])
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    hold: threading.Event | None = None
    """calls are answered once it is set, where it is given"""
    closes_after_calls: bool = False
    """whether a connection ends with the first call that was answered on it"""
    gzips: bool = False
    """whether answers of the operator API are compressed"""

    def __post_init__(self) -> None:
        self.subscriptions: list[Seen] = []
        self.calls: list[Seen] = []
        self.asked: list[Seen] = []
        self.closed = 0
        self._streams: list[Handler] = []
        master = self

        class Bound(Handler):
            fake = master

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> FakeMaster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_streams()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def types(self) -> list[str]:
        return [seen.body["type"] for seen in list(self.calls)]

    def of_type(self, kind: str) -> list[Json]:
        return [seen.body for seen in list(self.calls) if seen.body["type"] == kind]

    def send(self, event: Json) -> None:
        """Sends an event to the newest stream."""
        self._streams[-1].event(event)

    def send_raw(self, data: bytes) -> None:
        self._streams[-1].wfile.write(data)

    def close_streams(self) -> None:
        for stream in self._streams:
            stream.over.set()


class Handler(BaseHTTPRequestHandler):
    fake: FakeMaster
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen = Seen(time.monotonic(), dict(self.headers), body)
        if self.path == "/api/v1":
            self.fake.asked.append(seen)
            status, text = self.fake.answers.get(body["type"], (200, OPERATOR_ANSWERS[body["type"]]))
            self._answer(status, text, is_compressed=self.fake.gzips)
            return
        if body["type"] == "SUBSCRIBE":
            script = self.fake.script
            say = script[min(len(self.fake.subscriptions), len(script) - 1)]
            self.fake.subscriptions.append(seen)
            self._subscribe(say)
            return
        self.fake.calls.append(seen)
        if self.fake.hold is not None:
            self.fake.hold.wait(10)
        status, text = self.fake.answers.get(body["type"], (202, ""))
        self._answer(status, text)
        if self.fake.closes_after_calls:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.fake.closed += 1

    def _answer(self, status: int, text: str, location: str = "", *, is_compressed: bool = False) -> None:
        content = gzip.compress(text.encode()) if is_compressed else text.encode()
        self.send_response(status)
        if is_compressed:
            self.send_header("Content-Encoding", "gzip")
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _subscribe(self, say: Say) -> None:
        self.close_connection = True
        if say.status != 200:
            self._answer(say.status, say.text, say.location)
            return
        self.over = threading.Event()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Mesos-Stream-Id", f"stream-{len(self.fake.subscriptions)}")
        self.end_headers()
        subscribed: Json = {
            "framework_id": {"value": say.framework_id},
            "heartbeat_interval_seconds": say.heartbeat_seconds,
        }
        if say.region:
            subscribed["master_info"] = {"domain": {"fault_domain": {"region": {"name": say.region}}}}
        self.fake._streams.append(self)
        self.event({"type": "SUBSCRIBED", "subscribed": subscribed})
        for event in say.events:
            self.event(event)
        if not say.then_close:
            self.over.wait(30)

    def event(self, event: Json) -> None:
        data = json.dumps(event).encode()
        record = b"%d\n%b" % (len(data), data)
        self.wfile.write(b"%x\r\n%b\r\n" % (len(record), record))
        self.wfile.flush()


class Inbox:
    """The events that a driver has posted."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._changed = threading.Condition()

    def post(self, event: Any) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: type) -> list[Any]:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait(self, kind: type, count: int = 1, seconds: float = 5.0) -> Any:
        """The `count`th event of that kind."""
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.of(kind)) >= count, seconds)
        assert done, f"wanted {count} {kind.__name__} within {seconds} s, got {self.events}"
        return self.of(kind)[count - 1]


def eventually(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Waits for a condition that nothing announces."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.005)
    return value
