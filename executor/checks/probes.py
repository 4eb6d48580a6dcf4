"""Checks over the network: connections and HTTP requests, any number at a time, by one thread."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from itertools import count
from types import ModuleType
from typing import Any, NoReturn

from executor.http_answers import Answer, host_header, request_bytes
from executor.runtime import CheckOutcome
from executor.workers import start_thread
from specs.model.stack import CheckKind, HealthCheck

AT_ONCE = 500
"""Limit on open connections; further checks wait."""
READ_BYTES = 16 * 1024
DRAIN_BYTES = 256 * 1024
DRAIN_SECONDS = 1.0
"""Time-out and limit for reading an answer's body, so that its writer is not cut off."""

Done = Callable[[CheckOutcome], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTarget:
    """The target of a check: the agent's address and one of its ports."""

    address: str
    port: int
    check: HealthCheck

    @property
    def what(self) -> str:
        """The request in words."""
        host = host_header(self.address, self.port)
        if self.check.kind is CheckKind.TCP:
            return f"connection to {host}"
        return f"{self.check.method} {self.check.kind}://{host}{self.check.path}"


class Probes:
    """One thread that performs all checks over the network; `late` gets the seconds by which each check began late."""

    def __init__(self, late: Callable[[float], None]) -> None:
        self._late = late
        self._incoming: deque[tuple[CheckTarget, float, Done]] = deque()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._deadlines: list[tuple[float, int, _Probe]] = []
        self._numbers = count()
        self._open = 0
        self._is_running = False

    def submit(self, target: CheckTarget, due_at: float, done: Done) -> None:
        """Performs a check; `done` is called from the thread, once, and must not raise. Called from one thread only."""
        self._incoming.append((target, due_at, done))
        if not self._is_running:
            self._is_running = True
            start_thread("probes", self._run)
        with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
            os.write(self._wake_writer, b"\0")

    def _run(self) -> NoReturn:
        while True:
            pause = self._deadlines[0][0] - time.monotonic() if self._deadlines else None
            for key, _ in self._selector.select(None if pause is None else max(pause, 0.0)):
                if key.data is None:
                    os.read(self._wake_reader, 4096)
                else:
                    self._step(key.data)
            now = time.monotonic()
            while self._deadlines and self._deadlines[0][0] <= now:
                self._settle(heappop(self._deadlines)[2].overdue())
            while self._incoming and self._open < AT_ONCE:
                self._begin(*self._incoming.popleft())

    def _begin(self, target: CheckTarget, due_at: float, done: Done) -> None:
        now = time.monotonic()
        self._late(now - due_at)
        probe = _Probe(target, done)
        self._open += 1
        heappush(self._deadlines, (now + target.check.timeout_seconds, next(self._numbers), probe))
        probe.begin()
        self._settle(probe)

    def _step(self, probe: _Probe) -> None:
        had_reported = probe.has_reported
        probe.step()
        if probe.has_reported and not had_reported and not probe.is_over:
            heappush(self._deadlines, (time.monotonic() + DRAIN_SECONDS, next(self._numbers), probe))
        self._settle(probe)

    def _settle(self, probe: _Probe) -> None:
        """Listens for what the probe waits for next, or forgets it."""
        if probe.is_over:
            if not probe.is_forgotten:
                probe.is_forgotten = True
                self._open -= 1
                if probe.registered:
                    self._selector.unregister(probe.registered[0])
                probe.close()
            return
        wanted = (probe.connection, probe.waits_for)
        if probe.registered is None:
            self._selector.register(*wanted, probe)
        elif probe.registered[0] is not wanted[0]:  # TLS is a socket of its own
            self._selector.unregister(probe.registered[0])
            self._selector.register(*wanted, probe)
        elif probe.registered[1] != wanted[1]:
            self._selector.modify(*wanted, probe)
        probe.registered = wanted


class _Stage(Enum):
    CONNECTING = "connecting"
    GREETING = "greeting"
    SENDING = "sending"
    READING = "reading"


class _Probe:
    """One check under way. It reports once, and is over when nothing more is to be read."""

    def __init__(self, target: CheckTarget, done: Done) -> None:
        self._target = target
        self._done = done
        self._stage = _Stage.CONNECTING
        self._to_send = b""
        self._answer = Answer(target.check.method)
        self._drained = 0
        self._tls: ModuleType | None = None
        self.connection: Any = None
        self.waits_for = selectors.EVENT_WRITE
        self.registered: tuple[Any, int] | None = None
        self.has_reported = False
        self.is_over = False
        self.is_forgotten = False

    def begin(self) -> None:
        """Connects."""
        address = self._target.address
        try:
            self.connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            self.connection.setblocking(False)
            code = self.connection.connect_ex((address, self._target.port))
        except OSError as error:
            self._fail(self._words(error))
            return
        if code not in (0, errno.EINPROGRESS):
            self._fail(os.strerror(code).lower())

    def step(self) -> None:
        """Does what can be done without waiting."""
        try:
            if self._stage is _Stage.CONNECTING:
                self._connected()
            if self._stage is _Stage.GREETING:
                self.connection.do_handshake()
                self._stage = _Stage.SENDING
            if self._stage is _Stage.SENDING:
                self._send()
            while self._stage is _Stage.READING and not self.is_over:
                self._read()
        except BlockingIOError:
            is_sending = self._stage is _Stage.SENDING
            self.waits_for = selectors.EVENT_WRITE if is_sending else selectors.EVENT_READ
        except OSError as error:
            wanted = self._tls.waits_for(error) if self._tls else None
            if wanted is None:
                self._fail(self._words(error))
            else:
                self.waits_for = wanted
        except (ValueError, ImportError) as error:
            self._fail(str(error)[:200])

    def overdue(self) -> _Probe:
        """The time is over; returns itself."""
        interim = f", only {self._answer.interim}" if self._answer.interim else ""
        self._fail(f"no answer within {self._target.check.timeout_seconds:g} s{interim}")
        return self

    def close(self) -> None:
        """Closes the connection."""
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.close()

    def _connected(self) -> None:
        code = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        check = self._target.check
        if code:
            self._fail(os.strerror(code).lower())
            return
        if check.kind is CheckKind.TCP:
            self._report(CheckOutcome(is_healthy=True, message=self._target.what, code=1))
            self.is_over = True
            return
        self._to_send = _request(self._target)
        self._stage = _Stage.SENDING
        if check.kind is CheckKind.HTTPS:
            name = next((value for key, value in check.headers if key.lower() == "host"), self._target.address)
            from executor.checks import tls  # not before it is needed

            self._tls = tls
            self.connection = tls.wrapped(self.connection, host_in(name), verifies=check.verifies)
            self._stage = _Stage.GREETING

    def _send(self) -> None:
        while self._to_send:
            sent = self.connection.send(self._to_send)
            self._to_send = self._to_send[sent:]
        self._stage = _Stage.READING

    def _read(self) -> None:
        data = self.connection.recv(READ_BYTES)
        self._drained += len(data) if self.has_reported else 0
        try:
            self._answer.feed(data)
        except ValueError:
            if self._answer.status is None:
                raise
            self.is_over = True  # the head is what counts: a body that is wrong is only not read on
        if self._answer.status is not None:
            self._report(_judged(self._target, self._answer.status, self._answer.reason))
        self.is_over = self.is_over or not data or self._answer.is_complete or self._drained > DRAIN_BYTES

    def _fail(self, words: str) -> None:
        is_tcp = self._target.check.kind is CheckKind.TCP
        message = f"{self._target.what}: {words}"
        self._report(CheckOutcome(is_healthy=False, message=message, code=0 if is_tcp else None))
        self.is_over = True

    def _words(self, error: OSError) -> str:
        said = self._tls.words(error) if self._tls else ""
        return said or (error.strerror or f"{type(error).__name__}: {error}").lower()[:200]

    def _report(self, outcome: CheckOutcome) -> None:
        if not self.has_reported:
            self.has_reported = True
            self._done(outcome)


def _request(target: CheckTarget) -> bytes:
    check = target.check
    given = {name.lower() for name, _ in check.headers}
    ours = (
        ("Host", host_header(target.address, target.port)),
        ("User-Agent", "framework-executor"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    )
    headers = (*((name, value) for name, value in ours if name.lower() not in given), *check.headers)
    return request_bytes(check.method, check.path, headers)


def host_in(name: str) -> str:
    """The host of a Host header, or an address: without the port and the brackets of IPv6."""
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name if name.count(":") > 1 else name.partition(":")[0]


def _judged(target: CheckTarget, code: int, reason: str) -> CheckOutcome:
    """The outcome for an answer."""
    check = target.check
    is_wanted = any(first <= code <= last for first, last in check.codes)
    message = f"{target.what}: {code} {reason}".rstrip()
    if not is_wanted and check.codes != HealthCheck.__dataclass_fields__["codes"].default:
        ranges = (str(first) if first == last else f"{first}-{last}" for first, last in check.codes)
        message += f" (wanted {', '.join(ranges)})"
    return CheckOutcome(is_healthy=is_wanted, message=message, code=code)
