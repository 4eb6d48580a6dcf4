"""The way to the executors on the agents: found in ZooKeeper, where each announces itself, and asked over HTTP."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

from discovery.executor_addresses import DIRECTORY, Announcement, announcement_from_json
from framework.usage import Executor, Figures, Pulled, figures_from_json
from specs.ids import AgentId, ExecutorId

FRESH_SECONDS = 5.0
"""An executor that was asked so lately is not asked again."""
ANSWER_SECONDS = 3.0
ALL_SECONDS = 8.0
"""For all executors together: who has not answered by then is silent."""
AT_A_TIME = 32
MOST_BYTES = 32 * 1024 * 1024
"""An answer that is longer is none: 100,000 tasks with twenty metrics each have less."""
_CONNECT_SECONDS = 3.0

_Answer = tuple[Figures, ...] | str
"""The figures of an executor, or the reason why there are none."""


class ExecutorUsage:
    """A framework.usage.Usage over executors that are announced below `urls`, each zk://host:port,…/path.

    Connects when it is first asked, and stays connected for as long as the process lives. Raises ValueError for none,
    nothing later.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self._directories = tuple(_Directory(url) for url in urls if url.startswith("zk://"))
        if not self._directories:
            raise ValueError("wanted a zk:// URL, where executors announce themselves; got none")
        self._pool = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="usage")
        self._lock = threading.Lock()
        self._answers: dict[Executor, tuple[float, _Answer]] = {}

    def pull(self, executors: Collection[Executor]) -> Pulled:
        now = time.monotonic()
        with self._lock:
            self._answers = {key: kept for key, kept in self._answers.items() if now - kept[0] < FRESH_SECONDS}
            known = {key: self._answers[key][1] for key in executors if key in self._answers}
        asked = {key: self._pool.submit(self._ask, key) for key in executors if key not in known}
        known |= self._gathered(asked)
        figures = {each.task: each for answer in known.values() if not isinstance(answer, str) for each in answer}
        return Pulled(figures=figures, silent={key: why for key, why in known.items() if isinstance(why, str)})

    def announced(self) -> tuple[Announcement, ...]:
        found: dict[Executor, Announcement] = {}
        for directory in self._directories:
            found |= {(each.agent, each.executor): each for each in directory.all()}
        return tuple(sorted(found.values(), key=lambda each: (each.hostname, each.agent, each.executor)))

    def _gathered(self, asked: dict[Executor, Future[_Answer]]) -> dict[Executor, _Answer]:
        wait(asked.values(), timeout=ALL_SECONDS)
        answers: dict[Executor, _Answer] = {}
        for key, future in asked.items():
            answers[key] = future.result() if future.done() else f"no answer within {ALL_SECONDS:g} s"
            future.cancel()
        now = time.monotonic()
        with self._lock:
            self._answers |= {key: (now, answer) for key, answer in answers.items()}
        return answers

    def _ask(self, executor: Executor) -> _Answer:
        """Asks where it was last found, and where it is now if that is elsewhere: one that starts anew has
        another port."""
        why = "it has not announced where it answers"
        for is_again in (False, True):
            place = self._find(executor, is_again=is_again)
            if place is None or isinstance(place, str):
                return place or why
            try:
                return figures_from_json(_get(place), executor)
            except (OSError, http.client.HTTPException, ValueError) as error:
                why = f"http://{place.address}:{place.port}/v1/usage: {str(error) or type(error).__name__}"
        return why

    def _find(self, executor: Executor, *, is_again: bool) -> Announcement | str | None:
        problem: str | None = None
        for directory in self._directories:
            found = directory.find(executor, is_again=is_again)
            if isinstance(found, Announcement):
                return found
            problem = problem or found
        return problem


def _get(place: Announcement) -> bytes:
    """The executor's answer; raises OSError, HTTPException and ValueError."""
    connection = http.client.HTTPConnection(place.address, place.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/v1/usage", headers={"Connection": "close"})
        response = connection.getresponse()
        data = response.read(MOST_BYTES + 1)
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise ValueError(f"it answered with HTTP {response.status}")
    if len(data) > MOST_BYTES:
        raise ValueError(f"its answer is longer than {MOST_BYTES:,} bytes")
    return data


class _Directory:
    """The announcements below one root in ZooKeeper. What was read is kept: an executor stays where it is."""

    def __init__(self, url: str) -> None:
        self._url = url
        places, slash, path = url.removeprefix("zk://").partition("/")
        self._root = f"{slash}{path}".rstrip("/") + DIRECTORY
        self._client = KazooClient(hosts=places, timeout=10.0)
        self._lock = threading.Lock()
        self._has_connected: Any = None
        self._known: dict[Executor, Announcement] = {}

    def find(self, executor: Executor, *, is_again: bool) -> Announcement | str | None:
        """Where it answers; None where it does not say, and why that cannot be told. `is_again`: look again."""
        if not is_again and (known := self._known.get(executor)) is not None:
            return known
        self._known.pop(executor, None)
        try:
            return self._taken(executor, self._started().get_async(self._path(executor)))
        except KazooTimeoutError as error:
            return self._unknown(error)

    def all(self) -> list[Announcement]:
        """All that are announced; none where ZooKeeper cannot be reached."""
        try:
            client = self._started()
            names = client.get_children_async(self._root).get(timeout=_CONNECT_SECONDS)
        except (KazooException, KazooTimeoutError):
            return []
        pairs = (name.rpartition("@") for name in sorted(names))
        there = {(AgentId(agent), ExecutorId(executor)): None for executor, _, agent in pairs}
        self._known = {key: place for key, place in self._known.items() if key in there}
        asked = {key: client.get_async(self._path(key)) for key in there if key not in self._known}
        for key, answer in asked.items():
            self._taken(key, answer)
        found = (self._known.get(key) for key in there)
        return [each for each in found if each is not None]

    def _taken(self, executor: Executor, answer: Any) -> Announcement | str | None:
        """Remembers the announcements, once ZooKeeper has answered."""
        try:
            data, _ = answer.get(timeout=_CONNECT_SECONDS)
            found = announcement_from_json(data)
        except NoNodeError:
            return None
        except (KazooException, KazooTimeoutError) as error:
            return self._unknown(error)
        except ValueError as error:
            return str(error)
        self._known[executor] = found
        return found

    def _unknown(self, error: Exception) -> str:
        return f"ZooKeeper at {self._url} does not say where it answers ({type(error).__name__})"

    def _path(self, executor: Executor) -> str:
        agent, name = executor
        return f"{self._root}/{name}@{agent}"

    def _started(self) -> Any:
        """The client; raises KazooTimeoutError where it has not been connected yet."""
        with self._lock:
            if self._has_connected is None:
                self._has_connected = self._client.start_async()
        if not self._has_connected.wait(_CONNECT_SECONDS):
            raise KazooTimeoutError("no connection in time")
        return self._client
