"""Exec sessions: commands that people run where a task runs (`framework exec`).

The executor listens on no port for them. A message through Mesos names the scheduler that holds the other end, and the
executor calls that one: the answer to one request never ends and brings the input, further requests carry the output.
Both are lines of JSON, with bytes as base64 (docs/inside.md).
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

from executor.core.commands import StartExec
from executor.core.order import Order
from executor.runtime import Fault
from executor.terminal import ExecRequest, Terminal
from executor.workers import start_thread

MOST_SESSIONS = 16
"""Limit on sessions at a time: each takes two threads."""
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 45.0
"""Time-out for a line from the scheduler, which sends an empty one every 15 s."""

log = logging.getLogger("executor.exec_sessions")

Line = Mapping[str, Any]
Start = Callable[[Order, ExecRequest], Terminal]
"""Starts a command where the order's task runs. Raises Fault."""


class ExecSessions:
    """All sessions of this executor, 16 at most. Each has two threads while it lasts."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(MOST_SESSIONS)

    def attach(self, command: StartExec, start: Start) -> None:
        """Calls the scheduler back and runs the command that it names; never blocks. `start` starts commands."""
        start_thread("session", lambda: self._run(command, start))

    def _run(self, command: StartExec, start: Start) -> None:
        channel = SessionChannel(command.url, command.key)
        if command.order is None:
            channel.send({"error": command.refusal})
        elif not self._free.acquire(blocking=False):
            channel.send({"error": f"{MOST_SESSIONS} commands run by way of this executor already, which is the limit"})
        else:
            try:
                ExecSession(channel, command.order, start).run()
            finally:
                self._free.release()


class SessionChannel:
    """The two directions of one session with the scheduler. One thread reads `lines` while another calls `send`."""

    def __init__(self, url: str, key: str) -> None:
        self._url = f"{url}/v1/attach/{key}"
        self._up, self._down = requests.Session(), requests.Session()
        # The scheduler is where the message says: no proxies of the environment.
        self._up.trust_env = self._down.trust_env = False

    def lines(self) -> Iterator[Line]:
        """The lines of the scheduler, until it ends the session or is gone."""
        try:
            with self._down.get(
                f"{self._url}/input", stream=True, timeout=(CONNECT_SECONDS, SILENCE_SECONDS), allow_redirects=False
            ) as answer:
                if answer.status_code != http.client.OK:
                    log.warning(
                        "the scheduler at %s knows nothing of a session: HTTP %d", self._url, answer.status_code
                    )
                    return
                rest = b""
                for piece in answer.iter_content(chunk_size=None):
                    *whole, rest = (rest + piece).split(b"\n")
                    yield from (json.loads(line) for line in whole if line)
        except (requests.RequestException, ValueError) as error:
            log.info("a session with the scheduler ended: %s", error)

    def send(self, line: Line) -> bool:
        """Sends a line to the scheduler; whether it has accepted it."""
        try:
            answer = self._up.post(
                f"{self._url}/output",
                data=json.dumps(line) + "\n",
                headers={"Content-Type": "application/x-ndjson"},
                timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            log.info("a session with the scheduler ended: %s", error)
            return False
        return answer.status_code < http.client.BAD_REQUEST


class ExecSession:
    """One command and its two directions."""

    def __init__(self, channel: SessionChannel, order: Order, start: Start) -> None:
        self._channel = channel
        self._order = order
        self._start = start

    def run(self) -> None:
        """Returns when the command has ended, or the scheduler has ended the session."""
        lines = self._channel.lines()
        first = next(lines, None)
        if first is None:
            return
        try:
            request = exec_request_of(first)
            terminal = self._start(self._order, request)
        except (Fault, ValueError) as fault:
            self._channel.send({"error": str(fault)})
            return
        log.info("a command runs where %s does: %s", self._order.task_id, request.command[0])
        sender = start_thread("session-out", lambda: self._send_output(terminal))
        for line in lines:
            _apply(terminal, line)
        # The scheduler ends the input once it has the exit code, or when its user has gone.
        terminal.kill()
        sender.join(SILENCE_SECONDS)
        terminal.close()

    def _send_output(self, terminal: Terminal) -> None:
        for stream, data in terminal.output():
            if not self._channel.send({"stream": stream, "data": base64.b64encode(data).decode()}):
                terminal.kill()
                return
        try:
            self._channel.send({"exit": terminal.exit_code()})
        except Fault as fault:
            self._channel.send({"error": str(fault)})


def exec_request_of(line: Line) -> ExecRequest:
    """The request in the scheduler's first line. Raises ValueError."""
    try:
        return ExecRequest(
            command=tuple(str(part) for part in line["command"]),
            has_terminal=bool(line.get("terminal")),
            has_input=bool(line.get("input")),
            rows=int(line.get("rows") or 0),
            columns=int(line.get("columns") or 0),
            user=str(line.get("user") or ""),
            working_dir=str(line.get("working_dir") or ""),
            environment={str(name): str(text) for name, text in (line.get("environment") or {}).items()},
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"what the scheduler asks for is not understood: {error!r}") from None


def _apply(terminal: Terminal, line: Line) -> None:
    if "data" in line:
        terminal.write(base64.b64decode(line["data"]))
    elif "end" in line:
        terminal.end_input()
    elif "rows" in line:
        terminal.resize(int(line["rows"]), int(line["columns"]))
