"""A model of Mesos's masters: one leads, knows what agents told it, and speaks the scheduler API's JSON.

Modelled from Mesos 1.11: TASK_GONE, TASK_UNKNOWN and TASK_UNREACHABLE by the rules of its reconciliation, statuses of
the master's own without uuid, those of agents with one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.amounts import Amounts, counted, less, written
from tests.simulation.kernel import Kernel

if TYPE_CHECKING:
    from tests.simulation.agent import Agent
    from tests.simulation.connection import Connection
    from tests.simulation.oracle import Oracle

Json = dict[str, Any]

ROLE = "*"
ALLOCATE_SECONDS = 1.0
WEEK_SECONDS = 604_800.0
REREGISTER_SECONDS = 120.0
"""Within this time agents must have come to a new master, else they are unreachable (600 s in life)."""
TERMINAL = {
    *("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE"),
    *("TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN"),
}


@dataclass(slots=True, kw_only=True)
class MasterTask:
    """A task as the master knows it: `state` is the newest, `told` the one that the framework is being told."""

    amounts: Amounts
    executor_id: str
    state: str = "TASK_STAGING"
    told: str = "TASK_STAGING"


@dataclass(slots=True, kw_only=True)
class Registered:
    """An agent that is registered."""

    agent: Agent
    id: str
    is_connected: bool = True
    tasks: dict[str, MasterTask] = field(default_factory=dict)
    executors: dict[str, Amounts] = field(default_factory=dict)
    offers: dict[str, Amounts] = field(default_factory=dict)
    refused: Amounts = field(default_factory=Amounts)
    refused_until: float = 0.0
    to_kill: dict[str, Json] = field(default_factory=dict)

    @property
    def used(self) -> Amounts:
        """Resources of living tasks and of executors."""
        found: Amounts = Amounts()
        for task in self.tasks.values():
            if task.state not in TERMINAL:
                found += task.amounts
        for amounts in self.executors.values():
            found += amounts
        return found

    @property
    def free(self) -> Amounts:
        """Resources that are neither used nor offered."""
        offered: Amounts = Amounts()
        for amounts in self.offers.values():
            offered += amounts
        return self.agent.total - self.used - offered


class Master:
    """The leading master, whichever that is; `registry` and ids are what a new one inherits."""

    def __init__(self, kernel: Kernel, rng: Random, oracle: Oracle, agents: Callable[[str], Agent | None]) -> None:
        self._kernel, self._rng, self._oracle, self._agent = kernel, rng, oracle, agents
        self.is_leading = True
        self.term = 1
        self.framework_id = ""
        self.connection: Connection | None = None
        self.admitted: dict[str, None] = {}
        self.unreachable: dict[str, None] = {}
        self.gone: dict[str, None] = {}
        self.registered: dict[str, Registered] = {}
        self.recovered: dict[str, None] = {}
        self.draining: dict[str, bool] = {}
        """Agents that are not to be offered: whether all that ran there has ended. In the registry."""
        self.removed: dict[str, None] = {}
        """Frameworks that were away for longer than their failover timeout."""
        self.is_suppressed = False
        self.is_message_lost: Callable[[], bool] = lambda: False
        """Whether a message between the scheduler and an executor is dropped on its way: Mesos promises nothing."""
        self._failover_seconds = WEEK_SECONDS
        self._offers = 0
        self._frameworks = 0
        self._used_offers: dict[str, None] = {}
        kernel.after(ALLOCATE_SECONDS, self._allocate)

    # ---- the master's own life ----------------------------------------------------

    def fail(self) -> None:
        """The master dies: what it had in memory is gone."""
        self.is_leading = False
        self.term += 1
        self.registered.clear()
        if self.connection is not None:
            self.connection.broken("the master is gone")
        self.connection = None

    def lead(self) -> None:
        """Another one leads, with the registry."""
        self.is_leading = True
        self.recovered = dict.fromkeys(self.admitted)
        term = self.term
        self._kernel.after(REREGISTER_SECONDS, lambda: self._give_up_recovered(term))

    def forget(self) -> None:
        """The registry is lost with those who had it: the next to lead knows no agent until it comes."""
        for table in (self.admitted, self.unreachable, self.gone, self.draining):
            table.clear()

    def _give_up_recovered(self, term: int) -> None:
        if self.term == term and self.is_leading:
            for id in list(self.recovered):
                del self.recovered[id]
                self.admitted.pop(id, None)
                self.unreachable[id] = None
                self._say({"type": "FAILURE", "failure": {"agent_id": {"value": id}}})

    # ---- agents -------------------------------------------------------------------

    def register(self, agent: Agent, tasks: dict[str, tuple[Json, str, str]], executors: dict[str, Json]) -> None:
        """An agent comes, or comes again: with its tasks (TaskInfo, newest state, state being told) and executors."""
        id = agent.id
        if id in self.gone:
            agent.dismissed()
            return
        for other in [row for row in self.registered.values() if row.agent is agent and row.id != id]:
            self._replaced(other)
        was_away = id in self.unreachable or (id not in self.registered and id not in self.recovered)
        self.unreachable.pop(id, None)
        self.recovered.pop(id, None)
        self.admitted[id] = None
        known = self.registered.get(id)
        row = self.registered[id] = Registered(agent=agent, id=id)
        if known is not None:
            self._rescind(known)
            row.to_kill = known.to_kill
            row.refused, row.refused_until = known.refused, known.refused_until
        for task_id, (info, state, told) in tasks.items():
            row.tasks[task_id] = MasterTask(
                amounts=counted(info["resources"]),
                executor_id=info["executor"]["executor_id"]["value"],
                state=state,
                told=told,
            )
        row.executors = {each: counted(info["resources"]) for each, info in executors.items()}
        term = self.term
        agent.from_master(lambda: agent.registered(term))
        missing = {} if known is None else {each: task for each, task in known.tasks.items() if each not in tasks}
        for task_id, task in missing.items():
            row.tasks[task_id] = task
            cost = known.executors.get(task.executor_id) if known else None
            if cost is not None:
                row.executors.setdefault(task.executor_id, cost)
        if missing:
            agent.from_master(lambda: agent.reconcile(list(missing)))
        for task_id, kill in row.to_kill.items():
            agent.from_master(lambda task_id=task_id, kill=kill: agent.kill(task_id, kill))
        row.to_kill = {}
        if id in self.draining:
            agent.from_master(agent.drain)
        if was_away:
            for task_id, each in row.tasks.items():
                self.tell(task_id, each.told, id, "REASON_AGENT_REREGISTERED")

    def _replaced(self, row: Registered) -> None:
        """An agent has registered at the address of another id: that one is removed."""
        self._rescind(row)
        del self.registered[row.id]
        self.admitted.pop(row.id, None)
        self.draining.pop(row.id, None)
        self._say({"type": "FAILURE", "failure": {"agent_id": {"value": row.id}}})
        words = f"Agent {row.agent.hostname} removed: a new agent registered at the same address"
        for task_id, task in row.tasks.items():
            if task.state not in TERMINAL:
                self.tell(task_id, "TASK_LOST", row.id, "REASON_AGENT_REMOVED", words)

    def disconnected(self, agent: Agent) -> None:
        """The agent's connection is closed."""
        row = self.registered.get(agent.id)
        if row is not None and row.agent is agent:
            row.is_connected = False
            self._rescind(row)

    def missed(self, id: str) -> None:
        """The agent answered no ping for too long."""
        row = self.registered.pop(id, None)
        if row is None:
            return
        self._rescind(row)
        self.admitted.pop(id, None)
        self.unreachable[id] = None
        for task_id, task in row.tasks.items():
            if task.state not in TERMINAL:
                self.tell(task_id, "TASK_UNREACHABLE", id, "REASON_AGENT_REMOVED")
        self._say({"type": "FAILURE", "failure": {"agent_id": {"value": id}}})

    def mark_gone(self, id: str) -> None:
        """An operator says that the agent never comes back."""
        row = self.registered.pop(id, None)
        for table in (self.admitted, self.unreachable, self.recovered):
            table.pop(id, None)
        self.draining.pop(id, None)
        self.gone[id] = None
        if row is not None:
            self._rescind(row)
            for task_id, task in row.tasks.items():
                if task.state not in TERMINAL:
                    self.tell(task_id, "TASK_GONE_BY_OPERATOR", id, "REASON_AGENT_REMOVED_BY_OPERATOR")
            row.agent.from_master(row.agent.dismissed)
        self._say({"type": "FAILURE", "failure": {"agent_id": {"value": id}}})

    def drain(self, id: str) -> None:
        """DRAIN_AGENT: it is offered no more, and ends what it has."""
        row = self.registered.get(id)
        self.draining[id] = False
        if row is not None:
            self._rescind(row)
            row.agent.from_master(row.agent.drain)

    def reactivate(self, id: str) -> None:
        """REACTIVATE_AGENT: it is offered again."""
        row = self.registered.get(id)
        if self.draining.pop(id, None) is not None and row is not None:
            row.agent.from_master(row.agent.reactivate)

    def is_draining(self, id: str) -> bool:
        """Whether it is to be drained, or is; looks whether it is by now."""
        row = self.registered.get(id)
        if row is not None and id in self.draining and not row.tasks:
            self.draining[id] = True
        return id in self.draining

    def update(self, agent: Agent, status: Json, newest: str) -> None:
        """A status of an agent's: told on, if the framework is there; else the agent sends it again."""
        row = self.registered.get(agent.id)
        if row is None or row.agent is not agent:
            return
        task = row.tasks.get(status["task_id"]["value"])
        if task is not None:
            task.state, task.told = newest, status["state"]
        self._say({"type": "UPDATE", "update": {"status": status}})

    def executor_exited(self, agent: Agent, executor_id: str) -> None:
        """An executor has ended."""
        row = self.registered.get(agent.id)
        if row is not None:
            row.executors.pop(executor_id, None)
            ids = {"agent_id": {"value": agent.id}, "executor_id": {"value": executor_id}, "status": 9}
            self._say({"type": "FAILURE", "failure": ids})

    def executor_says(self, agent: Agent, executor_id: str, data: str) -> None:
        """A framework message of an executor."""
        if agent.id in self.registered and not self.is_message_lost():
            ids = {"agent_id": {"value": agent.id}, "executor_id": {"value": executor_id}}
            self._say({"type": "MESSAGE", "message": {**ids, "data": data}})

    def agents_json(self) -> bytes:
        """The answer to GET_AGENTS."""
        rows = [
            {
                "agent_info": row.agent.info,
                "active": row.is_connected,
                "deactivated": self.is_draining(id),
                **self._drain_info(id),
                "pid": f"slave(1)@{row.agent.address}:5051",
                "total_resources": written(row.agent.total, ROLE),
                "allocated_resources": written(row.used, ROLE),
            }
            for id, row in self.registered.items()
        ]
        found = {
            "agents": rows,
            "recovered_agents": [agent.info for id in self.recovered if (agent := self._agent(id))],
        }
        return json.dumps({"type": "GET_AGENTS", "get_agents": found}, separators=(",", ":")).encode()

    def _drain_info(self, id: str) -> Json:
        if id not in self.draining:
            return {}
        return {"drain_info": {"state": "DRAINED" if self.draining[id] else "DRAINING"}}

    # ---- the framework ----------------------------------------------------------------

    def subscribe(self, connection: Connection, info: Json) -> None:
        """SUBSCRIBE: the newest subscription is the one."""
        for row in self.registered.values():
            row.offers.clear()
            if self.connection is None:
                row.refused_until = 0.0  # One that takes over from another that is connected inherits its filters.
        if self.connection is not None and self.connection is not connection:
            self.connection.send({"type": "ERROR", "error": {"message": "Framework failed over"}})
        framework_id = info.get("id", {}).get("value", "")
        if framework_id in self.removed:
            connection.send({"type": "ERROR", "error": {"message": "Framework has been removed"}})
            return
        if not framework_id:
            self._frameworks += 1
            framework_id = f"framework-{self._frameworks:04}"
        self.framework_id = framework_id
        self.connection = connection
        self._failover_seconds = info["failover_timeout"]
        self.is_suppressed = False
        self._used_offers.clear()
        subscribed = {"framework_id": {"value": framework_id}, "heartbeat_interval_seconds": 15.0}
        connection.send({"type": "SUBSCRIBED", "subscribed": subscribed})

    def lost(self, connection: Connection) -> None:
        """The framework's connection is closed: no offers until it is back."""
        if self.connection is connection:
            self.connection = None
            for row in self.registered.values():
                row.offers.clear()
                row.refused_until = 0.0
            self._kernel.after(self._failover_seconds, self._give_up_framework)

    def _give_up_framework(self) -> None:
        """Nobody came back for it in time: its executors are ended, and its id is worth nothing from now on."""
        if self.connection is not None or self.framework_id in self.removed:
            return
        self.removed[self.framework_id] = None
        for row in self.registered.values():
            row.tasks.clear()
            row.executors.clear()
            row.agent.from_master(row.agent.shut_down)

    def call(self, connection: Connection, data: bytes) -> bool:
        """A call of the framework's; whether it was taken."""
        if connection is not self.connection or not self.is_leading:
            return False
        call = json.loads(data)
        kind = call["type"]
        content = call.get(kind.lower(), {})
        getattr(self, f"_{kind.lower()}")(content, connection)
        return True

    def _accept(self, accept: Json, connection: Connection) -> None:
        infos = [info for operation in accept["operations"] for info in operation["launch"]["task_infos"]]
        ids = [each["value"] for each in accept["offer_ids"]]
        for info in infos:
            self._oracle.launch_arrived(info, connection.process)
        rows = {info["agent_id"]["value"]: self.registered.get(info["agent_id"]["value"]) for info in infos}
        assert len(rows) == 1, "tasks of one Accept are of one agent"
        (row,) = rows.values()
        self._use(ids)
        if row is None or any(id not in row.offers for id in ids):
            for info in infos:
                self._dropped(info, "REASON_INVALID_OFFERS")
            for each in self.registered.values():
                for id in ids:
                    each.offers.pop(id, None)
            return
        offered: Amounts = Amounts()
        for id in ids:
            offered += row.offers.pop(id)
        if not row.is_connected:
            for info in infos:
                self._dropped(info, "REASON_AGENT_DISCONNECTED")
            return
        left = self._spend(row, infos, offered)
        row.refused, row.refused_until = left, self._kernel.now + accept["filters"]["refuse_seconds"]
        for info in infos:
            row.agent.from_master(lambda info=info: row.agent.run(info))

    def _spend(self, row: Registered, infos: list[Json], offered: Amounts) -> Amounts:
        """ClusterState tasks and executors on what was offered; returns what is left."""
        left = offered
        for info in infos:
            id, executor = info["task_id"]["value"], info["executor"]
            amounts = counted(info["resources"])
            executor_id = executor["executor_id"]["value"]
            try:
                left = less(left, amounts)
                if executor_id not in row.executors:
                    cost = counted(executor["resources"])
                    left = less(left, cost)
                    row.executors[executor_id] = cost
            except ValueError as error:
                self._oracle.broken("overspent", f"{id} takes more than was offered: {error}", id)
            row.tasks[id] = MasterTask(amounts=amounts, executor_id=executor_id)
        return left

    def _use(self, ids: list[str]) -> None:
        for id in ids:
            if id in self._used_offers:
                self._oracle.broken("offer used twice", f"offer {id} was accepted or declined before")
            self._used_offers[id] = None

    def _dropped(self, info: Json, reason: str) -> None:
        self.tell(info["task_id"]["value"], "TASK_DROPPED", info["agent_id"]["value"], reason)

    def _decline(self, decline: Json, _: Connection) -> None:
        ids = [each["value"] for each in decline["offer_ids"]]
        self._use(ids)
        for row in self.registered.values():
            for id in ids:
                amounts = row.offers.pop(id, None)
                if amounts is not None:
                    row.refused = amounts
                    row.refused_until = self._kernel.now + decline["filters"]["refuse_seconds"]

    def _kill(self, kill: Json, _: Connection) -> None:
        id = kill["task_id"]["value"]
        row = next((row for row in self.registered.values() if id in row.tasks), None)
        if row is None:
            self._reconcile({"tasks": [kill]}, _)
            return
        row.to_kill[id] = kill
        if row.is_connected:
            row.agent.from_master(lambda: self._deliver_kill(row, id, kill))

    def _deliver_kill(self, row: Registered, id: str, kill: Json) -> None:
        row.to_kill.pop(id, None)
        row.agent.kill(id, kill)

    def _message(self, message: Json, _: Connection) -> None:
        row = self.registered.get(message["agent_id"]["value"])
        if row is not None and row.is_connected and not self.is_message_lost():
            row.agent.from_master(lambda: row.agent.message(message["executor_id"]["value"], message))

    def _acknowledge(self, content: Json, _: Connection) -> None:
        row = self.registered.get(content["agent_id"]["value"])
        if row is None or not row.is_connected:
            return
        id = content["task_id"]["value"]
        task = row.tasks.get(id)
        if task is not None and task.told in TERMINAL:
            del row.tasks[id]
        row.agent.from_master(lambda: row.agent.acknowledge(id, content["uuid"]))

    def _reconcile(self, content: Json, _: Connection) -> None:
        asked = content.get("tasks", [])
        if not asked:
            for id, row in self.registered.items():
                for task_id, task in row.tasks.items():
                    self.tell(task_id, task.told, id, "REASON_RECONCILIATION")
            return
        for each in asked:
            task_id, agent_id = each["task_id"]["value"], each.get("agent_id", {}).get("value", "")
            state = self._state(task_id, agent_id)
            if state:
                self.tell(task_id, state, agent_id, "REASON_RECONCILIATION")

    def _state(self, task_id: str, agent_id: str) -> str:
        """The answer to a reconciliation; none while the agent has still to register."""
        for row in self.registered.values():
            if task_id in row.tasks:
                return row.tasks[task_id].told
        if agent_id in self.registered:
            return "TASK_GONE"
        if agent_id in self.recovered:
            return ""
        if agent_id in self.unreachable:
            return "TASK_UNREACHABLE"
        if agent_id in self.gone:
            return "TASK_GONE_BY_OPERATOR"
        return "TASK_UNKNOWN"

    def _revive(self, _: Json, __: Connection) -> None:
        self.is_suppressed = False
        for row in self.registered.values():
            row.refused_until = 0.0

    def _suppress(self, _: Json, __: Connection) -> None:
        self.is_suppressed = True

    # ---- offers -----------------------------------------------------------------------

    def _allocate(self) -> None:
        self._kernel.after(ALLOCATE_SECONDS, self._allocate)
        if self.connection is None or self.is_suppressed or not self.is_leading:
            return
        offers = [offer for id in sorted(self.registered) if (offer := self._offer(self.registered[id]))]
        if offers:
            self._rng.shuffle(offers)
            self._say({"type": "OFFERS", "offers": {"offers": offers}})

    def _offer(self, row: Registered) -> Json | None:
        free = row.free
        if not row.is_connected or row.agent.id in self.draining or (free["cpus"] < 10 and free["mem"] < 32_000):
            return None
        is_refused = self._kernel.now < row.refused_until and not free - row.refused
        if is_refused:
            return None
        self._offers += 1
        id = f"offer-{self.term}-{self._offers}"
        row.offers[id] = free
        agent = row.agent
        return {
            "id": {"value": id},
            "framework_id": {"value": self.framework_id},
            "agent_id": {"value": agent.id},
            "allocation_info": {"role": ROLE},
            "hostname": agent.hostname,
            "url": {"scheme": "http", "address": {"hostname": agent.hostname, "ip": agent.address, "port": 5051}},
            "resources": written(free, ROLE),
            "attributes": agent.info["attributes"],
            "executor_ids": [{"value": each} for each in row.executors],
        }

    def _rescind(self, row: Registered) -> None:
        for id in list(row.offers):
            del row.offers[id]
            self._say({"type": "RESCIND", "rescind": {"offer_id": {"value": id}}})

    # ---- telling ----------------------------------------------------------------------

    def tell(self, task_id: str, state: str, agent_id: str, reason: str, message: str = "") -> None:
        """A status of the master's own: nobody waits for its acknowledgement."""
        self._oracle.told(task_id, state)
        status: Json = {"task_id": {"value": task_id}, "state": state, "source": "SOURCE_MASTER", "reason": reason}
        status["timestamp"] = self._kernel.now
        if agent_id:
            status["agent_id"] = {"value": agent_id}
        if message:
            status["message"] = message
        self._say({"type": "UPDATE", "update": {"status": status}})

    def _say(self, event: Json) -> None:
        if self.connection is not None:
            self.connection.send(event)
