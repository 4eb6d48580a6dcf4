"""From a task that is ready to an endpoint that everybody finds: on a real cluster, and by real etcd alone."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import requests
from kazoo.client import KazooClient

from discovery.backends.etcd import Etcd
from discovery.backends.etcd_client import encoded
from discovery.backends.theseus.layout import task_in
from discovery.endpoints import Endpoint, EndpointPort, endpoint_from_json
from framework.local import images
from framework.local.cluster import Cluster
from specs.ids import TaskId, VersionId, group_id
from specs.urls import parse_url
from tests.bench import bench_launch, subject
from tests.bench.report import Bench, Row
from tests.bench.subject import Subject
from tests.kit.etcd import running_etcd

TASKS, STACKS = 50, 4
CHANGES = 200
CHANGE_EVERY_SECONDS = 0.02
STAY = 10
"""Number of endpoints published before one is withdrawn: one withdrawn before it was written is never seen."""
STOPPED, STOPS = 8, 25
LONGEST_SECONDS = 60.0

WITNESS = """
import os, signal, sys, time
from kazoo.client import KazooClient

_, server, path, told = sys.argv
task = os.environ["FRAMEWORK_TASK"]
client = KazooClient(hosts=server)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # before the client's threads
client.start()
open(f"{told}-{task}", "w").close()
while not client.exists(f"{path}/{task}"):
    time.sleep(0.01)
signal.sigwait({signal.SIGTERM})
with open(told, "a") as out:
    out.write("found\\n" if client.exists(f"{path}/{task}") else "gone\\n")
"""
"""A task that looks for its own endpoint as soon as it is told to stop, at the one server, which knows all."""


def run(is_quick: bool) -> list[Row]:
    """Real containers on one agent; who looks is another client of the same ZooKeeper."""
    tasks = 5 if is_quick else TASKS
    images.build([images.BUSYBOX])
    with subject.cluster(agents=1) as cluster:
        client = KazooClient(hosts=cluster.zookeeper_address)
        client.start()
        look = _Look(client)
        ours = Subject(cluster)
        for number in range(STACKS):
            stack = subject.one_service(f"bench{number}", tasks, bench_launch.SERVICE)
            look.watch(f"/framework/endpoints/{stack.name}/task/_")
            ours.launch(stack)
            late = look.wait((number + 1) * tasks)
            ours.remove(stack)
        stops, found = _stopped(cluster, ours, 2 if is_quick else STOPS)
        client.stop()
        client.close()
    what = f"{STACKS} times {tasks} tasks at once: from ready to found in ZooKeeper"
    return [
        Row(name=f"{what}, 50 of 100", figure=late[len(late) // 2] * 1000, unit="ms"),
        Row(name=f"{what}, 99 of 100", figure=late[int(len(late) * 0.99)] * 1000, unit="ms", at_most=250.0),
        Row(name=f"{stops} tasks: endpoints still there when TERM came", figure=found, unit="endpoints", at_most=0.0),
        *_in_etcd(20 if is_quick else CHANGES),
    ]


def _stopped(cluster: Cluster, ours: Subject, times: int) -> tuple[int, int]:
    """How many tasks were told to stop, and how many of them still found their endpoints then."""
    told = cluster.directory / "told"
    path = "/framework/endpoints/stopped/task/_"
    service = {
        "command": [sys.executable, "-c", WITNESS, cluster.zookeeper_address, path, str(told)],
        "resources": {"cpus": 0.05, "memory": "64M"},
        "ready": {"command": ["sh", "-c", f"test -e {told}-$$FRAMEWORK_TASK"], "interval": "1s"},
        "update": {"parallelism": STOPPED, "max_surge": STOPPED, "monitor": "0s"},
    }
    for number in range(times):
        stack = subject.one_service("stopped", STOPPED, {**service, "environment": {"ROUND": str(number)}})
        if number:
            ours.change(stack, LONGEST_SECONDS)
        else:
            ours.launch(stack)
    ours.remove(stack)
    lines = told.read_text().split()
    if len(lines) != STOPPED * times:
        raise RuntimeError(f"wanted {STOPPED * times} tasks that say what they found at TERM, got {len(lines)}")
    return len(lines), lines.count("found")


def _in_etcd(changes: int) -> list[Row]:
    """Endpoints that come and go, half of the changes each; who looks is another client, told by a watch."""
    with tempfile.TemporaryDirectory() as directory, running_etcd(Path(directory)) as server:
        url = parse_url(f"etcd://{server.address}/bench", "etcd")
        watch, registry = _Watch(f"http://{server.address}"), Etcd(url)
        ids = [TaskId(f"shop.web.{number}.1") for number in range(changes // 2)]
        for number in range(len(ids) + STAY):
            if number < len(ids):
                watch.began(ids[number], "PUT")
                registry.publish(replace(WEB, task_id=ids[number]))
                time.sleep(CHANGE_EVERY_SECONDS)
            if number >= STAY:
                watch.began(ids[number - STAY], "DELETE")
                registry.withdraw(ids[number - STAY], lambda: None)
                time.sleep(CHANGE_EVERY_SECONDS)
        late = watch.wait(changes)
        registry.close(5.0)
    what = f"{changes} changes, {1 / CHANGE_EVERY_SECONDS:.0f} a second: until they are seen in etcd"
    return [
        Row(name=f"{what}, 50 of 100", figure=late[len(late) // 2] * 1000, unit="ms"),
        Row(name=f"{what}, 99 of 100", figure=late[int(len(late) * 0.99)] * 1000, unit="ms", at_most=250.0),
    ]


class _Watch:
    """Sees keys of etcd come and go."""

    def __init__(self, server: str) -> None:
        self._began: dict[tuple[str, str], float] = {}
        self._late: list[float] = []
        self._is_there = threading.Event()
        body = {"create_request": {"key": encoded("/bench/"), "range_end": encoded("/bench0")}}
        self._answer = requests.post(f"{server}/v3/watch", json=body, stream=True, timeout=LONGEST_SECONDS)
        threading.Thread(target=self._read, daemon=True).start()
        self._is_there.wait(LONGEST_SECONDS)

    def began(self, task: TaskId, kind: str) -> None:
        """A change is asked for now."""
        self._began[task, kind] = time.monotonic()

    def _read(self) -> None:
        # The stream ends with the server.
        with contextlib.suppress(requests.RequestException):
            for line in self._answer.iter_lines(chunk_size=1):
                now = time.monotonic()
                self._is_there.set()
                for event in json.loads(line).get("result", {}).get("events", []):
                    task = task_in(base64.b64decode(event["kv"]["key"]).decode())
                    self._late.append(now - self._began[str(task), event.get("type", "PUT")])

    def wait(self, number: int) -> list[float]:
        """Seconds from asked to seen of so many changes at least, the least first."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while len(self._late) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"wanted {number} changes within {LONGEST_SECONDS:.0f} s, got {len(self._late)}")
            time.sleep(0.1)
        return sorted(self._late)


