"""A rolling update of containers, from the submission of the changed file to its end, beside Docker Swarm's."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from framework.local import engine, images
from tests.bench import subject
from tests.bench.report import Bench, Row, middle
from tests.bench.subject import Subject

AGENTS = 3
AT_A_TIME = 5
ORDERS = ("start-first", "stop-first")
COMMAND = ["sh", "-c", 'trap "exit 0" TERM; sleep 100000 & wait']
SWARM_SERVICE = "bench-rollout"
SWARM_SECONDS = 300


def run(is_quick: bool) -> list[Row]:
    """Rounds of: Swarm and ours, each order."""
    count, rounds = (6, 1) if is_quick else (60, 3)
    images.build([images.BUSYBOX])
    times: dict[tuple[str, str], list[float]] = {}
    with _swarm(), subject.cluster(agents=AGENTS) as cluster:
        ours = Subject(cluster)
        for _ in range(rounds):
            for order in ORDERS:
                times.setdefault(("swarm", order), []).append(_by_swarm(count, order))
                times.setdefault(("ours", order), []).append(_by_us(ours, count, order))
    rows = []
    for order in ORDERS:
        swarm, own = middle(times["swarm", order]), middle(times["ours", order])
        rows.append(
            Row(name=f"{count} containers, {AT_A_TIME} at a time, {order}: Docker Swarm", figure=swarm, unit="s")
        )
        name = f"{count} containers, {AT_A_TIME} at a time, {order}: ours; to Swarm's"
        rows.append(Row(name=name, figure=own, unit="s", ratio=own / swarm, at_most=0.5))
    return rows


def _by_us(ours: Subject, count: int, order: str) -> float:
    """Seconds from the submission of another version to the end of its rollout."""
    name = f"rollout-{order}"
    ours.launch(subject.one_service(name, count, _service(order, "1")))
    seconds = ours.change(subject.one_service(name, count, _service(order, "2")), SWARM_SECONDS)
    ours.remove(subject.one_service(name, count, _service(order, "2")))
    return seconds


def _service(order: str, version: str) -> dict[str, Any]:
    return {
        "image": images.BUSYBOX,
        "command": COMMAND,
        "environment": {"VERSION": version},
        "resources": {"cpus": 0.02, "memory": "16M"},
        "stop": {"grace": "10s"},
        "update": {"order": order, "parallelism": AT_A_TIME, "max_surge": AT_A_TIME, "monitor": "0s"},
    }


@contextlib.contextmanager
def _swarm() -> Iterator[None]:
    """The engine as a swarm of one, with nothing left of it at the end."""
    _docker("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377")
    try:
        yield
    finally:
        subprocess.run(["docker", "service", "rm", SWARM_SERVICE], capture_output=True, check=False, timeout=60)
        _docker("swarm", "leave", "--force")


def _by_swarm(count: int, order: str) -> float:
    """Seconds from the update of a service to the moment when Swarm says that it is completed."""
    _docker(
        *("service", "create", "--name", SWARM_SERVICE, "--replicas", str(count), "--detach=false", "--quiet"),
        *("--env", "VERSION=1", "--limit-memory", "16m", "--no-resolve-image", "--stop-grace-period", "10s"),
        *("--update-parallelism", str(AT_A_TIME), "--update-order", order, "--update-delay", "0s"),
        *("--update-monitor", "1ns", images.BUSYBOX, *COMMAND),
    )
    begin = time.monotonic()
    _docker("service", "update", "--env-add", "VERSION=2", "--no-resolve-image", "--detach", "--quiet", SWARM_SERVICE)
    with engine.connection() as client:
        while client.api.inspect_service(SWARM_SERVICE)["UpdateStatus"]["State"] != "completed":
            if time.monotonic() - begin > SWARM_SECONDS:
                raise TimeoutError(f"wanted Swarm's update within {SWARM_SECONDS} s")
            time.sleep(0.1)
    seconds = time.monotonic() - begin
    _docker("service", "rm", SWARM_SERVICE)
    deadline = time.monotonic() + SWARM_SECONDS
    while _docker("ps", "-aq", "--filter", f"label=com.docker.swarm.service.name={SWARM_SERVICE}"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"wanted the containers of {SWARM_SERVICE} gone within {SWARM_SECONDS} s")
        time.sleep(0.2)
    return seconds


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=SWARM_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(words)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


BENCH = Bench(
    name="rollout",
    title="A rolling update",
    method=(
        f"60 containers (busybox, bridge network, TERM is heeded at once) on {AGENTS} agents of one machine are changed"
        f" in their environment, {AT_A_TIME} at a time, from the submission over HTTP to the stored end of the rollout."
        " In turn with it, three times over, Docker Swarm does the same with a service of 60 replicas on the same"
        " engine, without delay and monitoring; figures are medians."
    ),
    run=run,
    limit_seconds=900,
)
