"""A model of a Mesos agent with checkpoints: executors, and statuses that are told until they are acknowledged."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.amounts import Amounts
from tests.simulation.kernel import Delays, Kernel, Line
from tests.simulation.master import TERMINAL, Master

if TYPE_CHECKING:
    from tests.simulation.engine import Engine
    from tests.simulation.executor import ExecutorProcess, Executors

Json = dict[str, Any]

PING_SECONDS = 75.0
"""Time-out for an agent's answer before it is unreachable, in seconds."""
EXECUTORS_BACK_SECONDS = 5.0
"""Time-out for executors to come back to a restarted agent, in seconds."""
FIRST_RESEND_SECONDS = 10.0
LAST_RESEND_SECONDS = 600.0


@dataclass(slots=True, kw_only=True)
class Running:
    """An executor as its agent knows it. `tasks` are those it was given, with their newest states; `queued` wait."""

    id: str
    run: int
    info: Json
    process: ExecutorProcess | None = None
    is_subscribed: bool = False
    is_ending: bool = False
    queued: dict[str, Json] = field(default_factory=dict)
    tasks: dict[str, Json] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


class Agent:
    """One agent with its machine's engine. What it checkpoints survives its restart."""

    def __init__(
        self,
        number: int,
        kernel: Kernel,
        rng: Random,
        delays: Delays,
        master: Master,
        engine: Engine,
        executors: Executors,
    ) -> None:
        self._kernel, self._rng, self._delays, self._master = kernel, rng, delays, master
        self._executor_processes = executors
        self.engine = engine
        self.number = number
        self.id = f"agents-S{number}"
        self.hostname = f"agent{number}"
        self.address = f"10.0.0.{number}"
        rack = {"name": "rack", "type": "TEXT", "text": {"value": "abc"[number % 3]}}
        self.info: Json = {
            "id": {"value": self.id},
            "hostname": self.hostname,
            "port": 5051,
            "attributes": [rack],
        }
        ports = {f"port:{port}": 1 for port in range(31000, 31020)}
        self.total: Amounts = Amounts({"cpus": 2000, "mem": 2_048_000, **ports})
        self.is_up = True
        self.is_cut_off = False
        self.is_lost = False
        self.is_draining = False
        self._renewals = 0
        self._forgotten: list[Running] = []
        """The executors of earlier ids."""
        self._earlier: dict[str, None] = {}
        """The ids that it had, as far as its work directory says."""
        self.executors: dict[str, Running] = {}
        self._streams: dict[str, deque[Json]] = {}
        self._seen: dict[str, dict[str, None]] = {}
        self._over: dict[str, tuple[Json, str]] = {}
        """Ended tasks of which a status is unacknowledged: TaskInfo and newest state."""
        self._runs = 0
        self._up = Line(kernel, delays, 0.5)
        self._down = Line(kernel, delays, 0.5)
        self._registered_with = 0
        self._resends: dict[str, int] = {}

    # ---- the way to the master ------------------------------------------------------

    @property
    def can_talk(self) -> bool:
        """Whether messages pass between it and the master."""
        return self.is_up and not self.is_cut_off and not self.is_lost

    @property
    def framework_id(self) -> str:
        """The frameworks whose executors run here."""
        return self._master.framework_id

    def from_master(self, deliver: Any) -> None:
        """Sends a message from the master to this agent."""
        if self.can_talk:
            self._down.send(lambda: deliver() if self.can_talk else None)

    def _to_master(self, deliver: Any) -> None:
        term = self._master.term
        if self.can_talk and self._master.is_leading:
            self._up.send(lambda: deliver() if self.can_talk and self._master.term == term else None)

    def register_soon(self, most_seconds: float) -> None:
        """Registers, again if need be, within so many seconds."""
        self._kernel.after(self._rng.random() * most_seconds, self._register)

    def _register(self) -> None:
        if not self.can_talk or not self._master.is_leading:
            return
        tasks = {
            id: self._reported(id, info, running.states[id])
            for running in self.executors.values()
            for id, info in running.tasks.items()
        }
        for running in self.executors.values():
            tasks |= {id: (info, "TASK_STAGING", "TASK_STAGING") for id, info in running.queued.items()}
        tasks |= {id: self._reported(id, info, state) for id, (info, state) in self._over.items()}
        executors = {running.id: running.info for running in self.executors.values()}
        self._to_master(lambda: self._master.register(self, tasks, executors))
        term = self._master.term
        self._kernel.after(
            10.0, lambda: self._register() if term == self._master.term != self._registered_with else None
        )

    def _reported(self, id: str, info: Json, newest: str) -> tuple[Json, str, str]:
        stream = self._streams.get(id)
        return info, newest, stream[0]["state"] if stream else newest

    def registered(self, term: int) -> None:
        """The master has us: what is unacknowledged is told again."""
        self._registered_with = term
        for id in list(self._streams):
            self._forward(id)

    def dismissed(self) -> None:
        """The master says that we are gone for good."""
        self.lose()

    # ---- faults ------------------------------------------------------------------------

    def cut_off(self) -> None:
        """No message passes any more; nobody is told."""
        if self.is_cut_off:
            return
        self.is_cut_off = True
        self._up.cut()
        self._down.cut()
        self._watch()

    def rejoin(self) -> None:
        """Messages pass again."""
        if self.is_cut_off:
            self.is_cut_off = False
            self.register_soon(5.0)

    def crash(self) -> None:
        """kill -9: executors live on."""
        if not self.is_up:
            return
        if self.can_talk:
            self._master.disconnected(self)
        self.is_up = False
        self._up.cut()
        self._down.cut()
        for running in self.executors.values():
            running.is_subscribed = False
            if running.process is not None:
                running.process.agent_went()
        self._watch()

    def start(self) -> None:
        """Starts again from its checkpoints."""
        if self.is_up or self.is_lost:
            return
        self.is_up = True
        self._registered_with = 0
        self._kernel.after(EXECUTORS_BACK_SECONDS, self._recovered)

    def _recovered(self) -> None:
        if not self.is_up:
            return
        for running in list(self.executors.values()):
            if running.is_subscribed:
                continue
            if running.process is not None and running.process.is_alive:
                running.process.kill()
                self.executor_ended(running, "TASK_GONE", "REASON_EXECUTOR_REREGISTRATION_TIMEOUT")
            else:
                self.executor_ended(running)
        self.register_soon(1.0)

    def renew(self, *, keeps_work: bool) -> None:
        """Forgets its id, and all that it has checkpointed, while it is down: it registers as another agent. Executors
        and containers live on. `keeps_work`: its work directory stays, with what earlier ids left there."""
        if self.is_up or self.is_lost:
            return
        self._renewals += 1
        self._earlier = {**self._earlier, self.id: None} if keeps_work else {}
        self.id = f"agents-S{self.number}-{self._renewals}"
        self.info = {**self.info, "id": {"value": self.id}}
        self.is_draining = False
        self._forgotten += self.executors.values()
        for table in (self.executors, self._streams, self._seen, self._over, self._resends):
            table.clear()

    def is_earlier(self, id: str) -> bool:
        """Whether it had this id, as far as its work directory says."""
        return id in self._earlier

    def reboot(self) -> None:
        """The machine goes down: agent, executors and containers end; `start` has it up again."""
        if self.is_lost:
            return
        self.crash()
        self._kill_executors()
        self.engine.stop()
        self.engine.images.clear()

    def boot(self) -> None:
        """The machine is up: so are its engine and the agent."""
        if not self.is_lost:
            self.engine.start()
            self.start()

    def kill_executor(self, running: Running, noticed_after_seconds: float = 0.1) -> None:
        """kill -9 of an executor; an agent that is up notices."""
        if running.process is None:
            return
        running.process.kill()
        if self.is_up:
            self._kernel.after(noticed_after_seconds, lambda: self.executor_ended(running) if self.is_up else None)

    def lose(self) -> None:
        """The machine is destroyed."""
        self.crash()
        self.is_lost = True
        self._kill_executors()
        self.executors.clear()
        self.engine.destroy()

    def _kill_executors(self) -> None:
        """All processes of the machine end."""
        for running in (*self.executors.values(), *self._forgotten):
            if running.process is not None:
                running.process.kill()

    def _watch(self) -> None:
        """The master's pings: whoever is away for too long is unreachable."""
        term, id = self._master.term, self.id

        def look() -> None:
            if (not self.can_talk or self.id != id) and self._master.term == term:
                self._master.missed(id)

        self._kernel.after(PING_SECONDS + self._rng.random() * 15.0, look)

    # ---- what the master asks ------------------------------------------------------------

    def run(self, info: Json) -> None:
        """RunTask."""
        executor = info["executor"]
        id = executor["executor_id"]["value"]
        running = self.executors.get(id)
        if running is not None and running.is_ending:
            self._own_status(info, "TASK_DROPPED", "REASON_EXECUTOR_TERMINATED")
            return
        if running is None:
            self._runs += 1
            running = self.executors[id] = Running(id=id, run=self._runs, info=executor)
            self._executor_processes.start(self, running)
        self._launch(running, info)

    def _launch(self, running: Running, info: Json) -> None:
        id = info["task_id"]["value"]
        if running.is_subscribed and running.process is not None:
            running.tasks[id], running.states[id] = info, "TASK_STAGING"
            running.process.hear({"type": "LAUNCH", "launch": {"task": info}})
        else:
            running.queued[id] = info

    def message(self, executor_id: str, message: Json) -> None:
        """FrameworkToExecutorMessage: an executor that is not there does not get it."""
        running = self.executors.get(executor_id)
        if running is not None and running.is_subscribed and running.process is not None:
            running.process.hear({"type": "MESSAGE", "message": {"data": message["data"]}})

    def kill(self, id: str, kill: Json) -> None:
        """KillTask."""
        for running in self.executors.values():
            if id in running.queued:
                self._own_status(running.queued.pop(id), "TASK_KILLED", "REASON_TASK_KILLED_DURING_LAUNCH")
                if not running.queued and not running.tasks and not running.is_subscribed and running.process is None:
                    self.executor_ended(running)
                return
            if id in running.tasks:
                if running.is_subscribed and running.process is not None:
                    running.process.hear({"type": "KILL", "kill": kill})
                return
        if id not in self._streams:
            info = {"task_id": {"value": id}}
            self._own_status(info, "TASK_DROPPED", "REASON_EXECUTOR_TERMINATED")

    def drain(self) -> None:
        """DrainSlave: everything is to end, and what it says then is marked."""
        self.is_draining = True
        for running in list(self.executors.values()):
            for id in [*running.queued, *running.tasks]:
                self.kill(id, {"task_id": {"value": id}})

    def reactivate(self) -> None:
        """The master uses it again."""
        self.is_draining = False

    def shut_down(self) -> None:
        """ShutdownFramework: executors end what they have, and themselves."""
        for running in list(self.executors.values()):
            if running.process is not None and running.is_subscribed:
                running.process.hear({"type": "SHUTDOWN"})

    def reconcile(self, ids: list[str]) -> None:
        """The master has tasks that we did not name."""
        for id in ids:
            if not self._knows(id):
                self._own_status({"task_id": {"value": id}}, "TASK_DROPPED", "REASON_RECONCILIATION")

    def _knows(self, id: str) -> bool:
        return id in self._streams or any(id in each.queued or id in each.tasks for each in self.executors.values())

    def acknowledge(self, id: str, uuid: str) -> None:
        """The framework has the status: the next of its task is told."""
        stream = self._streams.get(id)
        if not stream or stream[0]["uuid"] != uuid:
            return
        status = stream.popleft()
        if not stream:
            del self._streams[id]
            self._resends.pop(id, None)
        if status["state"] in TERMINAL:
            self._streams.pop(id, None)
            self._seen.pop(id, None)
            self._over.pop(id, None)
        elif id in self._streams:
            self._forward(id)

    # ---- statuses ---------------------------------------------------------------------------

    def update(self, running: Running, status: Json) -> None:
        """A status of an executor's: checkpointed, acknowledged to it, told on."""
        id = status["task_id"]["value"]
        self._take(running, id, status)
        if running.process is not None:
            content = {"task_id": {"value": id}, "uuid": status["uuid"]}
            running.process.hear({"type": "ACKNOWLEDGED", "acknowledged": content})

    def _take(self, running: Running | None, id: str, status: Json) -> None:
        seen = self._seen.setdefault(id, {})
        if status["uuid"] in seen:
            return
        seen[status["uuid"]] = None
        status = {**status, "agent_id": {"value": self.id}}
        if self.is_draining and status["state"] in ("TASK_KILLING", "TASK_KILLED"):
            status["reason"] = "REASON_AGENT_DRAINING"
        if running is not None and id in running.tasks:
            running.states[id] = status["state"]
            if status["state"] in TERMINAL:
                self._over[id] = (running.tasks.pop(id), running.states.pop(id))
        stream = self._streams.setdefault(id, deque())
        stream.append(status)
        if len(stream) == 1:
            self._forward(id)

    def _own_status(self, info: Json, state: str, reason: str, running: Running | None = None) -> None:
        id = info["task_id"]["value"]
        status = {
            "task_id": {"value": id},
            "state": state,
            "source": "SOURCE_AGENT",
            "reason": reason,
            "uuid": f"agent-{self._rng.getrandbits(64):016x}",
            "timestamp": self._kernel.now,
        }
        if "resources" in info:
            self._over[id] = (info, state)
        self._take(running, id, status)

    def _forward(self, id: str) -> None:
        count = self._resends[id] = self._resends.get(id, 0) + 1
        self._tell(id, count, FIRST_RESEND_SECONDS)

    def _tell(self, id: str, count: int, pause_seconds: float) -> None:
        stream = self._streams.get(id)
        if not stream or self._resends.get(id) != count:
            return
        status, newest = stream[0], stream[-1]["state"]
        if self._registered_with == self._master.term:
            self._to_master(lambda: self._master.update(self, status, newest))
        following = min(pause_seconds * 2, LAST_RESEND_SECONDS)
        self._kernel.after(pause_seconds, lambda: self._tell(id, count, following))

    # ---- executors ------------------------------------------------------------------------------

    def executor_subscribed(self, asking: Running, process: ExecutorProcess, subscribe: Json) -> None:
        """SUBSCRIBE of an executor: what it was not given is dropped, what waits for it is launched. Mesos goes by the
        executor's id alone: one of an earlier id of the agent takes the place of the one that it has."""
        running = self.executors.get(asking.id)
        if running is None:
            process.refused(400, "Executor cannot be found")
            return
        known = running.process
        if known is not None and known is not process and running.is_subscribed:
            known.agent_went()
        running.is_subscribed = True
        about = {"agent_info": self.info, "container_id": {"value": str(running.run)}}
        process.hear({"type": "SUBSCRIBED", "subscribed": about})
        running.process = process
        for each in subscribe["unacknowledged_updates"]:
            self._take(running, each["status"]["task_id"]["value"], each["status"])
        named = {each["task_id"]["value"] for each in subscribe["unacknowledged_tasks"]}
        for id in [id for id, state in running.states.items() if state == "TASK_STAGING" and id not in named]:
            self._own_status(running.tasks[id], "TASK_DROPPED", "REASON_AGENT_RESTARTED", running)
        queued, running.queued = running.queued, {}
        for info in queued.values():
            self._launch(running, info)

    def executor_says(self, running: Running, data: str) -> None:
        """A framework message of an executor."""
        if self.executors.get(running.id) is running:
            self._to_master(lambda: self._master.executor_says(self, running.id, data))

    def executor_disconnected(self, running: Running) -> None:
        """Its connection broke."""
        running.is_subscribed = False

    def not_fetched(self, running: Running) -> None:
        """No executor starts: its files could not be fetched."""
        self.executor_ended(running, reason="REASON_CONTAINER_LAUNCH_FAILED")

    def executor_ended(
        self, running: Running, state: str = "TASK_FAILED", reason: str = "REASON_EXECUTOR_TERMINATED"
    ) -> None:
        """Its process is no more: what it had has failed."""
        if self.executors.get(running.id) is not running:
            return
        del self.executors[running.id]
        for info in list(running.queued.values()):
            self._own_status(info, state, reason)
        for info in list(running.tasks.values()):
            self._own_status(info, state, reason, running)
        self._to_master(lambda: self._master.executor_exited(self, running.id))


def copied(message: Json) -> Json:
    """A message as the other side reads it."""
    plain: Json = json.loads(json.dumps(message))
    return plain
