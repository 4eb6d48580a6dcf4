"""Builds a scheduler from its parts, and runs it."""

from __future__ import annotations

import gc
import importlib.metadata
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from prometheus_client.core import Metric

from executor.archive import keep_archive
from framework.adapters.clock import SystemClock
from framework.adapters.codec import executor_id
from framework.adapters.mesos import MesosDriver
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig, executor_uri
from framework.adapters.mesos_operator import MasterOperator
from framework.adapters.usage import ExecutorUsage
from framework.adapters.zookeeper import ZooKeeperStore
from framework.api.app import create_app
from framework.api.guard.hosts import Hosts
from framework.api.info import ExecutorFile, ServerInfo
from framework.api.server import CannotListen, Server
from framework.collector import Collector
from framework.config import SchedulerConfig
from framework.core.events import BecameLeader, StoreReported
from framework.core.model import Settings
from framework.core.scheduler import Scheduler
from framework.core.views import View
from framework.endpoint_upkeep import start_upkeep
from framework.exits import CliExit, ServerExit
from framework.local.paths import cache_home
from framework.loop import Loop, Recorders, Stop
from framework.meter import Meter, counted, gauge, view_metrics
from framework.ports import Clock, Members, StoreFault
from framework.recorder import Recorder
from framework.usage import Nowhere, Usage

log = logging.getLogger(__name__)

GARBAGE_THRESHOLDS = (700, 10, 1000)
"""Python's own thresholds, except that a full collection comes a hundred times less often. With 50,000 tasks it stops
all threads for a second on a busy machine, also the one that keeps the session with ZooKeeper. Young objects are
collected as often as before, and nearly all garbage is young, or is freed without a collection."""

PICTURE_SECONDS = 2.0
"""Time for which a standby answers from the same view of the store, in seconds."""


def run_scheduler(config: SchedulerConfig) -> int:
    """Runs a scheduler until an operator stops it, or it must end; returns the exit code of its process."""
    set_up_logging(config.log_level)
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    archive = keep_archive(cache_home() / "executors")
    try:
        executor = _executor_config(config, archive.sha256)
    except ValueError as fault:
        log.error("%s", fault)
        return CliExit.USAGE
    mesos = _mesos_config(config, executor)
    settings = Settings(
        executor_id=executor_id(executor, config.role),
        executor_resources=executor.resources,
        revisions_kept=config.history,
    )
    clock = SystemClock()
    try:
        recorder = Recorder(Path(config.journal), settings) if config.journal else None
    except OSError as error:
        log.error("--journal %s cannot be written: %s", config.journal, error.strerror)
        return CliExit.REFUSED
    meter = Meter()
    loop = Loop(Scheduler(settings), clock, Recorders(meter, recorder) if recorder else meter)
    info = ServerInfo(
        version=importlib.metadata.version("mesos-framework"),
        name=config.name,
        role=config.role,
        leader=config.advertised,
        started_at=clock.now(),
    )
    leadership = ZooKeeperLeadership(config, settings, clock)
    usage = _usage(config)
    collector = Collector(lambda: loop.view, usage, loop.post, seconds=config.metrics_interval_seconds)
    app = create_app(
        loop,
        token=config.token,
        hosts=Hosts(config.hosts),
        executor=ExecutorFile(path=archive.path, sha256=archive.sha256),
        info=info,
        leadership=leadership,
        clock=clock.now,
        usage=usage,
        gauge=meter,
        operator=MasterOperator(mesos),
    )
    try:
        server = Server(app, *config.bind)
    except CannotListen as problem:
        log.error("%s", problem)
        return CliExit.REFUSED
    collector.start()
    over = start_upkeep(config.endpoints, loop, leadership, clock)
    driver = MesosDriver(mesos, loop.post, may_subscribe=leadership.confirm)
    stop = _run(config, loop, server, driver, leadership, meter)
    over.set()
    collector.close()
    if stop.starts_again:
        _start_again()
    return stop.exit_code


