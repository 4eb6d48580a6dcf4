"""From a task that is ready to an endpoint that everybody finds, on a real cluster."""

from __future__ import annotations

import time

from kazoo.client import KazooClient

from discovery.endpoints import endpoint_from_json
from framework.local import engine, images
from tests.bench import bench_launch, subject
from tests.bench.report import Bench, Row
from tests.bench.subject import Subject

TASKS = 50
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
    ]


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
        " machine's."
    ),
    run=run,
    limit_seconds=180,
)
