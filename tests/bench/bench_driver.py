"""Launches and kills a second: a lean client, pymesos as it comes, and our driver alone, in the same run.

    python -m tests.bench.bench_driver [--agents 20] [--tasks 1000] [--rounds 3] [--subnet 51]

Real master and agents on this machine; the executor starts nothing. What runs on each agent is started before the
clock, which goes from the first ACCEPT to the last RUNNING, and from the first KILL to the last KILLED.
"""

from __future__ import annotations

import argparse
import json
import queue
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Protocol

import orjson

from framework.adapters.codec import TaskWriter, framework_info
from framework.adapters.mesos import MesosDriver
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig
from framework.adapters.mesos_pymesos import MesosSchedulerDriver
from framework.core.commands import Accept, Acknowledge, Kill, Launch, Subscribe
from framework.core.events import OffersReceived, StatusReceived, Subscribed
from framework.core.model import Task
from framework.local.cluster import Cluster
from placement.offer import Offer
from specs.ids import AgentId, ExecutorId, FrameworkId, TaskId, VersionId, group_id
from specs.model.resources import Resources
from specs.model.stack import Container
from specs.states import Goal, Health, TaskState
from tests.bench.lean_client import AGENT_ID, TASK_ID, LeanClient

HERE = Path(__file__).resolve().parent
CLIENTS = ("lean", "pymesos", "ours")
AMOUNT = Resources(cpus_milli=1, mem_mib=1)
CONTAINER = Container(image="none", command=("true",))
GROUP = group_id("bench", "noop")


def config(address: str) -> MesosConfig:
    executor = ExecutorConfig(uri=(HERE / "noop_executor.py").as_uri(), file_name="noop_executor.py")
    return MesosConfig(master=address, executor=executor, name="bench", role="bench")


def task(id: str, agent_id: str, hostname: str = "", address: str = "") -> Task:
    return Task(
        id=TaskId(id),
        group=GROUP,
        slot=0,
        attempt=1,
        version=VersionId("0123456789ab"),
        generation=0,
        goal=Goal.RUN,
        state=TaskState.INTENT,
        health=Health.NONE,
        agent_id=AgentId(agent_id),
        hostname=hostname,
        address=address,
        executor_id=ExecutorId("none"),
        host_ports=(),
        launched_at=0.0,
        state_since=0.0,
    )


def template(address: str) -> bytes:
    """The TaskInfo that all clients send. Only its `data` names the task once more, by the template's words."""
    launch = Launch(task=task(TASK_ID.decode(), AGENT_ID.decode()), container=CONTAINER, resources=AMOUNT)
    return orjson.dumps(TaskWriter(config(address)).task_info(launch, FrameworkId("")))


class Client(Protocol):
    framework_id: str

    def launch(self, prefix: str, count: int, agents: int) -> float: ...

    def kill(self) -> float: ...

    def close(self) -> None: ...


