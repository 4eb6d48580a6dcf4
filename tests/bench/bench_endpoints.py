"""From a task that is ready to an endpoint that everybody finds: on a real cluster, and by real etcd alone."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import requests
from kazoo.client import KazooClient

from discovery.endpoints import Endpoint, EndpointPort, endpoint_from_json
from discovery.etcd import Etcd
from discovery.etcd_client import encoded
from discovery.layout import task_in
from framework.local import engine, images
from specs.ids import TaskId, VersionId, group_id
from specs.urls import parse_url
from tests.bench import bench_launch, subject
from tests.bench.report import Bench, Row
from tests.bench.subject import Subject
from tests.kit.etcd import running_etcd

TASKS = 50
CHANGES = 200
CHANGE_EVERY_SECONDS = 0.02
LONGEST_SECONDS = 60.0


def run(is_quick: bool) -> list[Row]:
    """Real containers on one agent; who looks is another client of the same ZooKeeper."""
    tasks = 5 if is_quick else TASKS
    owned = engine.ensure()
    images.build([images.BUSYBOX])
    with subject.cluster(agents=1) as cluster:
        client = KazooClient(hosts=cluster.zookeeper_address)
        client.start()
        look = _Look(client)
        ours = Subject(cluster)
        stack = subject.one_service("bench", tasks, bench_launch.SERVICE)
        look.watch("/framework/endpoints/bench/task/_")
        ours.launch(stack)
        late = look.wait(tasks)
        ours.remove(stack)
        client.stop()
        client.close()
    if owned is not None:
        engine.stop(owned)
    what = f"{tasks} tasks: from ready to found in ZooKeeper"
    return [
        Row(name=f"{what}, 50 of 100", figure=late[len(late) // 2] * 1000, unit="ms"),
        Row(name=f"{what}, 99 of 100", figure=late[int(len(late) * 0.99)] * 1000, unit="ms", at_most=250.0),
        *_in_etcd(20 if is_quick else CHANGES),
    ]


def _in_etcd(changes: int) -> list[Row]:
    """Endpoints that come and go, half of the changes each; who looks is another client, told by a watch."""
    with tempfile.TemporaryDirectory() as directory, running_etcd(Path(directory)) as server:
        url = parse_url(f"etcd://{server.address}/bench", "etcd")
        watch, registry = _Watch(f"http://{server.address}"), Etcd(url)
        for number in range(changes // 2):
            one = replace(WEB, task_id=TaskId(f"shop.web.{number}.1"))
            watch.began(one.task_id, "PUT")
            registry.publish(one)
            time.sleep(CHANGE_EVERY_SECONDS)
            watch.began(one.task_id, "DELETE")
            registry.withdraw(one.task_id, lambda: None)
            time.sleep(CHANGE_EVERY_SECONDS)
        late = watch.wait(changes * 9 // 10)
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
        f"{TASKS} containers without checks are launched on one agent. Each endpoint says when its task became ready;"
        " another client of the same ZooKeeper, told by watches, notes when it first saw it there. Both clocks are this"
        " machine's. Then, with etcd and nothing else: endpoints are published and withdrawn one after the other, and"
        " another client, told by a watch, notes when it sees each change; one that the next overtakes is not counted."
    ),
    run=run,
    limit_seconds=180,
)
