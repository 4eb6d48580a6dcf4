"""The parts of a Mesos that its exam needs, be it the real one or the simulation's: masters and agents in short words.

`Mesos` is a cluster with the agents agent1 and agent2; `Framework` one subscription with it. Everything is said in the
JSON of the scheduler API, so that both sides are asked the same.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from specs.model.canonical import container_json
from specs.model.stack import Container, Stop
from specs.records_pb2 import LaunchOrder

Json = dict[str, Any]
Value = TypeVar("Value")

WORK = Container(command=("sleep", "600"), stop=Stop(signal="SIGKILL"))
"""The command of every task: a plain process, so that no engine is needed."""
EXECUTOR_ID = "executor"
CPUS, MEM = 0.01, 32.0
AGENTS = ("agent1", "agent2")
ENDS = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_GONE", "TASK_LOST", "TASK_DROPPED", "TASK_ERROR")
LONG = 100_000.0
UNHEARD = "http://127.0.0.1:9/"
"""An address at which nobody listens."""


class Framework(Protocol):
    """One subscription. `events` are all that came, oldest first."""

    id: str
    events: list[Json]
    is_closed: bool
    """Whether the master has ended the connection."""

    def call(self, kind: str, **content: Any) -> None:
        """Sends a call."""

    def disconnect(self) -> None:
        """Closes the connection, as a process does that is killed."""


class Mesos(Protocol):
    """A cluster. What `wait` waits for comes within a bound: of simulated time, or of real time."""

    unreachable_after_seconds: float

    def subscribe(self, framework_id: str = "", failover_seconds: float = 600.0) -> Framework:
        """A subscription, for which SUBSCRIBED has come or ERROR."""

    def wait(self, condition: Callable[[], Value | None], what: str) -> Value:
        """The condition's value once it is true; fails with `what` where that takes too long."""

    def is_connected(self, framework_id: str) -> bool:
        """Whether the master holds a connection of the framework's open."""

    def allocations(self, count: int) -> None:
        """Lets the master offer what it has so many times."""

    def executor(self) -> Json:
        """The ExecutorInfo of an executor that can be fetched."""

    def kill_agent(self, name: str) -> None:
        """kill -9."""

    def start_agent(self, name: str) -> None:
        """Starts one that was killed."""

    def freeze_agent(self, name: str) -> None:
        """Nothing passes between it and the master, and no connection is closed."""

    def thaw_agent(self, name: str) -> None:
        """It goes on."""

    def reboot_agent(self, name: str) -> None:
        """Its machine starts anew: all processes are gone."""

    def kill_executors(self, name: str) -> None:
        """kill -9 of the executors of an agent."""

    def freeze_executors(self, name: str) -> None:
        """SIGSTOP of the executors of an agent."""

    def drain(self, agent_id: str) -> None:
        """DRAIN_AGENT."""

    def reactivate(self, agent_id: str) -> None:
        """REACTIVATE_AGENT."""

    def agents(self) -> Json:
        """The answer to GET_AGENTS."""


