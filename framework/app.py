"""Puts a scheduler together out of its parts, and runs it."""

from __future__ import annotations

import importlib.metadata
import logging
import signal
import sys
import threading

from executor.archive import NAME, build_archive
from framework.adapters.clock import SystemClock
from framework.adapters.codec import executor_id
from framework.adapters.mesos import MesosDriver
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig, executor_uri
from framework.adapters.zookeeper import ZooKeeperStore
from framework.api.app import create_app
from framework.api.info import ExecutorFile, ServerInfo
from framework.api.server import CannotListen, Server
from framework.config import SchedulerConfig
from framework.core.events import BecameLeader, StoreReported
from framework.core.model import Settings
from framework.core.scheduler import Scheduler
from framework.exits import CliExit, ServerExit
from framework.local.paths import cache_home
from framework.loop import Loop, Stop
from framework.ports import StoreFault

log = logging.getLogger(__name__)


def run_scheduler(config: SchedulerConfig) -> int:
    """Runs a scheduler until it is told to stop, or must; returns the exit code of its process."""
    _set_up_logging(config.log_level)
    archive = build_archive(cache_home() / NAME)
    executor = ExecutorConfig(
        uri=executor_uri(config.advertised, archive.sha256),
        idle_seconds=round(config.executor_idle_seconds),
        operations=config.executor_operations,
    )
    mesos = _mesos_config(config, executor)
    settings = Settings(executor_id=executor_id(executor, config.role), executor_resources=executor.resources)
    clock = SystemClock()
    loop = Loop(Scheduler(settings), clock)
    info = ServerInfo(
        version=importlib.metadata.version("mesos-framework"),
        name=config.name,
        role=config.role,
        leader=config.advertised,
        started_at=clock.now(),
    )
    app = create_app(
        loop, token=config.token, executor=ExecutorFile(path=archive.path, sha256=archive.sha256), info=info
    )
    try:
        server = Server(app, *config.bind)
    except CannotListen as problem:
        log.error("%s", problem)
        return CliExit.REFUSED
    return _run(config, loop, server, MesosDriver(mesos, loop.post))


def _run(config: SchedulerConfig, loop: Loop, server: Server, master: MesosDriver) -> int:
    store = ZooKeeperStore(
        config.zk,
        loop.post,
        on_problem=lambda problem: loop.post(StoreReported(problem=problem)),
        on_lost=lambda message: loop.stop(Stop(exit_code=_lost_code(store), message=message)),
        holder=config.advertised,
    )
    loop.connect(store, master)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: loop.stop(Stop(message=f"{signal.Signals(received).name} received")))
    threading.Thread(target=_lead, args=(store, loop), name="loading", daemon=True).start()
    with server:
        host, port = server.address
        log.info("API and page on http://%s:%d, advertised as http://%s", host, port, config.advertised)
        stop = loop.run()
        # The framework stays registered and its tasks run on: the next scheduler takes them over.
        master.close()
        store.close()
    if stop.message:
        log.log(logging.ERROR if stop.exit_code else logging.INFO, "stopping: %s", stop.message)
    return stop.exit_code


def _lost_code(store: ZooKeeperStore) -> ServerExit:
    return ServerExit.LEADERSHIP_LOST if store.is_deposed else ServerExit.SESSION_LOST


def _lead(store: ZooKeeperStore, loop: Loop) -> None:
    """Reads the store, however long it takes to be reached, and hands it to the core."""
    try:
        stored = store.load()
    except StoreFault as fault:
        loop.stop(Stop(exit_code=ServerExit.STORE_UNREACHABLE, message=str(fault)))
        return
    log.info("the store holds %d stacks and %d tasks", len(stored.stacks), len(stored.tasks))
    loop.post(BecameLeader(stored=stored))


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
    )


def _set_up_logging(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="%(asctime)s %(levelname)-7s %(message)s"
        if level != "debug"
        else "%(asctime)s %(levelname)-7s %(name)s %(message)s",
    )
    for name in ("kazoo", "uvicorn", "asyncio", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
