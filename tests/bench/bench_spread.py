"""Replicas of small groups, submitted one after the other: on how many agents each lies, and how soon."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from framework.cli.server import path_of
from specs.file.load import stack_to_json
from specs.model.stack import Stack
from tests.bench import subject
from tests.bench.report import Bench, Row, middle
from tests.bench.subject import Subject

AGENTS = 3
SUBMISSIONS = 200
LOOK_SECONDS = 0.02
PLACED_SECONDS = 20.0
SLEEPS = ["sleep", "100000"]
SMALL = {"cpus": 0.02, "memory": "8M"}
IDLE_PAUSES = (0.1,)
BUSY_PAUSES = (0.1, 2.0, 6.5, 7.5)
"""Seconds between submissions, by turns: offers are held for five, and come back a second after one was used."""
WAITS: dict[str, Any] = {"command": SLEEPS, "resources": {"cpus": 1000, "memory": "16M"}}
CRASHES: dict[str, Any] = {
    "command": ["false"],
    "constraints": ["hostname == agent1"],
    "resources": SMALL,
    "restart": {"delay": "3s", "factor": 1, "max_delay": "3s"},
}
SERVICE: dict[str, Any] = {"command": SLEEPS, "resources": SMALL, "stop": {"grace": "1s"}}


def run(is_quick: bool) -> list[Row]:
    """Submissions into an idle cluster, then into one in which offers are held and taken all the time."""
    count = 20 if is_quick else SUBMISSIONS
    rows: list[Row] = []
    with subject.cluster(agents=AGENTS, resources="cpus:16;mem:8192;disk:10000") as cluster:
        ours = Subject(cluster)
        # One task on each agent, so that executors are there and stay.
        ours.launch(subject.one_service("keeper", AGENTS, SERVICE))
        rows += _rows("an idle cluster", _submitted(ours, "idle", count, IDLE_PAUSES))
        for name, service in (("waits", WAITS), ("crashes", CRASHES)):
            stack = subject.one_service(name, 1, service)
            ours.server.put(path_of("stacks", name), stack_to_json(stack), anyway="true")
        rows += _rows("a busy cluster", _submitted(ours, "busy", count, BUSY_PAUSES))
    return rows


def _submitted(ours: Subject, name: str, count: int, pauses: Sequence[float]) -> list[tuple[int, float]]:
    """(the most tasks on one agent, seconds from the submission to the last launch) of each submission. They stay: what
    is removed frees room on all agents, and these make offers for it."""
    found = []
    for number in range(count):
        stack = subject.one_service(f"{name}{number}", AGENTS, SERVICE)
        begin = time.time()
        ours.server.put(path_of("stacks", stack.name), stack_to_json(stack))
        tasks = _placed(ours, stack)
        hosts = [task["agent"] for task in tasks]
        found.append((max(map(hosts.count, hosts)), max(float(task["launched_at"]) for task in tasks) - begin))
        time.sleep(pauses[number % len(pauses)])
    return found


def _placed(ours: Subject, stack: Stack) -> list[dict[str, Any]]:
    deadline = time.monotonic() + PLACED_SECONDS
    while time.monotonic() < deadline:
        tasks: list[dict[str, Any]] = ours.server.get("/v1/tasks", pattern=stack.name)["tasks"]
        if len(tasks) >= AGENTS:
            return tasks
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"wanted {AGENTS} tasks of {stack.name} within {PLACED_SECONDS:.0f} s, got {len(tasks)}")


def _rows(where: str, found: list[tuple[int, float]]) -> Iterator[Row]:
    uneven = sum(most > 1 for most, _ in found)
    times = sorted(seconds for _, seconds in found)
    name = f"{len(found)} submissions of {AGENTS} tasks into {where}"
    yield Row(name=f"{name}: two or more tasks on one agent", figure=uneven, unit="groups", at_most=0)
    yield Row(name=f"{name}: submission → all launched, median", figure=middle(times), unit="s")
    yield Row(name=f"{name}: the slowest of a hundred", figure=times[int(len(times) * 0.99)], unit="s", at_most=1.0)


BENCH = Bench(
    name="spread",
    title="Replicas on different agents",
    method=(
        f"{AGENTS} agents with plain processes, one stack of {AGENTS} tasks submitted after the other, at different"
        f" moments after the last: up to {max(BUSY_PAUSES)} s in the busy cluster. That has a stack that"
        " waits for more than any agent has, so that offers are held for seconds, and one that ends and is started"
        " again all the time on one agent, which so makes more offers than the others."
    ),
    run=run,
    limit_seconds=1800,
)
