"""Whatever users, Mesos and crashes do: once they are kind again, just what is wished runs, each slot once."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from framework.core.commands import Accept, Command, Kill, Reconcile
from framework.core.events import (
    Disconnected,
    OffersReceived,
    RestartAsked,
    ScaleAsked,
    StackRemoved,
    StackSubmitted,
    StartAsked,
    StatusReceived,
    StopAsked,
    Woke,
)
from framework.core.model import Status, Task
from framework.core.views import Connection
from specs.ids import TaskId
from specs.stack import Dependency, Group, Restart
from specs.states import TaskState
from tests.kit.conversation import FRAMEWORK, Conversation, Shelf, group, stack

ENDS = (TaskState.FINISHED, TaskState.FAILED, TaskState.KILLED, TaskState.LOST)
groups = some.lists(
    some.builds(
        group,
        some.sampled_from(["shop/web", "shop/db", "shop/job"]),
        some.sampled_from([(), ("dev",), ("prod",)]),
        instances=some.integers(0, 4),
        image=some.sampled_from(["a:1", "a:2"]),
        restart=some.sampled_from([Restart.ALWAYS, Restart.ALWAYS, Restart.ON_FAILURE]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda group: group.id,
)


class World(RuleBasedStateMachine):
    """A Mesos that knows what it was told, and a user. `running` is what truly runs."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.talk = Conversation(shelf=self.shelf)
        self.running: dict[TaskId, Task] = {}
        self.away: dict[TaskId, Task] = {}
        self.launched: dict[TaskId, None] = {}
        self.requests = 1000
        self.connected = False

    # ---- Mesos ------------------------------------------------------------------

    def hear(self, commands: list[Command], lost: bool = False) -> None:
        """Does what it is told, or loses it."""
        for command in commands:
            if isinstance(command, Accept):
                for launch in command.launches:
                    assert launch.task.id in self.shelf.tasks, "launched before its intent was stored"
                    assert launch.task.id not in self.launched, "launched twice"
                    self.launched[launch.task.id] = None
                    if not lost:
                        self.running[launch.task.id] = launch.task
            elif isinstance(command, Kill) and not lost and command.task_id in self.running:
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
        task = self.talk.scheduler.context.books.tasks.get(id)
        agent = task.agent_id if task else None
        self.hear(self.talk.say(StatusReceived(status=Status(task_id=id, state=state, agent_id=agent))))

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

    @rule(wished=groups)
    def submit(self, wished: list[Group]) -> None:
        self.requests += 1
        self.hear(self.talk.say(StackSubmitted(request_id=self.requests, stack=stack(*wished))))

    @rule(
        kind=some.sampled_from([RestartAsked, StopAsked, StartAsked]), pattern=some.sampled_from(["shop", "shop/web"])
    )
    def ask(self, kind: Any, pattern: str) -> None:
        self.requests += 1
        self.hear(self.talk.say(kind(request_id=self.requests, pattern=pattern)))

    @rule(instances=some.integers(0, 5))
    def scale(self, instances: int) -> None:
        self.requests += 1
        self.hear(self.talk.say(ScaleAsked(request_id=self.requests, pattern="shop/*", instances=instances)))

    @rule()
    def remove(self) -> None:
        self.requests += 1
        self.hear(self.talk.say(StackRemoved(request_id=self.requests, name="shop")))

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        self.hear(self.talk.subscribe())

    @precondition(lambda self: self.connected)
    @rule()
    def disconnect(self) -> None:
        self.connected = False
        self.hear(self.talk.say(Disconnected(problem="the master is away")), lost=True)

    @precondition(lambda self: self.connected)
    @rule(lost=some.booleans(), cpus=some.integers(1, 4))
    def offer(self, lost: bool, cpus: int) -> None:
        offers = tuple(self.talk.offer(agent, cpus=cpus) for agent in (1, 2))
        self.hear(self.talk.say(OffersReceived(offers=offers)), lost)
        self.wait(0.1, lost)

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
        self.talk = Conversation(shelf=self.shelf)
        self.talk.now = now

    @rule(seconds=some.sampled_from([0.05, 1.0, 20.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        self.wait(seconds, lost=not self.connected)

    @invariant()
    def no_slot_runs_twice_where_both_can_be_reached(self) -> None:
        books = self.talk.scheduler.context.books
        wanted = [
            (task.group, task.slot)
            for id in self.running
            if (task := books.tasks.get(id)) is not None and task.goal.value == "RUN" and task.state.is_lively
        ]
        assert len(wanted) == len(set(wanted))

    # ---- the kind act -----------------------------------------------------------------

    def teardown(self) -> None:
        """All is well again: within bounded time just what is wished runs."""
        for id in list(self.away):
            self.running[id] = self.away.pop(id)
        if not self.connected:
            self.connect()
        self.hear(self.talk.subscribe())
        self.wait(400)  # every back-off and launch time-out of the cruel act is over
        for _ in range(40):
            for id in list(self.running):
                task = self.talk.scheduler.context.books.tasks[id]
                if id in self.running and task.state is not TaskState.RUNNING:
                    self.tell(id, TaskState.RUNNING)
            if self.talk.scheduler.context.pending:
                offers = tuple(self.talk.offer(agent, cpus=16) for agent in (1, 2, 3))
                self.hear(self.talk.say(OffersReceived(offers=offers)))
            self.wait(1)
        self.check_peace()

    def check_peace(self) -> None:
        context = self.talk.scheduler.context
        assert context.connection is Connection.SUBSCRIBED and context.books.framework_id == FRAMEWORK
        assert context.outbox.is_empty
        assert context.pending == {}, context.causes
        lively = {id for id, task in context.books.tasks.items() if task.state.is_lively}
        assert lively == set(self.running), "the books and Mesos agree"
        for wish in context.books.wishes.values():
            book = context.books.group(wish.id)
            assert not book.leaving and not book.outdated
            if wish.restart is Restart.ALWAYS:
                assert sorted(book.seats) == list(range(wish.wanted))
            assert set(book.seats) <= set(range(wish.wanted))
        held = {task.group for id in lively if (task := context.books.tasks[id])}
        assert held <= set(context.books.wishes)
        assert self.talk.shelf.stored == Conversation(shelf=self.shelf).shelf.stored


def test_every_history_ends_in_peace() -> None:
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@given(wished=groups)
@settings(max_examples=40, deadline=None)
def test_a_converged_stack_stays_so(wished: list[Group]) -> None:
    talk = Conversation()
    talk.up(*wished)
    for _ in range(4):
        talk.offers(*(talk.offer(agent, cpus=16) for agent in (1, 2, 3)))
        talk.run(*(task for task in talk.tasks if task.state is TaskState.INTENT))
    before = {task.id for task in talk.tasks}
    assert len(before) == sum(group.instances for group in wished)
    heard = talk.wait(550) + talk.offers()
    assert not [command for command in heard if isinstance(command, Accept | Kill)]
    assert {task.id for task in talk.tasks} == before


def test_dependencies_are_part_of_peace() -> None:
    world = World()
    wished = [group("shop/web", dependencies=(Dependency(service="db"),), instances=2), group("shop/db")]
    world.submit(wished)
    world.teardown()
    assert len(world.running) == 3