WEB = Endpoint(
    group=group_id("shop", "web"),
    slot=0,
    task_id=TaskId("shop.web.0.1"),
    version=VersionId("0123456789ab"),
    hostname="agent1",
    address="10.0.0.5",
    ports=(EndpointPort(name="http", number=31000, container_port=8080),),
)


class _Look:
    """Sees endpoints as they appear, by watches."""

    def __init__(self, client: KazooClient) -> None:
        self._client = client
        self._late: dict[str, float] = {}

    def watch(self, path: str) -> None:
        """Looks at what is below the path, which need not be there yet."""
        self._client.ensure_path(path)

        def appeared(names: list[str]) -> None:
            now = time.time()
            for name in names:
                if name not in self._late:
                    found = endpoint_from_json(self._client.get(f"{path}/{name}")[0])
                    self._late[name] = now - found.since

        self._client.ChildrenWatch(path, appeared)

    def wait(self, number: int) -> list[float]:
        """Seconds from ready to found of so many tasks, the least first."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while len(self._late) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"wanted {number} endpoints within {LONGEST_SECONDS:.0f} s, got {len(self._late)}")
            time.sleep(0.1)
        return sorted(self._late.values())


BENCH = Bench(
    name="endpoints",
    title="Endpoints",
    method=(
        f"{TASKS} containers without checks are launched on one agent, and removed, {STACKS} times. Each endpoint says"
        " when its task became ready; another client of the same ZooKeeper, told by watches, notes when it first saw it"
        f" there. Both clocks are this machine's. Then {STOPPED} processes are replaced {STOPS} times over, and each"
        " looks for its own endpoint when TERM comes. Last, with etcd and nothing else: endpoints come and, ten others"
        " later, go, and another client, told by a watch, notes when it sees each change."
    ),
    run=run,
    limit_seconds=480,
)
