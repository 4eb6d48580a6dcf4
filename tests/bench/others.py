"""The benches of single parts, which also stand alone, as parts of the whole run."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.bench import bench_driver, subject
from tests.bench.report import Bench, Row

END_SECONDS = 60


def run_driver(is_quick: bool) -> list[Row]:
    """The way to Mesos alone, beside a lean client and pymesos as it comes."""
    agents, tasks, rounds = (3, 50, 1) if is_quick else (20, 1_000, 3)
    options = {"agents": agents, "schedulers": 0, "resources": "cpus:16;mem:16384;disk:10000"}
    with subject.cluster(**options) as cluster:
        found = bench_driver.run_all(cluster.wait_for_leader().address, tasks, agents, rounds)
    rows = []
    for kind, what in (("launches", "launched"), ("kills", "killed")):
        lean = found["lean"][kind]
        for client, name in (("lean", "a lean client"), ("pymesos", "pymesos as it comes"), ("ours", "our driver")):
            rate = found[client][kind]
            aim = 0.85 if client == "ours" else None
            full = f"{what}: {name}; to the lean client"
            rows.append(Row(name=full, figure=rate, unit="tasks/s", ratio=rate / lean, at_least=aim))
    for kind, what in (("launch_cpu", "launched"), ("kill_cpu", "killed")):
        for client, name in (("lean", "a lean client"), ("pymesos", "pymesos as it comes"), ("ours", "our driver")):
            rows.append(Row(name=f"{name}: a task {what}", figure=found[client][kind], unit="CPU ms"))
    return rows


def run_store(_is_quick: bool) -> str:
    """The store alone; its bench knows one size only."""
    command = [sys.executable, "-m", "tests.bench.bench_store"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            output, _ = process.communicate()
        except BaseException:  # Ctrl-C included: it ends its ZooKeeper first.
            process.send_signal(signal.SIGINT)
            process.wait(END_SECONDS)
            raise
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} ended with {process.returncode}; it said: {output[-2000:]}")
    return output.strip()


DRIVER = Bench(
    name="driver",
    title="The driver alone",
    method=(
        "1,000 tasks that start nothing on 20 real agents, from the first ACCEPT to the last RUNNING, and from the"
        " first KILL to the last KILLED, with the least above the driver and nothing stored. A lean client, pymesos as"
        " it comes and our driver take turns, each in a process of its own; medians of three."
    ),
    run=run_driver,
    limit_seconds=900,
)
STORE = Bench(
    name="store",
    title="The store alone",
    method=(
        "A real ZooKeeper on the same machine, which writes to the same disk; each status is a save of its own. In a"
        " storm all are handed over at once, and the store joins them into transactions."
    ),
    run=run_store,
    limit_seconds=600,
)
