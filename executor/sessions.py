"""Commands that people run where a task runs: the executor calls the scheduler, which has somebody at its other end.

The executor listens nowhere for this. It is called by a message through Mesos, and calls back the scheduler that was
asked: one request whose answer never ends brings what goes in, others carry what comes out. Both are lines of JSON,
bytes as base64 (docs/inside.md).
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

from executor.core.commands import Attach
from executor.core.order import Order
from executor.runtime import Fault
from executor.terminal import Terminal, Wanted
from executor.workers import start_thread

MOST_SESSIONS = 16
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 45.0
"""The scheduler sends an empty line every 15 s: one that is silent for longer is gone."""

log = logging.getLogger("executor.sessions")

Line = Mapping[str, Any]
Start = Callable[[Order, Wanted], Terminal]
"""Starts a command where the order's task runs. Raises Fault."""


class Sessions:
    """Each session has two threads of its own while it lasts, and there are at most 16."""

    def __init__(self) -> None:
        self._places = threading.Semaphore(MOST_SESSIONS)

    def attach(self, command: Attach, start: Start) -> None:
        """Calls the scheduler, and does what it says; never blocks. `start` starts commands where tasks run."""
        start_thread("session", lambda: self._run(command, start))

    def _run(self, command: Attach, start: Start) -> None:
        line = Connection(command.url, command.key)
        if command.order is None:
            line.tell({"error": command.refusal})
        elif not self._places.acquire(blocking=False):
            line.tell({"error": f"{MOST_SESSIONS} commands run by way of this executor already, which is the limit"})
        else:
            try:
                Session(line, command.order, start).run()
            finally:
                self._places.release()


class Connection:
    """Two ways to the scheduler: what comes, and what is told. `tell` may be used beside `lines`."""

    def __init__(self, url: str, key: str) -> None:
        self._url = f"{url}/v1/attach/{key}"
        self._up, self._down = requests.Session(), requests.Session()
        # The scheduler is where the message says: no proxies of the environment.
        self._up.trust_env = self._down.trust_env = False

    def lines(self) -> Iterator[Line]:
        """What the scheduler says, until it is done or gone."""
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

    def tell(self, line: Line) -> bool:
        """Tells something; whether that was taken."""
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


class Session:
    """One command."""

    def __init__(self, line: Connection, order: Order, start: Start) -> None:
        self._line = line
        self._order = order
        self._start = start

    def run(self) -> None:
        """Returns when the command has ended, or nobody is at its other end any more."""
        lines = self._line.lines()
        first = next(lines, None)
        if first is None:
            return
        try:
            wanted = wanted_of(first)
            terminal = self._start(self._order, wanted)
        except (Fault, ValueError) as fault:
            self._line.tell({"error": str(fault)})
            return
        log.info("a command runs where %s does: %s", self._order.task_id, wanted.command[0])
        sender = start_thread("session-out", lambda: self._send(terminal))
        for said in lines:
            _take(terminal, said)
        # The scheduler ends what goes in when it was told the exit code, or when nobody is there any more.
        terminal.kill()
        sender.join(SILENCE_SECONDS)
        terminal.close()

    def _send(self, terminal: Terminal) -> None:
        for stream, data in terminal.output():
            if not self._line.tell({"stream": stream, "data": base64.b64encode(data).decode()}):
                terminal.kill()
                return
        try:
            self._line.tell({"exit": terminal.exit_code()})
        except Fault as fault:
            self._line.tell({"error": str(fault)})


def wanted_of(line: Line) -> Wanted:
    """What the scheduler's first line asks for. Raises ValueError."""
    try:
        return Wanted(
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


def _take(terminal: Terminal, said: Line) -> None:
    if "data" in said:
        terminal.write(base64.b64decode(said["data"]))
    elif "end" in said:
        terminal.end_input()
    elif "rows" in said:
        terminal.resize(int(said["rows"]), int(said["columns"]))
