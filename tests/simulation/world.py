"""A seeded world: schedulers, a master, agents, engines, a ZooKeeper and people; first cruel, then kind."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from framework.core import budget
from framework.core.model import GroupWish, RolloutState, Task
from specs.constraints import Mode
from specs.ids import GroupId
from specs.stack import Restart
from specs.states import Goal, TaskState
from tests.simulation.agent import Agent
from tests.simulation.engine import Engine
from tests.simulation.executor import Executors
from tests.simulation.faults import Dice, Faults
from tests.simulation.journal import Journal
from tests.simulation.kernel import BEGIN, Delays, Kernel
from tests.simulation.master import TERMINAL, Master
from tests.simulation.oracle import Broken, Oracle
from tests.simulation.scheduler import SchedulerProcess
from tests.simulation.users import Users
from tests.simulation.zookeeper import Tree

AGENTS = 3
SESSION_SECONDS = 10.0
STEP_SECONDS = 5.0
LOOK_SECONDS = 1.0
PEACE_SECONDS = 3600.0
"""Within this time of kindness all must be as wished: the longest back-off, launch time-out, reconciliation and resend
of a status may each follow the one before."""
ASKS_EVERY_STEPS = 4
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
        self.agents: dict[str, Agent] = {}
        self.master = Master(self.kernel, Random(f"{seed}/master"), self.oracle, self.agents.get)
        self.executors = Executors(self.kernel, Random(f"{seed}/executors"), self.delays, self.journal)
        self.executors.tell_progress = self._progress
        self.executors.is_fetched = lambda info: self._serves()
        self.users = Users(seed)
        self.destruction_budget = Random(f"{seed}/budget").choice([10, 1])
        self.leader: SchedulerProcess | None = None
        self.is_store_away = False
        self.clock_offset = 0.0
        self._processes = 0
        self._machines = 0
        self._elections = 0
        self.replies = 0

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
        engine = Engine(self.kernel, rng, self.delays, self.executors.died)
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
        """What becomes of the next transaction."""
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
            self._approve()
        for name, strike in self._strikes().items():
            if self.dice.strikes(name):
                self.journal.note("fault", name)
                strike(self.dice.rng(name))
        self.kernel.run(self.rng.expovariate(1 / STEP_SECONDS))

    def _ask(self, *, first: bool = False) -> None:
        ask = self.users.first() if first else self.users.ask()
        if self.leader is not None:
            self.leader.post(ask)

    def _approve(self) -> None:
        """An operator looks whether something waits for approval."""
        if self.leader is not None and (questions := budget.questions(self.leader.scheduler.context)):
            self.leader.post(self.users.approve(questions))

    def _resume(self) -> None:
        """Somebody looks whether a rollout has failed, and has it go on, now that the world is kind."""
        if self.leader is None:
            return
        for rollouts in list(self.leader.scheduler.context.books.rollouts.values()):
            current = rollouts.current
            if current is not None and current.state in (RolloutState.FAILED, RolloutState.PAUSED):
                self.leader.post(self.users.resume(rollouts.stack))

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
            for agent in self._living():
                agent.register_soon(20.0)

    def _living(self) -> list[Agent]:
        return [agent for agent in self.agents.values() if not agent.is_lost]

    def _cut_off(self, rng: Random) -> None:
        agent = rng.choice(self._living())
        self.journal.note("fault", f"{agent.id} is cut off")
        agent.cut_off()
        self.kernel.after(rng.choice([3.0, 40.0, 120.0, 400.0]), agent.rejoin)

    def _agent_crash(self, rng: Random) -> None:
        agent = rng.choice(self._living())
        self.journal.note("fault", f"{agent.id} crashes")
        agent.crash()
        self.kernel.after(rng.choice([1.0, 20.0, 150.0]), agent.start)

    def _agent_loss(self, rng: Random) -> None:
        agent = rng.choice(self._living())
        self.journal.note("fault", f"{agent.id} is lost for good")
        agent.lose()
        self.kernel.after(rng.choice([30.0, 300.0]), lambda: self.master.mark_gone(agent.id))
        self._new_agent()

    def _executor_crash(self, rng: Random) -> None:
        agent = rng.choice(self._living())
        found = [running for running in agent.executors.values() if running.process is not None]
        if found:
            running = rng.choice(found)
            assert running.process is not None
            self.journal.note("fault", f"{running.process.name} is killed")
            agent.kill_executor(running, rng.random())

    def _engine_restart(self, rng: Random) -> None:
        engine = rng.choice(self._living()).engine
        engine.stop()
        self.kernel.after(rng.choice([2.0, 20.0, 60.0]), engine.start)

    def _engine_trouble(self, rng: Random) -> None:
        engine = rng.choice(self._living()).engine
        engine.trouble = rng.choice([0.1, 0.5])
        self.kernel.after(30.0, lambda: setattr(engine, "trouble", 0.0))

    def _container_crash(self, rng: Random) -> None:
        names = [(agent, name) for agent in self._living() for name in agent.engine.containers]
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
        agent = rng.choice(self._living())
        self.journal.note("fault", f"the machine of {agent.id} starts anew")
        agent.reboot()
        self.kernel.after(rng.choice([20.0, 150.0]), agent.boot)

    def _agent_drain(self, rng: Random) -> None:
        """One at a time, and in some worlds for good."""
        agent, seconds = rng.choice(self._living()), rng.choice([60.0, 300.0, FOR_GOOD])
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

    # ---- the kind act --------------------------------------------------------------------------

    def kind_act(self) -> float:
        """Everything comes back; returns after how many seconds all is as wished. Raises Broken."""
        self.dice.is_cruel = False
        self.journal.note("fault", "the kind act begins")
        self.is_store_away = False
        self.delays.factor = 1.0
        if self.leader is not None and self.leader.is_frozen:
            self._thaw(self.leader, False)
        self._master_leads()
        for agent in self.agents.values():
            if agent.is_lost:
                self.master.mark_gone(agent.id)
                continue
            agent.engine.trouble = 0.0
            agent.boot()
            agent.rejoin()
        begun_at, calm = self.kernel.now, 0
        problem = "nothing was looked at"
        while self.kernel.now - begun_at < PEACE_SECONDS:
            self.kernel.run(10.0)
            self._approve()
            self._resume()
            problem, words = self.trouble()
            calm = 0 if problem else calm + 1
            if calm == 3:
                return self.kernel.now - begun_at
        raise Broken("no peace", f"after {PEACE_SECONDS:.0f} s of kindness {problem}", words)

    def _look(self) -> None:
        self.oracle.look(self.master, lambda id: id in self.agents and self.agents[id].can_talk)
        self.kernel.after(LOOK_SECONDS, self._look)

    def trouble(self) -> tuple[str, tuple[str, ...]]:
        """What is not as wished, in words, and the ids concerned; nothing where all is."""
        process = self.leader
        if process is None or not process.is_alive:
            return "nobody leads", ()
        context = process.scheduler.context
        if not context.outbox.is_empty:
            return "saves are unanswered", ()
        if questions := budget.questions(context):
            return f"somebody is asked: {questions[0].sentence}", ()
        lively = {id: task for id, task in self.tree.tasks.items() if task.state.is_lively}
        for id, task in lively.items():
            if task.goal is not Goal.RUN or task.state is not TaskState.RUNNING:
                return f"{id} is {task.state.value}, its goal {task.goal.value}", (id,)
        seats = {(task.group, task.slot): task for task in lively.values()}
        wished: dict[GroupId, None] = {}
        for stack in self.tree.stacks.values():
            if stack.is_removed:
                return f"stack {stack.name} is still being removed", ()
            for wish in stack.groups:
                wished[wish.id] = None
                if problem := self._amiss(wish, [task for task in lively.values() if task.group == wish.id]):
                    return f"{wish.id}: {problem}; {context.causes.get(wish.id, '')}", (str(wish.id),)
        unwished = [id for id, task in lively.items() if task.group not in wished]
        if unwished or len(seats) != len(lively):
            return f"{len(lively)} tasks in {len(seats)} slots run, nobody wished {unwished}", tuple(lively)
        return self._reality(dict.fromkeys(lively))

    def _amiss(self, wish: GroupWish, running: list[Task]) -> str:
        """What is not as wished of a group, in words."""
        wanted = wish.wanted
        if wish.mode is Mode.GLOBAL:
            open_to_it = [agent for agent in self._living() if agent.id not in self.master.draining]
            wanted = 0 if wish.is_stopped else len(open_to_it)
        old = [task for task in running if (task.version, task.generation) != (wish.version, wish.generation)]
        if old:
            return f"{old[0].id} runs as it was wished before"
        finished = 0
        if wish.restart is not Restart.ALWAYS:
            slots = {task.slot for task in running}
            over = [task for task in self.tree.tasks.values() if task.group == wish.id and task.slot not in slots]
            finished = len({task.slot for task in over if task.state is TaskState.FINISHED})
        if not wanted - finished <= len(running) <= wanted:
            return f"{len(running)} of {wanted} run as wished"
        return ""

    def _reality(self, lively: dict[str, None]) -> tuple[str, tuple[str, ...]]:
        """Whether master and engines agree with the store."""
        process = self.leader
        # One that throws out a frozen scheduler has its long declines: without an offer there is nothing to be rid of.
        has_offers = process is not None and bool(process.scheduler.context.pool.received)
        if has_offers and not self.master.is_suppressed:
            return "the scheduler asks for offers still, though nothing is pending", ()
        rows = self.master.registered.values()
        known = {id for row in rows for id, task in row.tasks.items() if task.state not in TERMINAL}
        if known != set(lively):
            odd = sorted(known ^ set(lively))
            return f"master and store differ: {', '.join(odd)}", tuple(odd)
        containers = {each.name: each.state for agent in self._swept() for each in agent.engine.containers.values()}
        odd = sorted(name for name, state in containers.items() if name not in lively or state != "running")
        if odd:
            return f"stray containers: {', '.join(odd)}", tuple(odd)
        if len(containers) != len(lively):
            missing = sorted(set(lively) - set(containers))
            return f"tasks without a container: {', '.join(missing)}", tuple(missing)
        return "", ()

    def _swept(self) -> list[Agent]:
        """Agents with an executor: only there can anything be done about a container that nobody claims."""
        return [agent for agent in self._living() if agent.executors]

    @property
    def orphans(self) -> int:
        """How many containers are left on agents on which no executor is."""
        return sum(len(agent.engine.containers) for agent in self._living() if not agent.executors)

    @property
    def seconds(self) -> float:
        """How much time has gone by."""
        return self.kernel.now - BEGIN
