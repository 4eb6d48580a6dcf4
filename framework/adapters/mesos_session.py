"""One subscription to one master, from the connection to its end."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from framework.adapters import mesos_problems as problems
from framework.adapters.codec import TaskWriter, domain
from framework.adapters.mesos_calls import body
from framework.adapters.mesos_channel import READ_BYTES, Channel
from framework.adapters.mesos_events import event
from framework.adapters.mesos_queue import CallQueue
from framework.adapters.mesos_wire import Answer, EventStream, WireFault
from framework.core.commands import Accept, Call, Decline, Kill
from framework.core.events import CallFailed, Subscribed
from framework.ports import Post
from specs.ids import FrameworkId, OfferId

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
SUBSCRIBE_SECONDS = 15.0
ANSWER_SECONDS = 60.0
FLUSH_SECONDS = 2.0
MISSED_HEARTBEATS = 5
HEARTBEAT_SECONDS = 15.0
UNREADABLE_REFUSE_SECONDS = 60.0
PIPE_BYTES = 4096


class Over(Exception):
    """The session is over. `problem` is a sentence for people, `redirect` the master that was named instead,
    `refusal` what Mesos said when it does not want us at all."""

    def __init__(self, problem: str, *, redirect: str = "", refusal: str = "") -> None:
        super().__init__(problem)
        self.problem, self.redirect, self.refusal = problem, redirect, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The driver as its session sees it. `wake_fd` becomes readable when `calls` has something, or when
    `interruption` may say why the session has to end ("" when it has not); `is_stopping` asks to send what waits
    and then to end."""

    calls: CallQueue
    tasks: TaskWriter
    post: Post
    wake_fd: int
    interruption: Callable[[], str]
    is_stopping: Callable[[], bool]
    subscribed: Callable[[FrameworkId], None]


