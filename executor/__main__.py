"""The executor's program: started by the Mesos agent, ends when it has had nothing to do for a while."""

from __future__ import annotations

import argparse
import logging
import os
import queue
import random
import resource
import signal
import sys
import time
from pathlib import Path

from discovery.backends.by_address import parse, registry_at
from discovery.backends.registry import Registry, Several
from discovery.executor_addresses import Announcement
from executor.container.containers import Docker
from executor.container.images import Images
from executor.core.context import Settings
from executor.core.events import Event, ShutdownReceived
from executor.core.machine import Executor
from executor.core.survey import SurveyRequested
from executor.exec_sessions import ExecSessions
from executor.logs import Logs
from executor.loop import Loop
from executor.mesos import ExecutorDriver
from executor.metrics.service import Metrics
from executor.process.processes import Processes
from executor.runtime import Nothing
from executor.sandbox import Sandbox
from executor.workers import start_thread
from specs.ids import AgentId, ExecutorId

VERSION = "0.1.0"
NOOP = "FRAMEWORK_EXECUTOR_NOOP"
ENDPOINTS = "FRAMEWORK_ENDPOINTS"
"""Environment variable with the back ends of endpoints: URLs with spaces between; empty: none."""
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> None:
    """Runs the executor; does not return."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    # pymesos brings a handler of its own: every line would be there twice.
    logging.getLogger("pymesos").handlers.clear()
    if not os.environ.get("MESOS_AGENT_ENDPOINT"):
        sys.stderr.write(
            "framework-executor: wanted to be started by a Mesos agent, got no MESOS_AGENT_ENDPOINT;"
            " the scheduler has agents start it, it is not to be started by hand\n"
        )
        sys.exit(2)
    _raise_file_limit()
    loop = build(arguments)
    try:
        loop.run()
    except Exception:
        logging.getLogger("executor").exception("an error of the executor's own: it ends, its containers stay")
        _exit(107)
    _exit(0)


def build(arguments: argparse.Namespace) -> Loop:
    """The whole executor, its threads started."""
    events: queue.SimpleQueue[Event | SurveyRequested] = queue.SimpleQueue()
    driver = ExecutorDriver(events.put)
    sandbox = Sandbox(Path(driver.sandbox))
    logs = Logs(sandbox)
    containers = Docker(sandbox, logs, events.put, os.environ.get(ENDPOINTS, ""))
    is_noop = os.environ.get(NOOP) == "1"
    registries = _registries(os.environ.get(ENDPOINTS, ""))
    registry = Several(registries)
    metrics = Metrics(driver.executor_id["value"], VERSION)
    now = time.monotonic()
    settings = Settings(
        epoch=time.time() - now,
        idle_seconds=arguments.idle,
        recovery_seconds=driver.recovery_seconds,
        shutdown_seconds=driver.shutdown_seconds,
        reap_after_seconds=arguments.reap_after,
        publishes=bool(registries) and not is_noop,
        is_noop=is_noop,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        name = number.name
        signal.signal(number, lambda *_, name=name: events.put(ShutdownReceived(reason=name)))
    driver.start()
    processes = Processes(sandbox, logs, events.put)
    if not is_noop:
        start_thread("watch", containers.watch)
        start_thread("sweep", processes.sweep)
        if arguments.metrics_interval:
            metrics.start(events.put, arguments.metrics_interval, driver.agent_address, arguments.metrics_port)
    return Loop(
        core=Executor(settings, random.Random(os.urandom(32)), now),
        events=events,
        driver=driver,
        sandbox=sandbox,
        containers=containers,
        processes=processes,
        nothing=Nothing(events.put) if is_noop else None,
        images=Images(events.put),
        registry=registry,
        delays=metrics.delays,
        subscribed=lambda: _announce(driver, metrics, registry),
        sessions=ExecSessions(),
        operations=arguments.operations,
    )


def _announce(driver: ExecutorDriver, metrics: Metrics, registry: Registry) -> None:
    """Publishes where this executor answers, if it does. Each subscription tells more about the agent."""
    metrics.know_agent(driver.agent_id, driver.hostname)
    if metrics.port:
        registry.announce(
            Announcement(
                agent=AgentId(driver.agent_id),
                executor=ExecutorId(driver.executor_id["value"]),
                hostname=driver.hostname,
                address=driver.agent_address,
                port=metrics.port,
            )
        )


def _registries(urls: str) -> list[Registry]:
    """The back ends. A wrong address is logged and left out: tasks run without it."""
    found: list[Registry] = []
    for url in urls.split():
        try:
            found.append(registry_at(parse(url)))
        except ValueError as fault:
            logging.getLogger("executor").error("%s: nothing is published there", fault)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="framework-executor", description=(__doc__ or "").strip())
    parser.add_argument(
        "--idle",
        type=_positive,
        default=60.0,
        metavar="SECONDS",
        help="end after so long without a task (default: 60)",
    )
    parser.add_argument(
        "--operations",
        type=int,
        choices=range(1, 65),
        default=4,
        metavar="N",
        help="ask so many things of the engine at a time, 1 to 64 (default: 4)",
    )
    parser.add_argument(
        "--reap-after",
        type=_positive,
        default=30.0,
        metavar="SECONDS",
        help="remove containers that nobody claims after so long (default: 30)",
    )
    parser.add_argument(
        "--metrics-interval",
        type=_interval,
        default=10.0,
        metavar="SECONDS",
        help="measure what tasks use so often; 0: do not, and serve no metrics (default: 10)",
    )
    parser.add_argument(
        "--metrics-port",
        type=_port,
        default=0,
        metavar="PORT",
        help="serve metrics there, or where that is taken at any free port; 0: at any (default: 0)",
    )
    parser.add_argument("--version", action="version", version=f"framework-executor {VERSION}")
    return parser.parse_args()


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"wanted a number of seconds above 0, got {text}")
    return number


def _interval(text: str) -> float:
    number = float(text)
    if number and not 1 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"wanted 0, or a number of seconds from 1 to 3600, got {text}")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"wanted a port from 0 to 65535, got {text}")
    return number


def _raise_file_limit() -> None:
    """Each container costs a descriptor; the usual 1024 would be a limit of a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or soft < hard):
        wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _exit(code: int) -> None:
    """Ends at once: threads that wait for an engine or an agent have nothing left to say."""
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    main()
