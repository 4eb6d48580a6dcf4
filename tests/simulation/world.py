"""A seeded world: schedulers, a master, agents, engines, a ZooKeeper and people; first cruel, then kind."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from framework.core.converge import kill_guard
from framework.core.events import UserRequest
from tests.simulation.agent import Agent
from tests.simulation.changes import ChangeOracle
from tests.simulation.engine import Engine
from tests.simulation.executor import Executors
from tests.simulation.faults import Dice, Faults
from tests.simulation.images import Registry
from tests.simulation.journal import Journal
from tests.simulation.kernel import BEGIN, Delays, Kernel
from tests.simulation.master import Master
from tests.simulation.oracle import Oracle
from tests.simulation.peace import Peace
from tests.simulation.scheduler import SchedulerProcess
from tests.simulation.users import STACKS, Users
from tests.simulation.zookeeper import Tree

AGENTS = 3
SESSION_SECONDS = 10.0
STEP_SECONDS = 5.0
LOOK_SECONDS = 1.0
ASKS_EVERY_STEPS = 4
MOST_UNHEARD = 5
FOR_GOOD = 1e9


class World:
    """One seed's world."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self.seed = seed
        self.rng = Random(f"{seed}/world")
        self.kernel = Kernel()
        self.journal = Journal(self.kernel)
        self.delays = Delays(Random(f"{seed}/delays"))
        self.dice = Dice(seed, faults)
        self.tree = Tree()
        self.oracle = Oracle(self.tree)
        self.has_rollouts = "rollouts" in faults.names
        """Whether people change stacks at a pace, and look after that."""
        self.changes = ChangeOracle(self.tree, self.oracle.broken)
        self.agents: dict[str, Agent] = {}
        self.former: list[str] = []
        """Ids that agents had, and have no more."""
        self.master = Master(self.kernel, Random(f"{seed}/master"), self.oracle, self.agents.get)
        self.master.is_message_lost = lambda: self.dice.strikes("message lost")
        self.executors = Executors(self.kernel, Random(f"{seed}/executors"), self.delays, self.journal)
        self.executors.tell_progress = self._progress
        self.executors.is_fetched = lambda info: self._serves()
        self.users = Users(seed)
        self.registry = Registry()
        self.kill_guard = Random(f"{seed}/budget").choice([10, 1])
        self.leader: SchedulerProcess | None = None
        self.is_store_away = False
        self.clock_offset = 0.0
        self._processes = 0
        self._machines = 0
        self._elections = 0
        self.replies = 0
        self.unheard: list[UserRequest] = []
        """The last request with a key of people who may not have heard the answer."""

    # ---- beginning ----------------------------------------------------------------------

    def begin(self) -> None:
        """All starts, and somebody submits the first stack."""
        for _ in range(AGENTS):
            self._new_agent()
        self._elect(0.1)
        self.kernel.after(LOOK_SECONDS, self._look)
        self.kernel.run(8.0)
        self._ask(first=True)

    def _new_agent(self) -> None:
        self._machines += 1
        rng = Random(f"{self.seed}/agent{self._machines}")
        engine = Engine(self.kernel, rng, self.delays, self.executors.died, self.registry)
        agent = Agent(self._machines, self.kernel, rng, self.delays, self.master, engine, self.executors)
        self.agents[agent.id] = agent
        agent.register_soon(2.0)

    def _progress(self, data: str) -> None:
        if self.leader is not None:
            self.leader.driver.tell_progress(data)

    def _serves(self) -> bool:
        """Whether an agent that fetches the executor gets it: from a scheduler that leads."""
        is_there = self.leader is not None and self.leader.is_alive
        return is_there and not self.dice.strikes("executor unfetched")

    # ---- schedulers ------------------------------------------------------------------------

    def _elect(self, seconds: float) -> None:
        """In a while another process leads."""
        self._elections += 1
        election = self._elections

        def elect() -> None:
            if election != self._elections:
                return
            if self.is_store_away:
                self.kernel.after(1.0, elect)
                return
            self._processes += 1
            process = self.leader = SchedulerProcess(self, self._processes)
            process.clock_offset = self.clock_offset
            process.lead()

        self.kernel.after(seconds, elect)

    def fate(self) -> str:
        """The fate of the next transaction."""
        for name in ("unheard", "lost", "late"):
            if self.dice.strikes(f"store {name}"):
                self.journal.note("fault", f"a transaction is {name}")
                return name
        return "done"

    def between_commands(self, process: SchedulerProcess) -> None:
        """Called before each command of a scheduler."""
        if self.dice.strikes("scheduler crash in a step"):
            self._crash(process)
        elif self.dice.strikes("scheduler freeze in a step"):
            self._freeze(process)

    def ended(self, process: SchedulerProcess, why: str) -> None:
        """A scheduler's process ended by itself."""
        if process.is_dead:
            return
        self.journal.note(process.name, f"ends: {why}")
        process.kill()
        if process is self.leader:
            self.leader = None
            self._elect(0.5 + self.delays.draw(2.0))

    def _crash(self, process: SchedulerProcess) -> None:
        rng = self.dice.rng("scheduler crash")
        self.journal.note("fault", f"kill -9 {process.name}")
        process.kill()
        if process is self.leader:
            self.leader = None
            self._elect(rng.choice([0.5, SESSION_SECONDS]))

    def _freeze(self, process: SchedulerProcess) -> None:
        rng = self.dice.rng("scheduler freeze")
        seconds = rng.choice([2.0, 8.0, 15.0, 60.0, 200.0])
        self.journal.note("fault", f"{process.name} is frozen for {seconds} s")
        process.freeze()
        if seconds > SESSION_SECONDS and process is self.leader:
            self._elect(SESSION_SECONDS)
        self.kernel.after(seconds, lambda: self._thaw(process, seconds > SESSION_SECONDS))

    def _thaw(self, process: SchedulerProcess, is_over: bool) -> None:
        if process.is_dead or not process.is_frozen:
            return
        self.journal.note("fault", f"{process.name} wakes")
        if is_over:
            self._lose_session(process, self.dice.rng("scheduler freeze"))
        process.wake()

    def _lose_session(self, process: SchedulerProcess, rng: Random) -> None:
        """Its session is over; it may be a while before it knows."""
        if rng.random() < 0.5:
            process.session.is_lost = True
        self.kernel.after(rng.random() * SESSION_SECONDS, lambda: process.stop("the session has expired"))

    # ---- the cruel act -----------------------------------------------------------------------

    def cruel_step(self) -> None:
        """Some time goes by, people ask, and faults strike."""
        if self.rng.random() < 1 / ASKS_EVERY_STEPS:
            self._ask()
            self.approve()
        if self.dice.strikes("answer lost"):
            self._ask_again()
        if self.dice.strikes("rollouts"):
            self._ask_of_rollouts()
        for name, strike in self._strikes().items():
            if self.dice.strikes(name):
                self.journal.note("fault", name)
                strike(self.dice.rng(name))
        self.kernel.run(self.rng.expovariate(1 / STEP_SECONDS))

    def _ask(self, *, first: bool = False) -> None:
        ask = self.users.first() if first else self.users.ask()
        if self.dice.strikes("answer lost"):
            ask = self.users.with_key(ask)
            self.unheard = [*self.unheard[-MOST_UNHEARD + 1 :], ask]
        if self.leader is not None:
            self.leader.post(ask)

    def _ask_again(self) -> None:
        """Somebody whose connection broke sends the very same request again, to whoever leads."""
        if self.leader is not None and self.unheard:
            again = self.dice.rng("answer lost").choice(self.unheard)
            self.journal.note("fault", f"request {again.request_id} is sent again")
            self.leader.post(again)

    def _ask_of_rollouts(self) -> None:
        rng = self.dice.rng("rollouts")
        ask = self.users.of_rollouts(rng.choice(STACKS), is_bad=self.dice.strikes("bad version"))
        if self.leader is not None and ask is not None:
            self.leader.post(ask)

    def approve(self) -> None:
        """An operator looks whether something waits for approval."""
        if self.leader is not None and (requests := kill_guard.approval_requests(self.leader.scheduler.context)):
            self.leader.post(self.users.approve(requests))

    def _strikes(self) -> dict[str, Callable[[Random], None]]:
        return {
            "scheduler crash": lambda _: self._crash(self.leader) if self.leader else None,
            "scheduler freeze": lambda _: self._freeze(self.leader) if self.leader else None,
            "session loss": self._session_loss,
            "disconnect": lambda _: self.leader.driver.breaks() if self.leader else None,
            "master failover": self._master_failover,
            "agent cut off": self._cut_off,
            "agent crash": self._agent_crash,
            "agent loss": self._agent_loss,
            "executor crash": self._executor_crash,
            "engine restart": self._engine_restart,
            "engine trouble": self._engine_trouble,
            "container crash": self._container_crash,
            "store away": self._store_away,
            "slow": self._slow,
            "clock jump": self._clock_jump,
            "agent reboot": self._agent_reboot,
            "agent drain": self._agent_drain,
            "registry loss": self._registry_loss,
            "agent renewal": self._agent_renewal,
        }

    def _session_loss(self, rng: Random) -> None:
        process = self.leader
        if process is not None and not process.is_dead:
            self._elect(0.2)
            self._lose_session(process, rng)

    def _master_failover(self, rng: Random) -> None:
        if self.master.is_leading:
            self.master.fail()
            self.kernel.after(rng.choice([1.0, 5.0, 30.0]), self._master_leads)

    def _master_leads(self) -> None:
        if not self.master.is_leading:
            self.master.lead()
            for agent in self.living():
                agent.register_soon(20.0)

    def living(self) -> list[Agent]:
        return [agent for agent in self.agents.values() if not agent.is_lost]

    def _cut_off(self, rng: Random) -> None:
        agent = rng.choice(self.living())
        self.journal.note("fault", f"{agent.id} is cut off")
        agent.cut_off()
        self.kernel.after(rng.choice([3.0, 40.0, 120.0, 400.0]), agent.rejoin)

    def _agent_crash(self, rng: Random) -> None:
        agent = rng.choice(self.living())
        self.journal.note("fault", f"{agent.id} crashes")
        agent.crash()
        self.kernel.after(rng.choice([1.0, 20.0, 150.0]), agent.start)

    def _agent_loss(self, rng: Random) -> None:
        agent = rng.choice(self.living())
        self.journal.note("fault", f"{agent.id} is lost for good")
        agent.lose()
        self.kernel.after(rng.choice([30.0, 300.0]), lambda: self.master.mark_gone(agent.id))
        self._new_agent()

    def _executor_crash(self, rng: Random) -> None:
        agent = rng.choice(self.living())
        found = [running for running in agent.executors.values() if running.process is not None]
        if found:
            running = rng.choice(found)
            assert running.process is not None
            self.journal.note("fault", f"{running.process.name} is killed")
            agent.kill_executor(running, rng.random())

    def _engine_restart(self, rng: Random) -> None:
        engine = rng.choice(self.living()).engine
        engine.stop()
        self.kernel.after(rng.choice([2.0, 20.0, 60.0]), engine.start)

    def _engine_trouble(self, rng: Random) -> None:
        engine = rng.choice(self.living()).engine
        engine.trouble = rng.choice([0.1, 0.5])
        self.kernel.after(30.0, lambda: setattr(engine, "trouble", 0.0))

    def _container_crash(self, rng: Random) -> None:
        names = [(agent, name) for agent in self.living() for name in agent.engine.containers]
        if names:
            agent, name = rng.choice(names)
            self.journal.note("fault", f"container {name} ends")
            agent.engine.end(name, rng.choice([0, 1]))

    def _store_away(self, rng: Random) -> None:
        self.is_store_away = True
        self.kernel.after(rng.choice([1.0, 5.0, 20.0]), lambda: setattr(self, "is_store_away", False))

    def _slow(self, rng: Random) -> None:
        self.delays.factor = rng.choice([3.0, 10.0])
        self.kernel.after(rng.choice([10.0, 60.0]), lambda: setattr(self.delays, "factor", 1.0))

    def _clock_jump(self, rng: Random) -> None:
        self.clock_offset += rng.choice([-100.0, -5.0, 5.0, 100.0, 1000.0])
        if self.leader is not None:
            self.leader.clock_offset = self.clock_offset

    def _agent_reboot(self, rng: Random) -> None:
        agent = rng.choice(self.living())
        self.journal.note("fault", f"the machine of {agent.id} starts anew")
        agent.reboot()
        self.kernel.after(rng.choice([20.0, 150.0]), agent.boot)

    def _agent_drain(self, rng: Random) -> None:
        """One at a time, and in some worlds for good."""
        agent, seconds = rng.choice(self.living()), rng.choice([60.0, 300.0, FOR_GOOD])
        if self.master.draining or not self.master.is_leading:
            return
        self.journal.note("fault", f"{agent.id} is drained")
        self.master.drain(agent.id)
        self.kernel.after(seconds, lambda: self.master.reactivate(agent.id))

    def _registry_loss(self, rng: Random) -> None:
        if self.master.is_leading:
            self.master.fail()
            self.master.forget()
            self.kernel.after(rng.choice([1.0, 5.0, 30.0]), self._master_leads)

    def _agent_renewal(self, rng: Random) -> None:
        """An agent is ended and comes back as another one, Mesos's own step after its attributes have changed."""
        agent = rng.choice(self.living())
        self.journal.note("fault", f"{agent.id} comes back under another id")
        old = agent.id
        agent.crash()
        agent.renew(keeps_work=rng.random() < 0.7)
        if agent.id != old:
            self.agents[agent.id] = self.agents.pop(old)
            self.former.append(old)
        self.kernel.after(rng.choice([0.5, 3.0, 20.0, 150.0]), agent.start)

    # ---- the kind act --------------------------------------------------------------------------

    def kind_act(self) -> float:
        """Everything comes back; returns after how many seconds all is as desired. Raises Broken."""
        self.dice.is_cruel = False
        self.journal.note("fault", "the kind act begins")
        self.is_store_away = False
        self.delays.factor = 1.0
        if self.leader is not None and self.leader.is_frozen:
            self._thaw(self.leader, False)
        self._master_leads()
        for id in self.former:
            self.master.mark_gone(id)
        for agent in self.agents.values():
            if agent.is_lost:
                self.master.mark_gone(agent.id)
                continue
            agent.engine.trouble = 0.0
            agent.boot()
            agent.rejoin()
        return Peace(self).come()

    def _look(self) -> None:
        self.oracle.look(self.master, lambda id: id in self.agents and self.agents[id].can_talk)
        if self.leader is not None and self.leader.is_alive:
            self.changes.look(self.leader)
        self.kernel.after(LOOK_SECONDS, self._look)

    @property
    def orphans(self) -> int:
        """How many containers are left on agents on which no executor is."""
        return sum(len(agent.engine.containers) for agent in self.living() if not agent.executors)

    @property
    def seconds(self) -> float:
        """How much time has gone by."""
        return self.kernel.now - BEGIN
