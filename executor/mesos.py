"""The executor's side of Mesos: pymesos's executor driver with reading and sending of its own.

One thread keeps the subscription and posts what comes; another sends calls over a connection it keeps. Neither ever
waits for the core, and the core never for them. Statuses are kept and repeated by the core, not here.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import queue
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pymesos.executor import MesosExecutorDriver
from pymesos.utils import parse_duration

from executor.codec import events_of, orphan_containers_message, progress_message, status_message
from executor.core.commands import ReportOrphanContainers, SendProgress, Subscribe
from executor.core.events import Disconnected, Subscribed, Superseded
from executor.core.statuses import Status
from executor.identity import is_disowned, run_of, stranger, successor_of
from executor.runtime import Post
from executor.workers import start_thread
from specs.foreign_json import parse_json

CONNECT_SECONDS = 5.0
SEND_SECONDS = 10.0
SILENCE_SECONDS = 65 * 60.0
"""Agents send executors a HEARTBEAT every 30 minutes; after two that did not come the connection is given up."""
FIRST_PAUSE_SECONDS = 0.2
"""Pause between attempts at first: a restarted agent waits only 2 s for its executors by default."""
LATER_PAUSE_SECONDS = 1.0
EAGER_SECONDS = 30.0
STEADY_SECONDS = 5.0
"""A subscription that held for so long was a good one: the executor connects again at once."""
READ_BYTES = 256 * 1024
SEND_ATTEMPTS = 3
WAITING_MESSAGES = 100
PATH = "/api/v1/executor"
RECOVERY = "15mins"

log = logging.getLogger("executor.mesos")


class Disowned(Exception):
    """The agent that answers does not have this executor, or has another one under its id."""


class ExecutorDriver(MesosExecutorDriver):  # type: ignore[misc]
    """A connection to the agent that comes back by itself, as long as that is the same agent. Reads MESOS_* from the
    environment as Mesos sets it."""

    def __init__(self, post: Post, silence_seconds: float = SILENCE_SECONDS) -> None:
        super().__init__(executor=None)
        self._post = post
        self._silence_seconds = silence_seconds
        self._wanted: queue.SimpleQueue[Subscribe] = queue.SimpleQueue()
        self._calls: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._is_subscribed = False
        # pymesos takes the text "0" for true.
        self.checkpoint = os.environ.get("MESOS_CHECKPOINT", "0") == "1"
        self.recovery_seconds: float | None = None
        if self.checkpoint:
            self.recovery_seconds = float(parse_duration(os.environ.get("MESOS_RECOVERY_TIMEOUT") or RECOVERY))
        self.shutdown_seconds = float(self.grace_shutdown_period or 5.0)
        self.agent_id = os.environ.get("MESOS_SLAVE_ID", "")
        self.hostname = ""
        """The agent's, once it has answered."""
        self.sandbox = os.environ.get("MESOS_SANDBOX") or os.environ.get("MESOS_DIRECTORY") or str(Path.cwd())
        self._run_id = run_of(self.sandbox)
        self._short_pause = 0.0
        """Pause before the next connection: above 0 after subscriptions that did not hold."""
        token = os.environ.get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._headers |= {"Authorization": f"Bearer {token}"} if token else {}

    def start(self) -> None:
        """Starts both threads; the first connection is made when `subscribe` is called."""
        self._started = True
        start_thread("mesos-read", self._run)
        start_thread("mesos-send", self._send_calls)

    def subscribe(self, wanted: Subscribe) -> None:
        """Connects, and tries until it succeeds; Subscribed and Disconnected are posted."""
        self._wanted.put(wanted)

    def send_status(self, status: Status) -> None:
        """Sends an UPDATE, once: whoever wants it acknowledged repeats it."""
        message = status_message(status, self.executor_id["value"], self.sandbox)
        self._calls.put(self._call("UPDATE", update={"status": message}))

    def send_progress(self, progress: SendProgress) -> None:
        """Sends a framework message, unless too much is waiting to be sent."""
        if self._calls.qsize() < WAITING_MESSAGES:
            data = progress_message(progress.task_id, progress.stage, progress.done_bytes, progress.total_bytes)
            self._calls.put(self._call("MESSAGE", message={"data": data}))

    def report_orphan_containers(self, asked: ReportOrphanContainers) -> None:
        """Sends a framework message, once: whoever wants an answer asks again."""
        self._calls.put(self._call("MESSAGE", message={"data": orphan_containers_message(asked.task_ids)}))

    def gen_request(self) -> bytes:
        """pymesos's hook; the subscription is made by `_connect` here."""
        return b""

    def _call(self, kind: str, **content: Any) -> dict[str, Any]:
        return {"type": kind, "executor_id": self.executor_id, "framework_id": self.framework_id, **content}

    @property
    def agent_address(self) -> str:
        """The agent's IP."""
        return self._address()[0]

    def _address(self) -> tuple[str, int]:
        host, _, port = self._new_master.rpartition(":")
        return host.strip("[]"), int(port)

    # ---- reading ----------------------------------------------------------------

    def _run(self) -> None:
        while True:
            wanted = self._wanted.get()
            try:
                response = self._connect(wanted)
                began_at = time.monotonic()
                reason = self._stay(response)
            except Disowned as disowned:
                self._is_subscribed = False
                log.warning("the agent at %s is not ours: %s", self._new_master, disowned)
                self._post(Superseded(reason=str(disowned)))
                return
            self._is_subscribed = False
            self._note_held(time.monotonic() - began_at)
            log.warning("the connection to the agent at %s is lost: %s", self._new_master, reason)
            self._post(Disconnected(reason=reason))

    def _note_held(self, seconds: float) -> None:
        """Notes how long a subscription held: after short ones the next attempt comes later each time."""
        if seconds >= STEADY_SECONDS:
            self._short_pause = 0.0
        else:
            self._short_pause = min(max(self._short_pause * 2, FIRST_PAUSE_SECONDS), LATER_PAUSE_SECONDS)

    def _connect(self, wanted: Subscribe) -> http.client.HTTPResponse:
        """The stream of events, once the agent has taken the subscription. Raises Disowned."""
        updates = [
            {"status": status_message(status, self.executor_id["value"], self.sandbox)} for status in wanted.statuses
        ]
        content = {"unacknowledged_tasks": list(wanted.tasks), "unacknowledged_updates": updates}
        body = json.dumps(self._call("SUBSCRIBE", subscribe=content)).encode()
        time.sleep(self._short_pause)
        began_at = time.monotonic()
        logged = ""
        while True:
            words = self._try(body)
            if isinstance(words, http.client.HTTPResponse):
                return words
            if newer := successor_of(self.sandbox):
                raise Disowned(f"it has the id {newer} now, by its work directory")
            if words != logged:
                logged = words
                log.warning("the agent at %s does not take the subscription: %s; trying again", self._new_master, words)
            is_early = time.monotonic() < began_at + EAGER_SECONDS
            time.sleep(FIRST_PAUSE_SECONDS if is_early else LATER_PAUSE_SECONDS)

    def _try(self, body: bytes) -> http.client.HTTPResponse | str:
        connection = http.client.HTTPConnection(*self._address(), timeout=CONNECT_SECONDS)
        try:
            connection.connect()
            stream = connection.sock
            connection.request("POST", PATH, body, {**self._headers, "Connection": "close"})
            stream.settimeout(SEND_SECONDS)
            response = connection.getresponse()
            if response.status != http.client.OK:
                text = response.read(500).decode(errors="replace").strip()
                connection.close()
                if is_disowned(response.status, text):
                    raise Disowned(f"it does not know this executor ({text})")
                return f"HTTP {response.status} {text}"
            stream.settimeout(self._silence_seconds)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return f"{type(error).__name__}: {error}"
        return response

    def _stay(self, response: http.client.HTTPResponse) -> str:
        """Posts events as they come; returns why there are no more. Raises Disowned."""
        records = Records()
        try:
            while True:
                data = response.read1(READ_BYTES)
                if not data:
                    return "the agent closed it"
                for record in records.feed(data):
                    self._received(record)
        except TimeoutError:
            return f"the agent has been silent for {self._silence_seconds:.0f} s"
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            response.close()

    def _received(self, record: bytes) -> None:
        try:
            message = parse_json(record)
            if message["type"] == "SUBSCRIBED":
                self._subscribed(message["subscribed"])
            for event in events_of(message):
                self._post(event)
        except (ValueError, KeyError, TypeError, AttributeError):
            log.exception("a message of the agent's is not understood and left out: %r", record[:500])

    def _subscribed(self, subscribed: Mapping[str, Any]) -> None:
        if reason := stranger(subscribed, self.agent_id, self._run_id):
            raise Disowned(reason)
        agent = subscribed.get("agent_info", {})
        self.agent_id = self.agent_id or agent.get("id", {}).get("value", "")
        self.hostname = agent.get("hostname", self.hostname)
        self._is_subscribed = True
        self._post(Subscribed())

    # ---- sending ----------------------------------------------------------------

    def _send_calls(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while True:
            call = self._calls.get()
            body = json.dumps(call).encode()
            for _ in range(SEND_ATTEMPTS):
                if not self._is_subscribed:
                    break
                connection = connection or http.client.HTTPConnection(*self._address(), timeout=SEND_SECONDS)
                try:
                    connection.request("POST", PATH, body, self._headers)
                    response = connection.getresponse()
                    text = response.read()
                except (OSError, http.client.HTTPException) as error:
                    log.debug("a call could not be sent: %s", error)
                    connection.close()
                    connection = None
                    time.sleep(0.02)
                    continue
                if response.status >= http.client.BAD_REQUEST:
                    words = text[:500].decode(errors="replace").strip()
                    log.error("the agent refuses a call %s: HTTP %d %s", call["type"], response.status, words)
                break


class Records:
    """Takes RecordIO apart: each record is its length in digits, a newline, and so many bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The records that are complete with these bytes. Raises ValueError for what is no RecordIO."""
        self._buffer += data
        start = 0
        try:
            while (end := self._buffer.find(b"\n", start, start + 20)) >= 0:
                length = int(self._buffer[start:end])
                if len(self._buffer) < end + 1 + length:
                    return
                start = end + 1 + length
                yield bytes(self._buffer[end + 1 : start])
        finally:
            del self._buffer[:start]
