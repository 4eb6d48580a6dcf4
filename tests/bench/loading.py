"""The memory and time that a leader needs to load its store: loads it in a process of its own, and says so in a line of
JSON.

python -m tests.bench.loading zk://HOST:PORT/ROOT
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from framework.adapters.zookeeper import ZooKeeperStore
from framework.core.events import BecameLeader
from framework.core.model import Settings
from framework.core.scheduler import Scheduler
from specs.ids import ExecutorId
from specs.model.resources import Resources
from tests.bench.machine import MIB, PAGE_BYTES

NOW = 1.8e9
SETTINGS = Settings(executor_id=ExecutorId("executor"), executor_resources=Resources(cpus_milli=100, mem_mib=64))


def main() -> None:
    """Seconds of the load, of the core's first step and of a view for readers, by the clock and of CPU; and MiB."""
    before = resident_mib()
    store = ZooKeeperStore(sys.argv[1], lambda _: None, on_problem=complain, on_lost=complain)
    store.acquire()
    began, cpu_began = time.perf_counter(), time.process_time()
    stored = store.load()
    loaded, cpu_loaded = time.perf_counter(), time.process_time()
    scheduler = Scheduler(SETTINGS)
    scheduler.handle(BecameLeader(stored=stored), NOW)
    cpu_took = time.process_time()
    view = scheduler.view(NOW)
    cpu_viewed = time.process_time()
    del stored
    found = {
        "tasks": sum(len(group.tasks) for stack in view.stacks.values() for group in stack.groups),
        "seconds": loaded - began,
        "cpu_seconds": cpu_loaded - cpu_began,
        "core_cpu_seconds": cpu_took - cpu_loaded,
        "view_cpu_seconds": cpu_viewed - cpu_took,
        "before_mib": before,
        "resident_mib": resident_mib(),
    }
    sys.stdout.write(json.dumps(found) + "\n")
    store.close()


def resident_mib() -> float:
    """The resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / MIB


def complain(problem: str) -> None:
    """Events that the store posts from its own thread."""
    sys.stderr.write(problem + "\n")


if __name__ == "__main__":
    main()