def _run(
    config: SchedulerConfig,
    loop: Loop,
    server: Server,
    master: MesosDriver,
    leadership: ZooKeeperLeadership,
    meter: Meter,
) -> Stop:
    store = ZooKeeperStore(
        config.zk,
        loop.post,
        on_problem=lambda problem: loop.post(StoreReported(problem=problem)),
        on_lost=lambda message: loop.stop(Stop(exit_code=_lost_code(store), message=message)),
        holder=config.advertised,
        session_seconds=config.session_timeout_seconds,
    )
    leadership.connect(store, loop)
    loop.connect(store, master)
    meter.watch(lambda: _shown(loop, store, meter))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: loop.stop(Stop(message=f"{signal.Signals(received).name} received")))
    threading.Thread(target=_lead, args=(store, loop), name="loading", daemon=True).start()
    with server:
        host, port = server.address
        log.info("API and page on http://%s:%d, advertised as http://%s", host, port, config.advertised)
        stop = _told_right(loop.run(), store)
        # The framework stays registered and its tasks run on: the next scheduler takes them over.
        master.close()
        store.close()
    if stop.message:
        log.log(logging.ERROR if stop.exit_code else logging.INFO, "stopping: %s", stop.message)
    return stop


def _shown(loop: Loop, store: ZooKeeperStore, meter: Meter) -> Iterator[Metric]:
    """The content of the page of metrics, as of now."""
    yield gauge("is_leader", "Whether this scheduler leads.", int(store.election.is_leader))
    yield gauge("loop_backlog", "Events that wait to be handled.", loop.backlog)
    yield gauge("saves_waiting", "Saves that are not answered yet.", meter.saves_waiting)
    yield gauge("offers_held", "Offers that are held.", meter.offers_held)
    yield counted("store_transactions", "Transactions of the store that happened.", store.transactions)
    yield counted("store_written_bytes", "Bytes that they wrote.", store.written_bytes)
    yield from view_metrics(loop.view)


def _told_right(stop: Stop, store: ZooKeeperStore) -> Stop:
    """Corrects the reason of a deposed leader: Mesos closes its subscription as if it refused it, often before
    ZooKeeper reports the loss."""
    if stop.exit_code != ServerExit.MESOS_REFUSED or not store.election.has_lost():
        return stop
    message = f"another scheduler leads by now, and Mesos has closed the subscription of this one ({stop.message})"
    return replace(stop, exit_code=ServerExit.LEADERSHIP_LOST, message=message)


