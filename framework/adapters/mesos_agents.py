"""Asks the leading master for its agents, now and then, on a thread of its own."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import threading
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from framework.adapters import mesos_problems as problems
from framework.adapters.mesos_config import MesosConfig
from framework.adapters.mesos_report import AgentReader, Windows, windows
from framework.core.events import AgentsReported, Event, OffersReceived, Subscribed
from framework.ports import Post
from specs.ids import AgentId

log = logging.getLogger(__name__)

SILENCE_SECONDS = 5.0
"""A master that says nothing for so long does not answer."""
ANSWER_SECONDS = 60.0
MOST_BYTES = 256 * 1024 * 1024
READ_BYTES = 256 * 1024
AGAIN_SECONDS = 1.0
"""The least time between two questions, however many strange agents are heard of."""
COST_FACTOR = 20
"""Asking takes at most so much of the time: one part of it."""
AGAIN_COST_FACTOR = 4
STRANGE = (ValueError, KeyError, TypeError, AttributeError, IndexError, zlib.error)
"""The errors of reading an answer of another shape."""


class Untold(Exception):
    """The master did not tell; a sentence for people."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """One time of asking; `subscription` counts, so that what an older master told is not taken for the newer's."""

    address: str
    subscription: int


class AgentsWatch:
    """Posts AgentsReported soon after each Subscribed, every `agents_interval_seconds`, and within about a second when
    an offer names an agent that was not in the last report; less often where answers take long.

    `authorization` is the value of that header, "" for none. Every method returns at once.
    """

    def __init__(self, config: MesosConfig, authorization: str, post: Post) -> None:
        self._interval_seconds = config.agents_interval_seconds
        self._authorization = authorization
        self._post = post
        self._reader = AgentReader(config.role)
        self._changed = threading.Condition()
        self._address = ""
        self._subscription = 0
        self._next_at = 0.0
        self._again_at = 0.0
        self._is_wanted = False
        self._known: set[AgentId] | None = None
        self._is_over = False
        self._connection: http.client.HTTPConnection | None = None
        self._problem = ""
        self._is_blind = False

    def start(self) -> None:
        """Starts the thread."""
        threading.Thread(target=self._run, name="mesos-agents", daemon=True).start()

    def observe(self, event: Event) -> None:
        """Takes note of an event that the driver has posted."""
        if isinstance(event, Subscribed):
            with self._changed:
                self._address = event.master
                self._subscription += 1
                self._next_at = 0.0
                self._known = None
                self._changed.notify()
        elif isinstance(event, OffersReceived):
            self._heard_of(offer.agent_id for offer in event.offers)

    def pause(self) -> None:
        """No master takes our calls until the next Subscribed."""
        with self._changed:
            self._address = ""
            self._subscription += 1
            self._break_off()

    def close(self) -> None:
        """Ends the thread; nothing is posted any more."""
        with self._changed:
            self._is_over = True
            self._break_off()
            self._changed.notify()

    def _heard_of(self, agents: Iterable[AgentId]) -> None:
        """Asks soon where one is new. It counts as known then: a master that does not tell of it is not asked
        again and again."""
        with self._changed:
            if self._known is None:
                return
            strange = [agent for agent in agents if agent not in self._known]
            if strange:
                self._known.update(strange)
                self._is_wanted = True
                self._changed.notify()

    def _break_off(self) -> None:
        sock = self._connection.sock if self._connection else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    # ---- the thread -------------------------------------------------------------

    def _run(self) -> None:
        while (turn := self._wait()) is not None:
            begin = time.monotonic()
            try:
                report = self._ask(turn)
            except Untold as untold:
                report = AgentsReported(problem=str(untold))
            self._tell(turn, report, time.monotonic() - begin)

    def _wait(self) -> _Turn | None:
        """Returns when it is time to ask; None when all is over."""
        with self._changed:
            while not self._is_over:
                now = time.monotonic()
                due = min(self._next_at, self._again_at) if self._is_wanted else self._next_at
                if self._address and due <= now:
                    self._is_wanted = False
                    return _Turn(self._address, self._subscription)
                self._changed.wait(due - now if self._address else None)
        return None

    def _tell(self, turn: _Turn, report: AgentsReported, took_seconds: float) -> None:
        with self._changed:
            if self._is_over or turn.subscription != self._subscription:
                return
            now = time.monotonic()
            is_regular = self._known is None or now >= self._next_at
            self._again_at = now + max(AGAIN_SECONDS, AGAIN_COST_FACTOR * took_seconds)
            self._next_at = now + max(self._interval_seconds, COST_FACTOR * took_seconds)
            if not report.problem:
                told = {agent.id for agent in report.agents}
                self._known = told if is_regular or self._known is None else self._known | told
            if report.problem and report.problem != self._problem:
                log.warning("%s", report.problem)
            self._problem = report.problem
            self._post(report)

    def _ask(self, turn: _Turn) -> AgentsReported:
        """The answer of the master; raises Untold."""
        host, _, port = turn.address.rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=SILENCE_SECONDS)
        with self._changed:
            self._connection = connection
        try:
            agents = self._call(connection, turn.address, "GET_AGENTS")
            planned = self._windows(connection, turn.address)
            return AgentsReported(agents=self._reader.read(agents, planned))
        except TimeoutError:
            raise Untold(problems.agents_silent(turn.address, SILENCE_SECONDS)) from None
        except OSError as error:
            raise Untold(problems.agents_untold(turn.address, error.strerror or str(error))) from None
        except (http.client.HTTPException, *STRANGE) as error:
            raise Untold(problems.agents_strange(turn.address, error)) from None
        finally:
            with self._changed:
                self._connection = None
            connection.close()

    def _windows(self, connection: http.client.HTTPConnection, address: str) -> Windows:
        """The planned maintenance; none where it may not be seen, as offers tell of it, too."""
        try:
            return windows(self._call(connection, address, "GET_MAINTENANCE_SCHEDULE"))
        except Untold as untold:
            if not self._is_blind:
                self._is_blind = True
                log.warning("planned maintenance is known from offers only: %s", untold)
            return {}

    def _call(self, connection: http.client.HTTPConnection, address: str, kind: str) -> bytes:
        """The answer to a call of the operator API; raises Untold where it is none of success."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "gzip"}
        if self._authorization:
            headers["Authorization"] = self._authorization
        connection.request("POST", "/api/v1", body=f'{{"type":"{kind}"}}', headers=headers)
        answer = connection.getresponse()
        content = _content(answer)
        if answer.status != http.client.OK:
            raise Untold(problems.agents_refused(address, answer.status, content.decode("utf-8", "replace")))
        return content


def _content(answer: http.client.HTTPResponse) -> bytes:
    """The whole content. Raises OSError, ValueError where it is too large, zlib.error where it is not what it says."""
    unpack = zlib.decompressobj(16 + zlib.MAX_WBITS) if answer.headers.get("Content-Encoding") == "gzip" else None
    content = bytearray()
    deadline = time.monotonic() + ANSWER_SECONDS
    while data := answer.read(READ_BYTES):
        content += unpack.decompress(data, MOST_BYTES) if unpack else data
        if len(content) >= MOST_BYTES:
            raise ValueError(f"wanted less than {MOST_BYTES} bytes, got more")
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(content)
