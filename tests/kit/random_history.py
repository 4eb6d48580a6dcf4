"""Random histories of a scheduler and its cluster; each ends with a converged stack."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from framework.core.commands import Accept, Command, Kill, Reconcile
from framework.core.events import (
    AgentRemoved,
    AgentsReported,
    Disconnected,
    OffersReceived,
    RestartRequested,
    RolloutAction,
    RolloutActionRequested,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StatusReceived,
    StopRequested,
    Woke,
)
from framework.core.model import GroupSpec, RolloutState, Status, Task
from framework.core.volatile import Connection
from placement.agent import Agent, AgentState
from placement.neighbours import selects
from specs.ids import AgentId, GroupId, TaskId
from specs.model.constraints import (
    STICKY_ALWAYS,
    Constraint,
    GroupByMode,
    Mode,
    Neighbour,
    Rules,
    Selector,
    Spread,
    Strategy,
)
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import Group, Restart
from specs.states import Goal, TaskState
from tests.kit.conversation import FRAMEWORK, Conversation, Shelf, group, stack

ENDS = (TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED, TaskState.LOST)


RACKS = {1: "a", 2: "a", 3: "b", 4: "b", 5: "c", 6: "c"}


UNIQUE = Constraint(operator=Operator.UNIQUE, field="hostname")


TWO_A_RACK = Constraint(operator=Operator.MAX_PER, field="rack", values=("2",))


EVEN = Constraint(operator=Operator.GROUP_BY, field="rack", values=("3",), mode=GroupByMode.QUOTA)


KEEPING = (
    *(Rules(), Rules(), Rules(constraints=(UNIQUE,)), Rules(constraints=(TWO_A_RACK,)), Rules(constraints=(EVEN,))),
    *(Rules(spread=(Spread(over="rack"), Spread(over="hostname", within=("rack",), weight=20))), Rules(sticky=True)),
    *(Rules(sticky=True, sticky_wait_seconds=10.0), Rules(sticky=True, sticky_wait_seconds=STICKY_ALWAYS)),
    Rules(strategy=Strategy.PACK, near=(Neighbour(to=Selector(service="db"), weight=30),)),
)
"""Rules that can always be kept on agents in these racks."""


CLASHING = (
    Rules(apart=(Neighbour(to=Selector(service="job")),)),
    Rules(apart=(Neighbour(to=Selector(service="web"), field="rack"),)),
    Rules(near=(Neighbour(to=Selector(service="db"), field="rack"),)),
)
"""Rules that others may make impossible to keep."""


def groups_with(*rules: Rules) -> some.SearchStrategy[list[Group]]:
    """A few groups of one stack, some with one on every agent."""
    many = some.builds(
        group,
        some.sampled_from(["shop/web", "shop/db", "shop/job"]),
        some.sampled_from([(), ("dev",), ("prod",)]),
        instances=some.integers(0, 4),
        image=some.sampled_from(["a:1", "a:2"]),
        restart=some.sampled_from([Restart.ALWAYS, Restart.ALWAYS, Restart.ON_FAILURE]),
        rules=some.sampled_from(rules),
    )
    everywhere = some.builds(
        group,
        some.sampled_from(["shop/web", "shop/logs"]),
        image=some.sampled_from(["a:1", "a:2"]),
        mode=some.just(Mode.GLOBAL),
        resources=some.just(Resources(cpus_milli=100, mem_mib=32)),
        rules=some.sampled_from([Rules(), Rules(constraints=(Constraint(operator=Operator.IS_SET, field="rack"),))]),
    )
    return some.lists(some.one_of(many, many, everywhere), min_size=1, max_size=4, unique_by=lambda group: group.id)


class World(RuleBasedStateMachine):
    """A Mesos that knows what it was told, and a user. `running` is what truly runs, `away` what cannot be reached."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.talk = self.a_scheduler()
        self.agents: dict[int, AgentState] = dict.fromkeys(RACKS, AgentState.ACTIVE)
        self.running: dict[TaskId, Task] = {}
        self.away: dict[TaskId, Task] = {}
        self.was_away: dict[TaskId, None] = {}
        self.launched: dict[TaskId, GroupSpec | None] = {}
        self.requests = 1000
        self.connected = False

    def a_scheduler(self) -> Conversation:
        talk = Conversation(shelf=self.shelf)
        talk.attributes = {number: {"rack": rack} for number, rack in RACKS.items()}
        return talk

    # ---- Mesos ------------------------------------------------------------------

    def told_agents(self) -> tuple[Agent, ...]:
        """The master's report of its agents."""
        return tuple(self.talk.agent(number, state=state) for number, state in sorted(self.agents.items()))

    def hear(self, commands: list[Command], lost: bool = False) -> None:
        """Does what it is told, or loses it."""
        specs = self.talk.scheduler.context.state.specs
        for command in commands:
            if isinstance(command, Accept):
                for launch in command.launches:
                    assert launch.task.id in self.shelf.tasks, "launched before its intent was stored"
                    assert launch.task.id not in self.launched, "launched twice"
                    # What only removes containers may be of a group that is desired no longer, and is under no rule.
                    spec = None if launch.task.sweeps else specs[launch.task.group]
                    self.launched[launch.task.id] = spec
                    if not lost:
                        self.running[launch.task.id] = launch.task
            elif isinstance(command, Kill) and not lost and command.task_id in self.running:
                if not self.running[command.task_id].sweeps:  # which ends by itself
                    del self.running[command.task_id]
                    self.tell(command.task_id, TaskState.KILLED)
            elif isinstance(command, Reconcile) and not lost:
                self.reconcile(command)

    def reconcile(self, command: Reconcile) -> None:
        for id, _ in command.tasks:
            if id in self.away:
                self.tell(id, TaskState.UNREACHABLE)
            elif id not in self.running:
                self.tell(id, TaskState.GONE)
        if not command.tasks:
            for id in list(self.running):
                self.tell(id, TaskState.RUNNING)

    def tell(self, id: TaskId, state: TaskState) -> None:
        task = self.talk.scheduler.context.state.tasks.get(id)
        agent = task.agent_id if task else None
        self.hear(self.talk.say(StatusReceived(status=Status(task_id=id, state=state, agent_id=agent))))

    def do_well(self, id: TaskId) -> None:
        """A task runs; one that sweeps finds nothing left to remove."""
        if self.running[id].sweeps:
            del self.running[id]
            self.tell(id, TaskState.FINISHED)
        else:
            self.tell(id, TaskState.RUNNING)

    def wait(self, seconds: float, lost: bool = False) -> None:
        """Lets time go by; what is said meanwhile is heard at its time."""
        end = self.talk.now + seconds
        for _ in range(2000):
            wakes_at = self.talk.scheduler.wakes_at()
            if wakes_at is None or wakes_at > end:
                self.talk.now = end
                return
            self.talk.now = max(self.talk.now, wakes_at)
            self.hear(self.talk.say(Woke()), lost)
        raise AssertionError("woken without end")

    # ---- the cruel act ------------------------------------------------------------

    @initialize(desired=groups_with(*KEEPING, *CLASHING))
    def begin(self, desired: list[Group]) -> None:
        self.connect()
        self.submit(desired)
        self.thrive()

    @precondition(lambda self: self.connected)
    @rule()
    def thrive(self) -> None:
        """For a while all goes well."""
        for _ in range(3):
            active = [number for number, state in sorted(self.agents.items()) if state is AgentState.ACTIVE]
            offers = tuple(self.talk.offer(number, cpus=2) for number in active)
            self.hear(self.talk.say(OffersReceived(offers=offers)))
            self.wait(1.2)
            for id in list(self.running):
                self.do_well(id)

    @rule(desired=groups_with(*KEEPING, *CLASHING))
    def submit(self, desired: list[Group]) -> None:
        self.requests += 1
        self.hear(self.talk.say(StackSubmitted(request_id=self.requests, stack=stack(*desired))))

    @rule(
        kind=some.sampled_from([RestartRequested, StopRequested, StartRequested]),
        pattern=some.sampled_from(["shop", "shop/web"]),
    )
    def ask(self, kind: Any, pattern: str) -> None:
        self.requests += 1
        self.hear(self.talk.say(kind(request_id=self.requests, pattern=pattern)))

    @rule(instances=some.integers(0, 5))
    def scale(self, instances: int) -> None:
        self.requests += 1
        self.hear(self.talk.say(ScaleRequested(request_id=self.requests, pattern="shop/*", instances=instances)))

    @rule()
    def remove(self) -> None:
        self.requests += 1
        self.hear(self.talk.say(StackRemoved(request_id=self.requests, name="shop")))

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        self.hear(self.talk.subscribe(*self.told_agents()))

    @precondition(lambda self: self.connected)
    @rule()
    def disconnect(self) -> None:
        self.connected = False
        self.hear(self.talk.say(Disconnected(problem="the master is away")), lost=True)

    @precondition(lambda self: self.connected)
    @rule(lost=some.booleans(), cpus=some.integers(1, 4), numbers=some.sets(some.sampled_from(sorted(RACKS))))
    def offer(self, lost: bool, cpus: int, numbers: set[int]) -> None:
        active = [number for number in sorted(numbers) if self.agents.get(number) is AgentState.ACTIVE]
        offers = tuple(self.talk.offer(number, cpus=cpus) for number in active)
        self.hear(self.talk.say(OffersReceived(offers=offers)), lost)
        self.wait(0.1, lost)

    @precondition(lambda self: self.connected)
    @rule(is_told=some.booleans())
    def report(self, is_told: bool) -> None:
        event = AgentsReported(agents=self.told_agents()) if is_told else AgentsReported(problem="no answer in 5 s")
        self.hear(self.talk.say(event))

    @rule(number=some.sampled_from(sorted(RACKS)), state=some.sampled_from(AgentState))
    def change_agent(self, number: int, state: AgentState) -> None:
        """An agent joins, drains, is away for a while, or comes back; nobody tells before the next report."""
        self.agents[number] = state

    @precondition(lambda self: self.connected and len(self.agents) > 1)
    @rule(data=some.data())
    def lose_agent(self, data: some.DataObject) -> None:
        """Mesos removes an agent and ends its tasks."""
        self.lose(data.draw(some.sampled_from(sorted(self.agents))))

    def lose(self, number: int) -> None:
        del self.agents[number]
        id = AgentId(f"agent-{number}")
        for tasks in (self.running, self.away):
            for task in [task for task in tasks.values() if task.agent_id == id]:
                del tasks[task.id]
                self.tell(task.id, TaskState.GONE)
        self.hear(self.talk.say(AgentRemoved(agent_id=id)))

    @precondition(lambda self: self.connected and self.running)
    @rule(data=some.data(), state=some.sampled_from(ENDS))
    def end(self, data: some.DataObject, state: TaskState) -> None:
        id = data.draw(some.sampled_from(sorted(self.running)))
        del self.running[id]
        self.tell(id, state)

    @precondition(lambda self: self.connected and self.running)
    @rule(data=some.data())
    def run(self, data: some.DataObject) -> None:
        self.tell(data.draw(some.sampled_from(sorted(self.running))), TaskState.RUNNING)

    @precondition(lambda self: self.connected and self.running)
    @rule(data=some.data())
    def leave(self, data: some.DataObject) -> None:
        id = data.draw(some.sampled_from(sorted(self.running)))
        self.away[id] = self.running.pop(id)
        self.was_away[id] = None
        self.tell(id, TaskState.UNREACHABLE)

    @precondition(lambda self: self.connected and self.away)
    @rule(data=some.data())
    def come_back(self, data: some.DataObject) -> None:
        id = data.draw(some.sampled_from(sorted(self.away)))
        self.running[id] = self.away.pop(id)
        self.tell(id, TaskState.RUNNING)

    @rule()
    def crash(self) -> None:
        """kill -9, and the next one starts from the store."""
        now = self.talk.now
        self.connected = False
        self.talk = self.a_scheduler()
        self.talk.now = now

    @rule(seconds=some.sampled_from([0.05, 1.0, 20.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        self.wait(seconds, lost=not self.connected)

    @invariant()
    def no_slot_runs_twice_where_both_can_be_reached(self) -> None:
        state = self.talk.scheduler.context.state
        wanted = [
            (task.group, task.slot)
            for id in self.running
            if (task := state.tasks.get(id)) is not None
            and task.goal is Goal.RUN
            and task.state.is_lively
            and task.beside is None  # one that is to follow is there beside it
        ]
        assert len(wanted) == len(set(wanted))

    @invariant()
    def no_hard_rule_is_broken_by_those_launched_under_it(self) -> None:
        """But by those that nobody could reach, while others took their places."""
        seen: Counter[tuple[GroupId, str, str]] = Counter()
        for id, task in self.running.items():
            if id in self.was_away:
                continue
            spec, rack = self.launched[id], RACKS[int(task.hostname.removeprefix("agent"))]
            if spec is None:
                continue
            known = self.talk.scheduler.context.state.tasks.get(id)
            is_alone = known is not None and known.goal is Goal.RUN and known.beside is None
            if spec.mode is Mode.GLOBAL and is_alone:
                seen[task.group, "everywhere", task.hostname] += 1
            if UNIQUE in spec.rules.constraints:
                seen[task.group, "unique", task.hostname] += 1
            if TWO_A_RACK in spec.rules.constraints:
                seen[task.group, "two a rack", rack] += 1
        assert all(count <= (2 if rule == "two a rack" else 1) for (_, rule, _), count in seen.items()), seen

    # ---- the kind act -----------------------------------------------------------------

    def teardown(self) -> None:
        """All is well again: within bounded time just what is desired runs."""
        for id in list(self.away):
            self.running[id] = self.away.pop(id)
        self.agents = dict.fromkeys(RACKS, AgentState.ACTIVE)
        if not self.connected:
            self.connect()
        self.hear(self.talk.subscribe(*self.told_agents()))
        self.wait(400)  # every back-off and launch time-out of the cruel act is over
        for _ in range(400):
            if not self.is_moving():
                break
            self.resume()
            for id in list(self.running):
                task = self.talk.scheduler.context.state.tasks[id]
                if id in self.running and (task.sweeps or task.state is not TaskState.RUNNING):
                    self.do_well(id)
            if self.talk.scheduler.context.pending or self.talk.scheduler.context.state.left:
                offers = tuple(self.talk.offer(number, cpus=16) for number in RACKS)
                self.hear(self.talk.say(OffersReceived(offers=offers)))
            self.wait(1)
        self.check_peace()

    def is_moving(self) -> bool:
        """Whether something is to be launched, stopped, replaced or removed from an agent still."""
        context = self.talk.scheduler.context
        state = [index for index in context.state.groups.values() if index.outdated or index.surge or index.outgoing]
        return bool(context.pending or state or context.state.left)

    def resume(self) -> None:
        """Somebody has rollouts go on that have failed."""
        for rollouts in list(self.talk.scheduler.context.state.rollouts.values()):
            if rollouts.current is not None and rollouts.current.state is RolloutState.FAILED:
                ask = RolloutActionRequested(request_id=9999, stack=rollouts.stack, action=RolloutAction.RESUME)
                self.hear(self.talk.say(ask))

    def excused(self) -> set[GroupId]:
        """Groups that others may keep from every agent."""
        specs = self.talk.scheduler.context.state.specs
        excused = {id for id, spec in specs.items() if spec.rules in CLASHING}
        for id, spec in specs.items():
            excused |= {other for rule in spec.rules.apart for other in specs if selects(rule.to, id, other)}
        return excused

    def check_peace(self) -> None:
        context = self.talk.scheduler.context
        assert context.connection is Connection.SUBSCRIBED and context.state.framework_id == FRAMEWORK
        assert context.outbox.is_empty
        assert not context.state.left
        excused = self.excused()
        assert [group for group in context.pending if group not in excused] == [], context.placing.causes
        lively = {id for id, task in context.state.tasks.items() if task.state.is_lively}
        assert lively == set(self.running), "the state and Mesos agree"
        for spec in context.state.specs.values():
            index = context.state.group(spec.id)
            assert not index.outgoing
            assert len(index.wanted) == (0 if spec.is_stopped else 6 if spec.mode is Mode.GLOBAL else spec.instances)
            assert set(index.holders) <= set(index.wanted)
            if spec.id not in excused:
                assert not index.outdated
                if spec.restart is Restart.ALWAYS:
                    assert sorted(index.holders) == sorted(index.wanted)
        held = {task.group for id in lively if (task := context.state.tasks[id])}
        assert held <= set(context.state.specs)
        assert self.talk.shelf.stored == Conversation(shelf=self.shelf).shelf.stored
