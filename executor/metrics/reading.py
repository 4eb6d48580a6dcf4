"""Measures tasks: from the kernel's files where they can be read, which costs next to nothing, else by the engine."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from docker.errors import APIError

from executor.container.engine import AWAY, Engine, engine_address
from executor.core.survey import TaskSnapshot
from executor.metrics import cgroups
from executor.metrics.cgroups import Files
from executor.metrics.measurement import Measurement, never_falling
from executor.metrics.processes import Table, blocks_of, network_of, process_of
from executor.metrics.stats import usage_of_stats
from specs.ids import TaskId
from specs.model.stack import Network

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
READ_BYTES = 64 * 1024
ENGINE_SECONDS = 10.0
"""Time-out for an answer of the engine."""
ENGINE_AT_ONCE = 16
LOG_AFTER = 2
"""Number of failures in a row after which a task is logged as not measured."""
GARBLED = (KeyError, ValueError, IndexError, TypeError)
"""Errors for a format of the kernel or the engine that is not known here."""

T = TypeVar("T")

log = logging.getLogger("executor.metrics")


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a container is measured: in `files`, or by the engine if they are None. `pid` is that of its first process,
    0 if its network is not its own."""

    files: Files | None
    pid: int


class Connected(Protocol):
    """The part of executor.container.engine.Engine that is used here."""

    def connected(self) -> Any:
        """The client of docker-py. Raises one of AWAY."""


