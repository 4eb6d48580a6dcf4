"""Finds the leading master by the nodes that the masters wrote into ZooKeeper."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState
from kazoo.recipe.watchers import ChildrenWatch

from framework.adapters.mesos_config import zookeeper_of
from framework.adapters.mesos_pymesos import MasterDetector
from specs.foreign_json import parse_json

log = logging.getLogger(__name__)

SESSION_SECONDS = 10.0
PATIENCE_SECONDS = 3.0
RETRY_SECONDS = 0.5


class Detector(MasterDetector):  # type: ignore[misc]  # pymesos has no types
    """pymesos's detector, which tells `change(host:port)` of every new leader and `complain(problem)` of none.

    It never blocks its starter and never gives up: ZooKeeper may be away, and the masters' path not there yet.
    """

    def __init__(self, url: str, change: Callable[[str], None], complain: Callable[[str], None]) -> None:
        self.url = url
        self._hosts, self._path = zookeeper_of(url)
        self.masterSeq: str | None = None  # pymesos's name
        self.agent = self
        self._change = change
        self._complain = complain
        self._is_stopped = threading.Event()
        quiet = logging.getLogger(f"{__name__}.kazoo")
        quiet.setLevel(logging.CRITICAL)  # what it has to say is said once, by _complain
        self.zk = KazooClient(
            hosts=f"{self._hosts}{self._path}",
            timeout=SESSION_SECONDS,
            connection_retry={"max_tries": -1, "delay": 0.1, "backoff": 2, "max_delay": 5},
            logger=quiet,
        )

    def start(self) -> None:
        """Begins to look; never blocks."""
        self.zk.add_listener(self._on_state)
        threading.Thread(target=self._begin, name="mesos-detector", daemon=True).start()

    def stop(self) -> None:
        """Ends the looking; never blocks, though closing the session may take its time."""
        if self._is_stopped.is_set():
            return
        self._is_stopped.set()
        threading.Thread(target=self._end, name="mesos-detector-end", daemon=True).start()

    def _end(self) -> None:
        try:
            self.zk.stop()
            self.zk.close()
        except (KazooException, KazooTimeoutError, OSError) as error:
            log.debug("ZooKeeper session of the master detector: %r", error)

    def _begin(self) -> None:
        connected = self.zk.start_async()
        while not connected.wait(PATIENCE_SECONDS):
            if self._is_stopped.is_set():
                return
            self._complain(self._unreachable())
        while not self._is_stopped.is_set():
            try:
                if self.zk.exists("/") is not None:
                    ChildrenWatch(self.zk, "/", self.choose)
                    return
                self.onNoMasterDetectedMessage()
            except (KazooException, KazooTimeoutError) as error:
                log.debug("looking for the Mesos master: %r", error)
            self._is_stopped.wait(RETRY_SECONDS)

    def _on_state(self, state: str) -> None:
        if state in (KazooState.SUSPENDED, KazooState.LOST) and not self._is_stopped.is_set():
            log.warning("%s (the connection to Mesos is kept meanwhile)", self._unreachable())

    def _unreachable(self) -> str:
        return (
            f"ZooKeeper at {self._hosts} does not answer, so the leading Mesos master cannot be found;"
            " check that it runs and that --master names it; trying on"
        )

    # ---- what pymesos's detector calls ------------------------------------------

    def onNewMasterDetectedMessage(self, data: bytes | None) -> None:  # noqa: N802
        """The leader's node was read; None where it has gone again."""
        if data is None:
            return
        try:
            address = parse_json(data)["address"]
            leader = f"{address['ip']}:{address['port']}"
        except (ValueError, KeyError, TypeError):
            self._complain(
                f"ZooKeeper at {self._hosts}{self._path}: wanted the address of a Mesos master, got {data[:80]!r};"
                " check that --master names the masters' own path"
            )
            return
        self._change(leader)

    def onNoMasterDetectedMessage(self) -> None:  # noqa: N802
        """No master is registered."""
        self._complain(
            f"no Mesos master leads: none is registered in ZooKeeper at {self._hosts}{self._path};"
            " check that the masters run, that they use this ZooKeeper, and the path in --master; trying on"
        )