def _start_again() -> None:
    """Replaces this process by a freshly started scheduler: nothing of the ended term is left."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class ZooKeeperLeadership:
    """framework.ports.Leadership, read from the store in ZooKeeper."""

    def __init__(self, config: SchedulerConfig, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._address = config.advertised
        self.session_seconds = config.session_timeout_seconds
        self._store: ZooKeeperStore | None = None
        self._loop: Loop | None = None
        self._picture: View | None = None
        self._reading = threading.Lock()

    def connect(self, store: ZooKeeperStore, loop: Loop) -> None:
        """Gives it the store, and the loop that a hand-over ends; call it before any other method."""
        self._store, self._loop = store, loop

    @property
    def is_leader(self) -> bool:
        return self._store is not None and self._store.election.is_leader

    @property
    def is_standby(self) -> bool:
        return self._store is not None and self._store.election.is_standby

    @property
    def leader(self) -> str:
        return self._store.election.leader if self._store is not None else ""

    @property
    def term(self) -> str:
        return self._store.election.term if self._store is not None else ""

    def confirm(self) -> bool:
        """Whether this scheduler leads, as ZooKeeper says now; waits for some seconds at most."""
        return self._known.election.confirm()

    def members(self) -> Members:
        return self._known.election.members()

    def name_next(self, address: str) -> bool:
        return self._known.election.name_next(address)

    def picture(self) -> View:
        """The view of the store, read again after 2 s, by a Scheduler that performs nothing."""
        with self._reading:
            now = self._clock.now()
            if self._picture is None or not 0 <= now - self._picture.at < PICTURE_SECONDS:
                try:
                    stored = self._known.peek()
                except StoreFault:
                    if self._picture is None:
                        raise
                    return self._picture
                scheduler = Scheduler(self._settings)
                scheduler.handle(BecameLeader(stored=stored), now)
                told = f"the scheduler at {self._address} stands by; this is what the store held"
                self._picture = replace(scheduler.view(now), problem=told)
            return self._picture

    def step_down(self) -> None:
        if self._loop is not None:
            self._loop.hand_over(Stop(message="stepping down, to stand by from now on", starts_again=True))

    @property
    def _known(self) -> ZooKeeperStore:
        if self._store is None:
            raise StoreFault("the scheduler has not begun to look for its store; try again", temporary=True)
        return self._store


def _lost_code(store: ZooKeeperStore) -> ServerExit:
    return ServerExit.LEADERSHIP_LOST if store.is_deposed else ServerExit.SESSION_LOST


def _lead(store: ZooKeeperStore, loop: Loop) -> None:
    """Reads the store, waiting for it without limit, and posts its content to the core."""
    try:
        stored = store.load()
    except StoreFault as fault:
        loop.stop(Stop(exit_code=ServerExit.STORE_UNREACHABLE, message=str(fault)))
        return
    # Loaded tasks live long: collections that visit 100,000 of them again and again would stop all threads for long.
    gc.freeze()
    log.info("the store holds %d stacks and %d tasks", len(stored.stacks), len(stored.tasks))
    loop.post(BecameLeader(stored=stored))


def _executor_config(config: SchedulerConfig, sha256: str) -> ExecutorConfig:
    """The configuration with which agents get the executor whose archive has this hash; raises ValueError for an
    address that is too long."""
    url = config.executor_url
    executor = ExecutorConfig(
        uri=url.replace("{sha256}", sha256) if url else executor_uri(config.advertised, sha256),
        address="" if url else config.advertised,
        content=sha256 if url else "",
        is_cacheable=not url or "{sha256}" in url,
        idle_seconds=round(config.executor_idle_seconds),
        operations=config.executor_operations,
        endpoints=config.endpoints,
        metrics_interval_seconds=config.metrics_interval_seconds,
        metrics_port=config.metrics_port,
    )
    executor_id(executor, config.role, reservation="any")
    return executor


def _usage(config: SchedulerConfig) -> Usage:
    """The connection to executors that announce themselves in ZooKeeper."""
    if not config.metrics_interval_seconds:
        return Nowhere("executors measure nothing: the scheduler runs with --metrics-interval 0s")
    places = [url for url in config.endpoints.split() if url.startswith("zk://")]
    return ExecutorUsage(places) if places else Nowhere()


def _mesos_config(config: SchedulerConfig, executor: ExecutorConfig) -> MesosConfig:
    return MesosConfig(
        master=config.master,
        executor=executor,
        name=config.name,
        user=config.user,
        role=config.role,
        principal=config.principal,
        secret=config.secret or "",
        agents_interval_seconds=config.agents_interval_seconds,
        webui_url=config.webui_url or f"http://{config.advertised}",
        hostname=config.advertise[0],
        dns=config.dns,
        dns_domain=config.dns_domain,
    )


def set_up_logging(level: str) -> None:
    """Sets up the log of a scheduler, on standard error. Libraries must not log the contents of requests."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)-7s %(message)s"
        if level != "debug"
        else "%(asctime)s %(levelname)-7s %(name)s %(message)s",
    )
    for name in ("kazoo", "asyncio", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # httpx logs the address of each request, which can hold a key; uvicorn warns of each malformed request.
    for name in ("httpx", "httpcore", "uvicorn"):
        logging.getLogger(name).setLevel(logging.ERROR)