class Measuring:
    """Measures tasks, in one thread. A task that cannot be measured is left out, and logged once.

    `by_kernel` False: all containers are measured by the engine, for benchmarks only.
    """

    def __init__(self, engine: Connected | None = None, proc: str = "/proc", by_kernel: bool = True) -> None:
        self._engine = engine or Engine(ENGINE_SECONDS)
        self._proc = proc
        self._sources: dict[TaskId, _Source] = {}
        self._supervisors: dict[TaskId, int] = {}
        self._last: dict[TaskId, Measurement] = {}
        self._failures: dict[TaskId, int] = {}
        self._is_engine_away = False
        self._is_local = by_kernel and engine_address().startswith("unix://")
        self._mounts = cgroups.mounts(self._read(f"{proc}/self/mountinfo"))

    def measure(self, tasks: Sequence[TaskSnapshot]) -> dict[TaskId, Measurement]:
        """The measurements of these tasks now."""
        self._is_engine_away = False
        table = self._table() if any(seen.pid for seen in tasks) else Table(())
        containers = [seen for seen in tasks if not seen.order.is_process]
        asked = [seen for seen in containers if self._is_asked(seen)]
        usages = {seen.order.task_id: self._process(seen, table) for seen in tasks if seen.order.is_process}
        usages |= {seen.order.task_id: self._try(self._read_of, seen) for seen in containers if seen not in asked}
        usages |= self._ask_all(asked)
        found = {id: usage for id, usage in usages.items() if usage is not None}
        self._last = found
        self._failures = {id: number for id, number in self._failures.items() if id not in found}
        for known in (self._sources, self._failures, self._supervisors):
            for id in known.keys() - {seen.order.task_id for seen in tasks}:
                del known[id]
        return found

    def _is_asked(self, seen: TaskSnapshot) -> bool:
        """Whether the engine measures this container; found out the first time."""
        id = seen.order.task_id
        if id not in self._sources:
            source = self._try(self._source_of, seen)
            if source is None:
                return False
            self._sources[id] = source
        return self._sources[id].files is None

    def _read_of(self, seen: TaskSnapshot) -> Measurement | None:
        source = self._sources.get(seen.order.task_id)
        if source is None or source.files is None:
            return None
        usage = cgroups.usage_of(source.files, self._read, time.monotonic())
        if source.pid:
            received, sent = network_of(self._read(f"{self._proc}/{source.pid}/net/dev"))
            usage = replace(usage, net_rx_bytes=received, net_tx_bytes=sent)
        return usage

    def _ask_all(self, containers: Sequence[TaskSnapshot]) -> dict[TaskId, Measurement | None]:
        """The engine's statistics, several at a time, because each answer takes the engine a second."""
        if not containers:
            return {}
        with ThreadPoolExecutor(ENGINE_AT_ONCE, "engine-stats") as pool:
            usages = pool.map(lambda seen: self._try(self._asked, seen), containers)
            return {seen.order.task_id: usage for seen, usage in zip(containers, usages, strict=True)}

    def _try(self, measure: Callable[[TaskSnapshot], T], seen: TaskSnapshot) -> T | None:
        """The result, None if the measurement fails."""
        try:
            return measure(seen)
        except (APIError, *AWAY, *GARBLED) as error:
            self._failed(seen, error)
            return None

    def _source_of(self, seen: TaskSnapshot) -> _Source:
        """Raises what the engine raises."""
        state = self._ask(lambda engine: engine.inspect_container(seen.container_id))["State"]
        pid = int(state.get("Pid") or 0)
        files = None
        if pid and self._is_local:
            try:
                groups = cgroups.groups(self._read(f"{self._proc}/{pid}/cgroup"))
                files = cgroups.files_of(self._mounts, groups, seen.container_id)
            except OSError:
                pass  # it has just ended, or its number is that of another machine or container
        return _Source(files, pid if seen.order.container.network is Network.BRIDGE else 0)

    def _asked(self, seen: TaskSnapshot) -> Measurement:
        stats = self._ask(lambda engine: engine.stats(seen.container_id, stream=False, one_shot=True))
        usage = usage_of_stats(stats, time.monotonic())
        return usage if seen.order.mem_mib else replace(usage, mem_limit_bytes=None)

    def _ask(self, call: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The engine's answer. One that is away is not waited for once per container."""
        if self._is_engine_away:
            raise OSError(f"Docker at {engine_address()} does not answer")
        try:
            return call(self._engine.connected())
        except APIError:
            raise
        except AWAY:
            self._is_engine_away = True
            raise

    def _failed(self, seen: TaskSnapshot, error: Exception) -> None:
        """Forgets where the task is measured. A task that is gone by the next time was just ending, and is not
        logged."""
        id = seen.order.task_id
        self._sources.pop(id, None)
        self._failures[id] = self._failures.get(id, 0) + 1
        if self._failures[id] == LOG_AFTER:
            log.warning("what %s uses cannot be measured: %s; trying on", id, error or type(error).__name__)

    def _process(self, seen: TaskSnapshot, table: Table) -> Measurement | None:
        # The first time its parent is its supervisor. Where that was killed, it is somebody else's for a moment.
        supervisor = self._supervisors.get(seen.order.task_id) or table.parent(seen.pid)
        own = table.below(supervisor) if supervisor is not None else None
        if supervisor is None or own is None:
            return None
        self._supervisors[seen.order.task_id] = supervisor
        cpu_ticks, mem_pages = own
        try:
            read, written = blocks_of(self._read(f"{self._proc}/{seen.pid}/io"))
        except OSError:
            read, written = 0, 0
        usage = Measurement(
            at=time.monotonic(),
            cpu_seconds=cpu_ticks / TICK,
            mem_bytes=mem_pages * PAGE,
            block_read_bytes=read,
            block_write_bytes=written,
        )
        return never_falling(self._last.get(seen.order.task_id), usage)

    def _table(self) -> Table:
        """All processes of this machine: those of a task have its supervisor as an ancestor."""
        found = []
        with os.scandir(self._proc) as entries:
            names = [entry.name for entry in entries if entry.name.isdecimal()]
        for name in names:
            try:
                found.append(process_of(self._read(f"{self._proc}/{name}/stat")))
            except (OSError, ValueError, IndexError):
                continue  # it has just ended
        return Table(found)

    @staticmethod
    def _read(path: str) -> str:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            parts = []
            while part := os.read(descriptor, READ_BYTES):
                parts.append(part)
            return b"".join(parts).decode(errors="replace")
        finally:
            os.close(descriptor)