class Talk:
    """A subscription with short words for what exams do with it."""

    def __init__(self, mesos: Mesos, framework_id: str = "", failover_seconds: float = 600.0) -> None:
        self.mesos = mesos
        self.framework = mesos.subscribe(framework_id, failover_seconds)

    @property
    def id(self) -> str:
        return self.framework.id

    def of(self, kind: str) -> list[Json]:
        """The events of one kind."""
        return [each[kind.lower()] for each in list(self.framework.events) if each["type"] == kind]

    # ---- offers -----------------------------------------------------------------------

    def all_offers(self) -> list[Json]:
        """Every offer that ever came."""
        return [offer for each in self.of("OFFERS") for offer in each["offers"]]

    def offer(self, name: str, after: int = 0) -> Json:
        """The newest offer of an agent that is not rescinded; `after` so many offers of all."""

        def find() -> Json | None:
            gone = [each["offer_id"]["value"] for each in self.of("RESCIND")]
            found = [each for each in self.all_offers()[after:] if each["hostname"] == name]
            return found[-1] if found and found[-1]["id"]["value"] not in gone else None

        return self.mesos.wait(find, f"an offer of {name}")

    def decline(self, offers: Iterable[Json], refuse_seconds: float = LONG) -> None:
        ids = [offer["id"] for offer in offers]
        self.framework.call("DECLINE", decline={"offer_ids": ids, "filters": {"refuse_seconds": refuse_seconds}})

    # ---- tasks --------------------------------------------------------------------------

    def launch(self, *names: str, offer: Json, executor: Json | None = None, refuse_seconds: float = LONG) -> None:
        """Accepts an offer with tasks of these ids."""
        executor = {**(executor or self.mesos.executor()), "framework_id": {"value": self.id}}
        infos = [self._info(name, offer, executor) for name in names]
        self.framework.call(
            "ACCEPT",
            accept={
                "offer_ids": [offer["id"]],
                "operations": [{"type": "LAUNCH", "launch": {"task_infos": infos}}],
                "filters": {"refuse_seconds": refuse_seconds},
            },
        )

    def _info(self, name: str, offer: Json, executor: Json) -> Json:
        order = LaunchOrder(
            schema=1,
            task_id=name,
            stack="exam",
            service="work",
            slot=1,
            attempt=1,
            version="0123456789ab",
            container_json=container_json(WORK),
            cpus_milli=round(CPUS * 1000),
            mem_mib=round(MEM),
            address=offer["url"]["address"]["ip"],
            hostname=offer["hostname"],
            framework_id=self.id,
            agent_id=offer["agent_id"]["value"],
        )
        return {
            "name": name,
            "task_id": {"value": name},
            "agent_id": offer["agent_id"],
            "executor": executor,
            "data": base64.b64encode(order.SerializeToString()).decode(),
            "resources": scalars(cpus=CPUS, mem=MEM),
        }

    def run(self, *names: str, on: str) -> Json:
        """Launches tasks on an agent and acknowledges until all run; returns the offer that they took."""
        offer = self.offer(on)
        self.launch(*names, offer=offer)
        for name in names:
            self.until(name, "TASK_RUNNING")
        return offer

    def statuses(self, name: str) -> list[Json]:
        """All statuses of a task, repetitions included."""
        found = [each["status"] for each in self.of("UPDATE")]
        return [status for status in found if status["task_id"]["value"] == name]

    def status(self, name: str, state: str, after: int = 0) -> Json:
        """The first status of a task in that state, after so many others; nothing is acknowledged."""

        def find() -> Json | None:
            return next((each for each in self.statuses(name)[after:] if each["state"] == state), None)

        return self.mesos.wait(find, f"{state} of {name}")

    def until(self, name: str, *states: str, after: int = 0) -> Json:
        """As `status` for the first of some states, but all that is said of the task is acknowledged each time."""
        taken = after

        def find() -> Json | None:
            nonlocal taken
            new = self.statuses(name)[taken:]
            for each in new:
                taken += 1
                if each.get("uuid"):
                    self.acknowledge(each)
                if each["state"] in states:
                    return each
            return None

        return self.mesos.wait(find, f"{' or '.join(states)} of {name}")

    def end(self, name: str) -> Json:
        """The status with which a task ends, all acknowledged."""
        return self.until(name, *ENDS)

    def acknowledge(self, status: Json) -> None:
        content = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
        self.framework.call("ACKNOWLEDGE", acknowledge=content)

    def kill(self, name: str, agent_id: str = "") -> None:
        more = {"agent_id": {"value": agent_id}} if agent_id else {}
        self.framework.call("KILL", kill={"task_id": {"value": name}, **more})

    def reconcile(self, name: str, agent_id: str = "") -> Json:
        """The master's state of a task."""
        before = len(self.statuses(name))
        more = {"agent_id": {"value": agent_id}} if agent_id else {}
        self.framework.call("RECONCILE", reconcile={"tasks": [{"task_id": {"value": name}, **more}]})

        def answered() -> Json | None:
            found = self.statuses(name)[before:]
            return next((each for each in found if each.get("reason") == "REASON_RECONCILIATION"), None)

        return self.mesos.wait(answered, f"an answer about {name}")

    def reconcile_all(self) -> None:
        self.framework.call("RECONCILE", reconcile={"tasks": []})


def scalars(**amounts: float) -> list[Json]:
    """Resources as Mesos writes them."""
    return [{"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in amounts.items()]


def short(status: Json) -> tuple[str, str, str, bool]:
    """State, source, reason, and whether it is to be acknowledged."""
    return (status["state"], status["source"], status.get("reason", ""), "uuid" in status)