class Session:
    """`request` is the whole SUBSCRIBE, `head` the header lines of all other calls."""

    def __init__(self, address: str, request: bytes, head: bytes, context: Context) -> None:
        self._address = address
        self._request = request
        self._head = head
        self._context = context
        self._selector = selectors.DefaultSelector()
        self._selector.register(context.wake_fd, selectors.EVENT_READ)
        self._stream_socket: socket.socket | None = None
        self._channel: Channel | None = None
        self._channel_events = 0
        self._stream = EventStream()
        self._framework_id = FrameworkId("")
        self._heard_at = time.monotonic()
        self._silence_seconds = MISSED_HEARTBEATS * HEARTBEAT_SECONDS
        self._stops_at: float | None = None
        self.subscribed_at: float | None = None

    def run(self) -> Over:
        """Subscribes and serves until it is over; says why."""
        try:
            self._subscribe()
            self._serve()
        except Over as over:
            return over
        except EOFError:
            return Over(problems.closed(self._address))
        except OSError as error:
            return Over(problems.broken(self._address, error))
        except WireFault as fault:
            return Over(problems.strange(self._address, str(fault)))
        finally:
            self._close()

    def unsent(self) -> list[Call]:
        """The calls that were taken out of the queue and for certain never left."""
        return self._channel.unsent() if self._channel else []

    # ---- subscribing ------------------------------------------------------------

    def _subscribe(self) -> None:
        """Connects, and returns at the head of the stream of events."""
        sock = self._stream_socket = self._connect()
        deadline = time.monotonic() + SUBSCRIBE_SECONDS
        rest = memoryview(self._request)
        while rest:
            self._wait(sock, selectors.EVENT_WRITE, deadline, problems.silent(self._address, SUBSCRIBE_SECONDS))
            rest = rest[sock.send(rest) :]
        while self._stream.head is None or (self._stream.head.status != 200 and not self._stream.is_complete):
            self._wait(sock, selectors.EVENT_READ, deadline, problems.silent(self._address, SUBSCRIBE_SECONDS))
            data = sock.recv(READ_BYTES)
            if not data and self._stream.head is None:
                raise EOFError
            for record in self._stream.feed(data):
                self._take(record)
            if not data:
                break
        head = self._stream.head
        if head is None or head.status != 200:
            status, headers = (head.status, head.headers) if head else (0, {})
            problem, redirect = problems.refused(self._address, status, headers.get("location", ""), self._stream.text)
            raise Over(problem, redirect=redirect)

    def _connect(self) -> socket.socket:
        host, _, port = self._address.rpartition(":")
        try:
            family, kind, protocol, _, target = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        except (OSError, ValueError) as error:
            raise Over(problems.unresolved(self._address, error)) from None
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(target)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
            deadline = time.monotonic() + CONNECT_SECONDS
            self._wait(sock, selectors.EVENT_WRITE, deadline, problems.unreachable(self._address, CONNECT_SECONDS))
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
        except OSError as error:
            sock.close()
            raise Over(problems.unconnected(self._address, error)) from None
        except Over:
            sock.close()
            raise
        return sock

    def _wait(self, sock: socket.socket, events: int, deadline: float, problem: str) -> None:
        """Waits until `sock` is ready; Over with `problem` at the deadline."""
        self._selector.register(sock, events)
        try:
            while True:
                ready = {key.fileobj for key, _ in self._selector.select(max(0.0, deadline - time.monotonic()))}
                if self._context.wake_fd in ready:
                    self._woken()
                if self._context.is_stopping() and self.subscribed_at is None:
                    raise Over("")
                if sock in ready:
                    return
                if time.monotonic() >= deadline:
                    raise Over(problem)
        finally:
            self._selector.unregister(sock)

    # ---- serving ----------------------------------------------------------------

    def _serve(self) -> NoReturn:
        """Reads events and sends calls until something ends it."""
        stream = self._stream_socket
        assert stream is not None
        self._selector.register(stream, selectors.EVENT_READ)
        while True:
            self._fill()
            for key, mask in self._selector.select(self._patience()):
                if key.fileobj is stream:
                    self._read_stream(stream)
                elif key.fd == self._context.wake_fd:
                    self._woken()
                elif mask & selectors.EVENT_READ:
                    self._read_channel()
            self._check()

    def _read_stream(self, sock: socket.socket) -> None:
        data = sock.recv(READ_BYTES)
        if not data:
            raise EOFError
        self._heard_at = time.monotonic()
        for record in self._stream.feed(data):
            self._take(record)
        if self._stream.is_complete:
            raise EOFError

    def _take(self, record: bytes) -> None:
        """Does what an event asks for. Nothing that comes out of an event ends the thread."""
        plain: dict[str, Any] = {}
        try:
            plain = orjson.loads(record)
            kind = plain["type"]
            if kind == "SUBSCRIBED":
                self._subscribed(plain["subscribed"])
            elif kind == "ERROR":
                raise Over(problems.ended(self._address), refusal=plain["error"]["message"])
            else:
                happened = event(plain, self._decline)
                if happened is not None:
                    self._context.post(happened)
        except Over:
            raise
        except Exception:  # a shield
            log.exception("an event cannot be handled; a bug of this framework, please report: %.2000r", record)

    def _subscribed(self, plain: dict[str, Any]) -> None:
        self._framework_id = FrameworkId(plain["framework_id"]["value"])
        self._silence_seconds = MISSED_HEARTBEATS * plain.get("heartbeat_interval_seconds", HEARTBEAT_SECONDS)
        self.subscribed_at = self._heard_at = time.monotonic()
        self._context.subscribed(self._framework_id)
        region, _ = domain(plain.get("master_info", {}))
        self._context.post(Subscribed(framework_id=self._framework_id, master=self._address, region=region))

    def _decline(self, offer_id: OfferId) -> None:
        self._context.calls.put(Decline(offer_ids=(offer_id,), refuse_seconds=UNREADABLE_REFUSE_SECONDS))

    def _fill(self) -> None:
        """Puts waiting calls on the wire, as far as it takes them."""
        calls = self._context.calls
        if calls and self.subscribed_at is not None:
            channel = self._channel or self._open_channel()
            while not channel.is_full and (call := calls.take()) is not None:
                self._push(channel, call)
        if self._channel and self._channel.wants_write:
            self._channel.write()
        if self._channel:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._channel.wants_write else 0)
            if events != self._channel_events:
                self._selector.modify(self._channel.sock, events)
                self._channel_events = events

    def _push(self, channel: Channel, call: Call) -> None:
        try:
            data = body(call, self._framework_id, self._context.tasks)
        except Exception as bug:  # a shield: one call that cannot be written must not cost the others
            log.exception("a call cannot be written; a bug of this framework, please report: %r", call)
            if isinstance(call, Accept | Kill):
                self._context.post(CallFailed(call=call, problem=f"the call cannot be written: {bug!r}"))
            return
        channel.push(call, data)

    def _open_channel(self) -> Channel:
        assert self._stream.head is not None
        stream_id = self._stream.head.headers.get("mesos-stream-id", "")
        head = self._head + b"Mesos-Stream-Id: " + stream_id.encode("latin-1") + b"\r\n"
        channel = self._channel = Channel(self._connect(), head)
        self._channel_events = selectors.EVENT_READ
        self._selector.register(channel.sock, self._channel_events)
        return channel

    def _read_channel(self) -> None:
        """Takes answers. A connection that ends with calls unanswered ends the session: only a new subscription
        makes the core ask what became of them."""
        channel = self._channel
        assert channel is not None
        try:
            answers = channel.read()
        except (EOFError, ConnectionError):
            if not channel.is_idle:
                raise
            self._selector.unregister(channel.sock)
            channel.sock.close()
            self._channel = None
            return
        for call, answer in answers:
            if not answer.is_taken:
                self._refused(call, answer)

    def _refused(self, call: Call, answer: Answer) -> None:
        problem = problems.call_refused(self._address, type(call).__name__, answer.status, answer.text)
        if isinstance(call, Accept | Kill):
            self._context.post(CallFailed(call=call, problem=problem))
        else:
            log.warning("%s", problem)

    # ---- ending -----------------------------------------------------------------

    def _woken(self) -> None:
        os.read(self._context.wake_fd, PIPE_BYTES)
        self._context.calls.was_woken()
        if interruption := self._context.interruption():
            raise Over(interruption)

    def _patience(self) -> float:
        """How long nothing may happen before something has to be looked at."""
        now = time.monotonic()
        times = [self._heard_at + self._silence_seconds]
        if self._channel and (oldest := self._channel.oldest_at) is not None:
            times.append(oldest + ANSWER_SECONDS)
        if self._context.is_stopping():
            times.append(now + 0.05)
        return max(0.0, min(times) - now)

    def _check(self) -> None:
        now = time.monotonic()
        if now - self._heard_at >= self._silence_seconds:
            raise Over(problems.silent(self._address, self._silence_seconds))
        oldest = self._channel.oldest_at if self._channel else None
        if oldest is not None and now - oldest >= ANSWER_SECONDS:
            raise Over(problems.unanswered(self._address, ANSWER_SECONDS))
        if self._context.calls.is_overfull:
            raise Over(problems.overfull(self._address, self._context.calls.most))
        if self._context.is_stopping():
            self._stops_at = self._stops_at or now + FLUSH_SECONDS
            is_done = not self._context.calls and (self._channel is None or self._channel.is_idle)
            if is_done or now >= self._stops_at:
                raise Over("")

    def _close(self) -> None:
        self._selector.close()
        for sock in (self._stream_socket, self._channel.sock if self._channel else None):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()
