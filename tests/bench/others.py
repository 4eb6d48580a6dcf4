"""The bench of the driver, which also stands alone, as a part of the whole run."""

from __future__ import annotations

from tests.bench import bench_driver, subject
from tests.bench.report import Bench, Row


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