class PymesosClient:
    """pymesos as it comes: acknowledged in the event thread, each call waited for."""

    def __init__(self, address: str) -> None:
        self.framework_id = ""
        self._offers: dict[str, dict[str, Any]] = {}
        self._agents: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._template = template(address)
        info = framework_info(config(address)).to_dict()
        self._driver = MesosSchedulerDriver(self, info, address, failover=True)
        self._driver.start()
        self._until(lambda: bool(self.framework_id), 20)

    def registered(self, driver: Any, framework_id: Any, master: Any) -> None:
        self.framework_id = framework_id["value"]

    def resourceOffers(self, driver: Any, offers: Any) -> None:  # noqa: N802
        self._offers |= {offer["agent_id"]["value"]: offer for offer in offers}

    def statusUpdate(self, driver: Any, status: Any) -> None:  # noqa: N802
        self._counts[status["state"]] = self._counts.get(status["state"], 0) + 1

    def processHeartBeat(self, driver: Any) -> None:  # noqa: N802
        pass

    def disconnected(self, driver: Any) -> None:
        pass

    def _until(self, condition: Any, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s: {len(self._offers)} offers, statuses {self._counts}")
            time.sleep(0.002)

    def launch(self, prefix: str, count: int, agents: int) -> float:
        self._until(lambda: len(self._offers) >= agents, 30)
        offers, self._offers = self._offers, {}
        self._counts.clear()
        begin, number = time.perf_counter(), 0
        for position, (agent, offer) in enumerate(offers.items()):
            share = count // len(offers) + (position < count % len(offers))
            ids = [f"{prefix}-{number + index}" for index in range(share)]
            number += share
            self._agents |= dict.fromkeys(ids, agent)
            mine = self._template.replace(AGENT_ID, agent.encode())
            infos = [json.loads(mine.replace(TASK_ID, id.encode())) for id in ids]
            self._driver.launchTasks(offer["id"], infos, {"refuse_seconds": 0})
        self._until(lambda: self._counts.get("TASK_RUNNING", 0) >= count, 120)
        return time.perf_counter() - begin

    def kill(self) -> float:
        begin, count = time.perf_counter(), len(self._agents)
        self._counts.clear()
        for id in self._agents:
            self._driver.killTask({"value": id})
        self._until(lambda: self._counts.get("TASK_KILLED", 0) >= count, 120)
        self._agents.clear()
        return time.perf_counter() - begin

    def close(self) -> None:
        self._driver.stop(failover=True)


class OurClient:
    """Our driver with the least above it: one thread takes events and acknowledges."""

    def __init__(self, address: str) -> None:
        self.framework_id = ""
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._driver = MesosDriver(config(address), self._events.put)
        self._offers: dict[str, Offer] = {}
        self._agents: dict[str, AgentId] = {}
        self._counts: dict[TaskState, int] = {}
        self._driver.perform(Subscribe(framework_id=None))
        self._until(lambda: bool(self.framework_id), 20)

    def _until(self, condition: Any, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self._take(self._events.get(timeout=max(0.0, deadline - time.monotonic())))

    def _take(self, event: Any) -> None:
        if isinstance(event, StatusReceived):
            status = event.status
            self._counts[status.state] = self._counts.get(status.state, 0) + 1
            if status.uuid and status.agent_id:
                self._driver.perform(Acknowledge(task_id=status.task_id, agent_id=status.agent_id, uuid=status.uuid))
        elif isinstance(event, OffersReceived):
            self._offers |= {offer.agent_id: offer for offer in event.offers}
        elif isinstance(event, Subscribed):
            self.framework_id = event.framework_id
        else:
            sys.stderr.write(f"{event}\n")

    def launch(self, prefix: str, count: int, agents: int) -> float:
        self._until(lambda: len(self._offers) >= agents, 30)
        offers, self._offers = self._offers, {}
        self._counts.clear()
        begin, number = time.perf_counter(), 0
        for position, offer in enumerate(offers.values()):
            share = count // len(offers) + (position < count % len(offers))
            tasks = [
                task(f"{prefix}-{number + index}", offer.agent_id, offer.hostname, offer.address)
                for index in range(share)
            ]
            number += share
            self._agents |= {each.id: offer.agent_id for each in tasks}
            launches = tuple(Launch(task=each, container=CONTAINER, resources=AMOUNT) for each in tasks)
            self._driver.perform(Accept(offer_ids=(offer.id,), launches=launches, refuse_seconds=0.0))
        self._until(lambda: self._counts.get(TaskState.RUNNING, 0) >= count, 120)
        return time.perf_counter() - begin

    def kill(self) -> float:
        begin, count = time.perf_counter(), len(self._agents)
        self._counts.clear()
        for id, agent in self._agents.items():
            self._driver.perform(Kill(task_id=TaskId(id), agent_id=agent))
        self._until(lambda: self._counts.get(TaskState.KILLED, 0) >= count, 120)
        self._agents.clear()
        return time.perf_counter() - begin

    def close(self) -> None:
        self._driver.close()


def measure(kind: str, address: str, count: int, agents: int) -> dict[str, float]:
    """One client's figures: rates, and its own CPU seconds per 1,000 tasks."""
    client: Client
    if kind == "lean":
        client = LeanClient(address, framework_info(config(address)).to_dict(), template(address))
    else:
        client = PymesosClient(address) if kind == "pymesos" else OurClient(address)
    try:
        client.launch("warm", agents, agents)
        before = _cpu_seconds()
        launch_seconds = client.launch("task", count, agents)
        between = _cpu_seconds()
        kill_seconds = client.kill()
        return {
            "launches": count / launch_seconds,
            "kills": (count + agents) / kill_seconds,
            "launch_cpu": (between - before) / count * 1000,
            "kill_cpu": (_cpu_seconds() - between) / count * 1000,
        }
    finally:
        client.close()
        data = urllib.parse.urlencode({"frameworkId": client.framework_id}).encode()
        urllib.request.urlopen(f"http://{address}/teardown", data, timeout=30).close()


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run_all(address: str, count: int, agents: int, rounds: int) -> dict[str, dict[str, float]]:
    """The median of each figure of each client; clients take turns, each first once, each in a process of its own."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in CLIENTS}
    for turn in range(rounds):
        first = turn % len(CLIENTS)
        for kind in CLIENTS[first:] + CLIENTS[:first]:
            command = [sys.executable, "-m", "tests.bench.bench_driver", "--client", kind, "--master", address]
            command += ["--tasks", str(count), "--agents", str(agents)]
            output = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=300).stdout
            found[kind].append(json.loads(output.splitlines()[-1]))
            sys.stderr.write(f"{kind} { {key: round(value, 2) for key, value in found[kind][-1].items()} }\n")
            time.sleep(3)  # executors of the framework that was torn down end
    return {
        kind: {key: statistics.median(each[key] for each in figures) for key in figures[0]}
        for kind, figures in found.items()
    }


def show(figures: dict[str, dict[str, float]]) -> str:
    lines = ["client     launches/s   of lean    kills/s   of lean   CPU s per 1,000 launches, kills"]
    lean = figures["lean"]
    for kind, each in figures.items():
        lines.append(
            f"{kind:10} {each['launches']:10.0f} {each['launches'] / lean['launches']:9.2f} {each['kills']:10.0f}"
            f" {each['kills'] / lean['kills']:9.2f}   {each['launch_cpu']:.2f}, {each['kill_cpu']:.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--subnet", type=int, default=51)
    parser.add_argument("--client", choices=CLIENTS)
    parser.add_argument("--master")
    args = parser.parse_args()
    if args.client:
        sys.stdout.write(json.dumps(measure(args.client, args.master, args.tasks, args.agents)) + "\n")
        return
    with tempfile.TemporaryDirectory(prefix="bench-driver-") as directory:
        cluster = Cluster(directory, subnet=args.subnet)
        cluster.up(agents=args.agents, resources="cpus:16;mem:16384;disk:10000")
        try:
            address = cluster.wait_for_leader().address
            sys.stdout.write(show(run_all(address, args.tasks, args.agents, args.rounds)) + "\n")
        finally:
            cluster.down()


if __name__ == "__main__":
    main()
