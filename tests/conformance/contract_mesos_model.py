"""The simulation's master and agents, as those that sit the exam."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from tests.conformance.contract_mesos import EXECUTOR_ID, UNHEARD, WORK, Framework, Json, scalars
from tests.simulation.agent import PING_SECONDS, Agent
from tests.simulation.engine import Engine
from tests.simulation.executor import Executors
from tests.simulation.images import Registry
from tests.simulation.journal import Journal
from tests.simulation.kernel import Delays, Kernel
from tests.simulation.master import ALLOCATE_SECONDS, Master

Value = TypeVar("Value")

SLICE_SECONDS = 0.1
PATIENCE_SECONDS = 3600.0
TAKES_SECONDS = 0.01


class NoOracle:
    """Lets everything happen: exams do what no scheduler of ours may."""

    def launch_arrived(self, info: Json, process: object) -> None:
        pass

    def told(self, task_id: str, state: str) -> None:
        pass

    def broken(self, rule: str, what: str, *words: str) -> None:
        pass


class ModelFramework:
    """A subscription with the model of a master."""

    def __init__(self, kernel: Kernel, master: Master, info: Json) -> None:
        self._kernel, self._master = kernel, master
        self.id = ""
        self.events: list[Json] = []
        self.is_closed = False
        self.process = SimpleNamespace(name="exam", is_deposed=False)
        kernel.after(TAKES_SECONDS, lambda: master.subscribe(cast(Any, self), info))

    def send(self, message: Json) -> None:
        """The master says something."""
        event = json.loads(json.dumps(message))
        self._kernel.after(TAKES_SECONDS, lambda: self._hear(event))

    def _hear(self, event: Json) -> None:
        if event["type"] == "SUBSCRIBED":
            self.id = event["subscribed"]["framework_id"]["value"]
        self.events.append(event)
        self.is_closed = self.is_closed or event["type"] == "ERROR"

    def broken(self, reason: str) -> None:
        """The master's end is gone."""
        self.is_closed = True

    def call(self, kind: str, **content: Any) -> None:
        body = json.dumps({"type": kind, "framework_id": {"value": self.id}, **content}).encode()

        def arrive() -> None:
            self._master.call(cast(Any, self), body)

        self._kernel.after(TAKES_SECONDS, arrive)

    def disconnect(self) -> None:
        self._kernel.after(TAKES_SECONDS, lambda: self._master.lost(cast(Any, self)))


class ModelMesos:
    """A world of its own: a master, two agents with their engines, and time that goes on when somebody waits."""

    unreachable_after_seconds = PING_SECONDS

    def __init__(self) -> None:
        self._kernel = Kernel()
        delays = Delays(Random(1))
        self._agents: dict[str, Agent] = {}
        self._master = Master(self._kernel, Random(2), cast(Any, NoOracle()), self._agent_of)
        executors = Executors(self._kernel, Random(3), delays, Journal(self._kernel))
        executors.is_fetched = lambda info: all(UNHEARD not in uri["value"] for uri in info["command"]["uris"])
        for number in (1, 2):
            engine = Engine(self._kernel, Random(number), delays, executors.died, Registry())
            engine.images[WORK.image] = None
            agent = Agent(number, self._kernel, Random(number), delays, self._master, engine, executors)
            self._agents[agent.hostname] = agent
            agent.register_soon(1.0)

    def _agent_of(self, id: str) -> Agent | None:
        return next((agent for agent in self._agents.values() if agent.id == id), None)

    def subscribe(self, framework_id: str = "", failover_seconds: float = 600.0) -> Framework:
        info: Json = {"failover_timeout": failover_seconds}
        if framework_id:
            info["id"] = {"value": framework_id}
        found = ModelFramework(self._kernel, self._master, info)
        self.wait(lambda: found.events, "an answer to SUBSCRIBE")
        return found

    def wait(self, condition: Callable[[], Value | None], what: str) -> Value:
        end = self._kernel.now + PATIENCE_SECONDS
        while not (value := condition()):
            assert self._kernel.now < end, f"{what}: not within {PATIENCE_SECONDS:.0f} simulated s"
            self._kernel.run(SLICE_SECONDS)
        return value

    def is_connected(self, framework_id: str) -> bool:
        return self._master.connection is not None and self._master.framework_id == framework_id

    def allocations(self, count: int) -> None:
        self._kernel.run(count * ALLOCATE_SECONDS)

    def executor(self) -> Json:
        uris = [{"value": "http://10.0.0.1/framework-executor.pyz"}]
        return {
            "executor_id": {"value": EXECUTOR_ID},
            "command": {"value": "python3 framework-executor.pyz", "uris": uris},
            "resources": scalars(cpus=0.01, mem=32.0),
        }

    def kill_agent(self, name: str) -> None:
        self._agents[name].crash()

    def start_agent(self, name: str) -> None:
        self._agents[name].start()

    def freeze_agent(self, name: str) -> None:
        self._agents[name].cut_off()

    def thaw_agent(self, name: str) -> None:
        self._agents[name].rejoin()

    def reboot_agent(self, name: str) -> None:
        agent = self._agents[name]
        agent.reboot()
        agent.boot()

    def kill_executors(self, name: str) -> None:
        agent = self._agents[name]
        for running in list(agent.executors.values()):
            agent.kill_executor(running)

    def freeze_executors(self, name: str) -> None:
        for running in self._agents[name].executors.values():
            if running.process is not None:
                running.process.freeze()

    def drain(self, agent_id: str) -> None:
        self._master.drain(agent_id)

    def reactivate(self, agent_id: str) -> None:
        self._master.reactivate(agent_id)

    def agents(self) -> Json:
        found: Json = json.loads(self._master.agents_json())
        return found
