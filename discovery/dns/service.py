"""The DNS server as a whole: a directory of endpoints, the names, the zone and the sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from discovery.dns.answers import Answers
from discovery.dns.forward import Address, Forwarder
from discovery.dns.names import Groups, Names, Reach
from discovery.dns.server import PRIVATE, DnsServer
from discovery.dns.status import StatusPage
from discovery.dns.zone import Zone, ZoneSettings
from discovery.readers.directory import Directory, Snapshot

REFRESH_SECONDS = 1.0
"""Tasks that are not ready are asked for when somebody asks for them, but no more often than this."""
WAIT_SECONDS = 2.0
"""Time-out for fresh data about them; then the client gets what is known."""

Everything = Callable[[], Groups]
T = TypeVar("T")

log = logging.getLogger("discovery.dns.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """`endpoints` is zk://host:port,…/root, where executors publish. Names of others are asked of `forward`, none where
    it is empty, for clients in `networks`. `status` is where the figures are shown, None for nowhere."""

    endpoints: str
    listen: tuple[Address, ...]
    zone: ZoneSettings
    reach: Reach = Reach.AGENT
    forward: tuple[Address, ...] = ()
    networks: tuple[str, ...] = PRIVATE
    status: Address | None = None


class Dns:
    """A running server. `everything` fetches all tasks, from a thread of its own; it raises OSError where it cannot."""

    def __init__(self, settings: DnsSettings, everything: Everything | None = None) -> None:
        self._settings = settings
        self._ready, self._all = Names(settings.reach), Names(settings.reach)
        self._endpoints = 0
        zone = Zone(settings.zone, self._ready, self._all)
        chance = random.Random(os.urandom(16))
        self._answers = Answers(zone, chance, offers_recursion=bool(settings.forward))
        forwarder = Forwarder(settings.forward) if settings.forward else None
        self._fetch = everything
        self._fetched_at = -REFRESH_SECONDS
        self._is_up_to_date = asyncio.Event()
        self._is_up_to_date.set()
        self._server = DnsServer(self._answers, forwarder, self._refresh if everything else None, settings.networks)
        self._directory: Directory | None = None
        self._status = StatusPage(self._figures)

    async def start(self) -> tuple[Address, ...]:
        """Listens, and says where. Until ZooKeeper has been read, each question is answered by a failure, so that
        clients ask another server. Raises OSError where it cannot listen, ValueError for a bad address of ZooKeeper."""
        loop = asyncio.get_running_loop()
        addresses = await self._server.listen(self._settings.listen)
        if self._settings.status is not None:
            await self._status.listen(self._settings.status)
        self._directory = Directory(
            self._settings.endpoints, lambda snapshot: _tell(loop, self._changed, snapshot), settle_seconds=0.0
        )
        return addresses

    async def close(self) -> None:
        """Listens no more."""
        await self._server.close()
        self._status.close()
        if self._directory is not None:
            await asyncio.to_thread(self._directory.close)

    def _changed(self, snapshot: Snapshot) -> None:
        if not self._answers.knows:
            log.info("%d groups are known: answering", len(snapshot.groups))
        self._endpoints = sum(len(endpoints) for endpoints in snapshot.groups.values())
        self._answers.knows = True
        for stack, service in self._ready.update(snapshot.groups):
            self._answers.forget(stack, service)

    async def _refresh(self) -> None:
        """Looks at all tasks, unless that was done just now, or goes on."""
        if self._is_up_to_date.is_set() and time.monotonic() >= self._fetched_at + REFRESH_SECONDS:
            self._is_up_to_date.clear()
            # Not one of asyncio's threads: for these the process waits at its end, and a scheduler may be slow.
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._fetch_all, args=(loop,), name="all-tasks", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._is_up_to_date.wait()

    def _fetch_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own."""
        assert self._fetch is not None
        try:
            groups = self._fetch()
        except OSError as error:
            log.warning("tasks that are not ready: %s What was known of them stays", error)
            groups = None
        _tell(loop, self._fetched, groups)

    def _fetched(self, groups: Groups | None) -> None:
        if groups is not None:
            self._all.update(groups)
        self._fetched_at = time.monotonic()
        self._is_up_to_date.set()

    def _figures(self) -> dict[str, float]:
        is_away = self._directory is None or self._directory.is_away
        queries = {f'queries_total{{result="{result}"}}': n for result, n in sorted(self._server.counts.items())}
        return {**queries, "endpoints": self._endpoints, "zookeeper_up": 0 if is_away else 1}


def _tell(loop: asyncio.AbstractEventLoop, told: Callable[[T], None], news: T) -> None:
    """From another thread to the server's, which may have ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(told, news)


async def serve(settings: DnsSettings, everything: Everything | None = None) -> None:
    """Serves until the process is stopped. Raises as Dns.start does."""
    server = Dns(settings, everything)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    addresses = await server.start()
    where = ", ".join(f"{host}:{port}" for host, port in addresses)
    log.info("names below %s at %s, from %s", settings.zone.domain, where, settings.endpoints)
    servers = ", ".join(f"{host}:{port}" for host, port in settings.forward)
    log.info("other names: %s", f"asked of {servers}" if servers else "refused, as there is nobody to ask")
    await ended.wait()
    await server.close()
