"""A service behind HAProxy under load while everything about it changes: what is lost, how late answers are, and how
soon a ready task is served."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from discovery.readers.directory import Directory
from framework.local import images, requirements
from framework.local.cluster import Cluster
from specs.model.stack import Stack
from tests.bench import subject
from tests.bench.report import Bench, Row
from tests.bench.subject import Subject
from tests.kit.balancers import Balancer
from tests.kit.traffic import Traffic

AGENTS = 3
INSTANCES = 8
CLIENTS = 8
CHANGES = 200
HOST = "bench.example.org"
LONGEST_SECONDS = 240.0
SERVICE: dict[str, Any] = {
    "image": images.BUSYBOX,
    "command": [
        "sh",
        "-c",
        'trap "exit 0" TERM; mkdir -p /www; echo hello > /www/index.html; httpd -f -p 80 -h /www & wait',
    ],
    "ports": {"http": 80},
    "resources": {"cpus": 0.05, "memory": "16M"},
    "health": {"http": "/", "interval": "2s", "start_interval": "200ms"},
    "stop": {"drain": "2s", "grace": "5s"},
    "update": {"parallelism": 2, "monitor": "0s"},
    "routes": {"host": HOST},
}
_FAILED = re.compile(r"(?:connect|read|write|timeout) (\d+)|responses: (\d+)")


def run(is_quick: bool) -> list[Row]:
    """Loads through HAProxy, then by endpoints; then restarts until enough tasks came."""
    requirements.check(requirements.BALANCERS)
    count, changes = (2, 4) if is_quick else (INSTANCES, CHANGES)
    images.build([images.BUSYBOX])
    directory = Path(tempfile.mkdtemp(prefix="bench-balancer-"))
    with subject.cluster(agents=AGENTS) as cluster:
        balancer = Balancer("haproxy", cluster, directory / "haproxy").start()
        try:
            rows = _measured(cluster, balancer, count, changes)
        finally:
            balancer.end()
    shutil.rmtree(directory)
    return rows


def _measured(cluster: Cluster, balancer: Balancer, count: int, changes: int) -> list[Row]:
    ours = Subject(cluster)
    stack = subject.one_service("site", count, SERVICE)
    ours.launch(stack)
    _until(lambda: _is_served(balancer), "an answer through HAProxy")
    rows: list[Row] = []
    for what, change in (
        ("nothing changes", lambda: time.sleep(5)),
        ("a rolling update, 2 at a time", lambda: _updated(ours, stack, "2", 2)),
        (f"{count} tasks replaced one by one", lambda: _updated(ours, stack, "3", 1)),
        (f"scaled from {count} to {count + 4} and back", lambda: _scaled(ours, count)),
        ("an agent drained", lambda: _drained(cluster, ours)),
    ):
        asked, failed, p99 = _loaded(balancer, change)
        rows += [
            Row(name=f"{what}: requests that failed, of {asked:,}", figure=failed, unit="", at_most=0),
            Row(name=f"{what}: 99 of 100 answered within", figure=p99, unit="ms"),
        ]
    rows.append(_direct(cluster, ours, stack))
    late = _late(cluster, ours, balancer, changes, count)
    what = f"{len(late)} tasks: from ready to served by HAProxy"
    return [
        *rows,
        Row(name=f"{what}, 50 of 100", figure=late[len(late) // 2] * 1000, unit="ms"),
        Row(name=f"{what}, 99 of 100", figure=late[int(len(late) * 0.99)] * 1000, unit="ms", at_most=250.0),
    ]


# ---- changes ------------------------------------------------------------------------


def _updated(ours: Subject, stack: Stack, version: str, at_a_time: int) -> None:
    count = stack.groups[0].instances
    service = {**SERVICE, "environment": {"VERSION": version}, "update": {"parallelism": at_a_time, "monitor": "0s"}}
    ours.change(subject.one_service(stack.name, count, service), LONGEST_SECONDS)


def _scaled(ours: Subject, count: int) -> None:
    for number in (count + 4, count):
        ours.server.post("/v1/scale", {"pattern": "site/task", "instances": number, "by": "bench"})
        _until(lambda number=number: _ready(ours) == (number, number), f"{number} ready")  # type: ignore[misc]


def _drained(cluster: Cluster, ours: Subject) -> None:
    """Mesos's own DRAIN_AGENT, until all of ours have left; the agent comes back afterwards."""
    tasks = ours.server.get("/v1/tasks", pattern="site")["tasks"]
    agent = tasks[0]["agent_id"]
    _operate(cluster, {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": agent}}})

    def has_left() -> bool:
        living = ours.server.get("/v1/tasks", pattern="site")["tasks"]
        return all(task["agent_id"] != agent for task in living) and len(set(_ready(ours))) == 1

    _until(has_left, "no task on the drained agent")
    _operate(cluster, {"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": {"value": agent}}})


def _operate(cluster: Cluster, call: dict[str, Any]) -> None:
    url = f"http://{cluster.wait_for_leader().address}/api/v1"
    request = urllib.request.Request(url, json.dumps(call).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def _ready(ours: Subject) -> tuple[int, int]:
    (group,) = ours.server.get("/v1/groups", pattern="site")["groups"]
    living = ours.server.get("/v1/tasks", pattern="site")["tasks"]
    return int(group["ready"]), len(living)


# ---- load ---------------------------------------------------------------------------


def _loaded(balancer: Balancer, change: Callable[[], None]) -> tuple[int, int, float]:
    """While something changes: how many requests were made, how many failed, and the 99th of 100 in milliseconds."""
    command = ["wrk", "-t", "1", "-c", str(CLIENTS), "-d", f"{LONGEST_SECONDS:.0f}s", "--timeout", "10s", "--latency"]
    load = subprocess.Popen([*command, "-H", f"Host: {HOST}", f"http://{balancer.address}/"], stdout=subprocess.PIPE)
    try:
        time.sleep(1)
        change()
        time.sleep(3)
    finally:
        load.send_signal(signal.SIGINT)
        said = load.communicate(timeout=30)[0].decode()
    asked = re.search(r"(\d+) requests in", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if asked is None or p99 is None:
        raise RuntimeError(f"wrk: wanted its figures, got {said[-300:]!r}")
    failed = sum(int(number or 0) for found in _FAILED.findall(said) for number in found)
    return int(asked[1]), failed, float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]


def _direct(cluster: Cluster, ours: Subject, stack: Stack) -> Row:
    """A client that follows the directory, and goes to each endpoint in turn, during a rolling update."""
    directory = Directory(cluster.store_url)
    directory.wait(10.0)
    turn = iter(range(10**9))

    def address() -> str:
        found = [endpoint for endpoints in directory.snapshot.groups.values() for endpoint in endpoints]
        one = found[next(turn) % len(found)]
        return f"{one.address}:{one.ports[0].number}"

    with Traffic(address, HOST, clients=4) as traffic:
        _updated(ours, stack, "4", 2)
    directory.close()
    asked = len(traffic.seconds) + len(traffic.failures)
    name = f"a rolling update, asked directly at endpoints: requests that failed, of {asked:,}"
    return Row(name=name, figure=len(traffic.failures), unit="", at_most=0)


# ---- from ready to served -----------------------------------------------------------


class _Look:
    """Sees what HAProxy serves, through its own socket, and since when each endpoint is ready."""

    def __init__(self, cluster: Cluster, balancer: Balancer) -> None:
        self._socket = str(balancer.directory / "haproxy.sock")
        self._directory = Directory(cluster.store_url, settle_seconds=0.0)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._served: dict[str, float] = {}
        self.late: dict[str, float] = {}

    def __enter__(self) -> _Look:
        self._directory.wait(10.0)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(10.0)
        self._directory.close()

    def _run(self) -> None:
        is_first = True
        while not self._ending.wait(0.005):
            now, served = time.time(), self._ask()
            self._served = {each: self._served.get(each, now) for each in served}
            for endpoints in self._directory.snapshot.groups.values():
                for each in endpoints:
                    place = f"{each.address}:{each.ports[0].number}"
                    if each.task_id not in self.late and place in self._served:
                        # Those that were there before are not counted.
                        self.late[each.task_id] = -1.0 if is_first else self._served[place] - each.since
            is_first = False

    def _ask(self) -> set[str]:
        """The addresses of the servers that are up and get requests."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5.0)
            connection.connect(self._socket)
            connection.sendall(b"show servers state\n")
            said = b""
            while piece := connection.recv(65536):
                said += piece
        rows = [line.split() for line in said.decode().splitlines() if line and line[0].isdigit()]
        return {f"{row[4]}:{row[18]}" for row in rows if len(row) > 18 and row[5] == "2" and row[6] == "0"}


def _late(cluster: Cluster, ours: Subject, balancer: Balancer, changes: int, count: int) -> list[float]:
    """Seconds from ready to served of so many tasks, which restarts bring about, the least first."""
    with _Look(cluster, balancer) as look:
        stack = subject.one_service("site", count, SERVICE)
        for number in range(-(-changes // count)):
            _updated(ours, stack, f"late-{number}", 4)
        known = [seconds for seconds in look.late.values() if seconds >= 0]
    return sorted(known)


def _is_served(balancer: Balancer) -> bool:
    request = urllib.request.Request(f"http://{balancer.address}/", headers={"Host": HOST})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"wanted {what} within {LONGEST_SECONDS:.0f} s")
        time.sleep(0.2)


BENCH = Bench(
    name="balancer",
    title="Behind a balancer",
    method=(
        f"{INSTANCES} containers (busybox's httpd, `drain: 2s`) on {AGENTS} agents of one machine behind HAProxy, which"
        f" `framework balancer haproxy` keeps in step; wrk asks through {CLIENTS} kept connections without a pause"
        f" while they change. Then {CHANGES} tasks come, four at a time: an endpoint says when its task became ready,"
        " and HAProxy's own socket, asked every 5 ms, when it is served. Both clocks are this machine's."
    ),
    run=run,
    limit_seconds=1500,
)
