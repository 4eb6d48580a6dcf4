"""A conversation with the scheduler's core: events in, commands out, and a world that answers as Mesos would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from framework.core.commands import (
    Accept,
    Acknowledge,
    Command,
    DeleteAgent,
    DeleteAnswer,
    DeleteHistory,
    DeleteRollouts,
    DeleteStack,
    DeleteTask,
    DeleteVersion,
    Done,
    Kill,
    Outcome,
    PublishEvent,
    PutAgent,
    PutAnswer,
    PutFramework,
    PutHistory,
    PutRollouts,
    PutStack,
    PutTask,
    PutVersion,
    Reply,
    Save,
)
from framework.core.events import (
    AgentsReported,
    BecameLeader,
    Event,
    OffersReceived,
    Saved,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StatusReceived,
    Subscribed,
    Woke,
)
from framework.core.model import (
    Answered,
    History,
    KnownAgent,
    Rollouts,
    Settings,
    StackSpec,
    Status,
    Stored,
    Task,
    Version,
)
from framework.core.scheduler import Scheduler
from framework.core.views import AgentView, GroupView
from placement.agent import Agent
from placement.offer import Offer
from specs.ids import AgentId, ExecutorId, FrameworkId, OfferId, TaskId, VersionId, group_id
from specs.model.constraints import Mode, Rules
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Container, Dependency, Group, Restart, Retry, Stack
from specs.states import TaskState
from tests.kit.invariants import check

SETTINGS = Settings(executor_id=ExecutorId("executor-1"), executor_resources=Resources(cpus_milli=100, mem_mib=32))
FRAMEWORK = FrameworkId("framework-0001")


def group(
    name: str = "shop/web",
    labels: Sequence[str] = (),
    *,
    instances: int = 1,
    image: str = "busybox:1",
    restart: Restart = Restart.ALWAYS,
    retry: Retry | None = None,
    dependencies: tuple[Dependency, ...] = (),
    resources: Resources | None = None,
    container: Container | None = None,
    mode: Mode = Mode.REPLICATED,
    rules: Rules | None = None,
) -> Group:
    """A group with what matters in the test, and the rest at its simplest."""
    stack, _, service = name.partition("/")
    return Group(
        id=group_id(stack, service, list(labels)),
        instances=instances,
        container=container or Container(image=image),
        resources=resources or Resources(cpus_milli=500, mem_mib=64),
        restart=restart,
        retry=retry or Retry(),
        dependencies=dependencies,
        mode=mode,
        rules=rules or Rules(),
    )


def stack(*groups: Group, name: str = "shop") -> Stack:
    return Stack(name=name, groups=tuple(sorted(groups, key=lambda group: group.id)))


class Shelf:
    """The store as far as the core can tell: what was put is there."""

    def __init__(self) -> None:
        self.framework_id: FrameworkId | None = None
        self.next_serial = 1
        self.stacks: dict[str, StackSpec] = {}
        self.histories: dict[str, History] = {}
        self.versions: dict[tuple[str, VersionId], Version] = {}
        self.tasks: dict[TaskId, Task] = {}
        self.agents: dict[AgentId, KnownAgent] = {}
        self.rollouts: dict[str, Rollouts] = {}
        self.answers: dict[int, Answered] = {}

    def write(self, save: Save) -> None:
        for write in save.writes:
            match write:
                case PutFramework():
                    self.framework_id, self.next_serial = write.framework_id, write.next_serial
                case PutStack():
                    self.stacks[write.stack.name] = write.stack
                case DeleteStack():
                    del self.stacks[write.name]
                case PutHistory():
                    self.histories[write.history.stack] = write.history
                case DeleteHistory():
                    del self.histories[write.stack]
                case PutVersion():
                    self.versions[write.version.stack, write.version.id] = write.version
                case DeleteVersion():
                    del self.versions[write.stack, write.id]
                case PutTask():
                    self.tasks[write.task.id] = write.task
                case DeleteTask():
                    self.tasks.pop(write.id, None)
                case PutAgent():
                    self.agents[write.agent.id] = write.agent
                case DeleteAgent():
                    self.agents.pop(write.id, None)
                case PutRollouts():
                    self.rollouts[write.rollouts.stack] = write.rollouts
                case DeleteRollouts():
                    del self.rollouts[write.stack]
                case PutAnswer():
                    self.answers[write.answer.number] = write.answer
                case DeleteAnswer():
                    del self.answers[write.number]

    @property
    def stored(self) -> Stored:
        return Stored(
            framework_id=self.framework_id,
            next_serial=self.next_serial,
            stacks=tuple(self.stacks.values()),
            versions=tuple(self.versions.values()),
            tasks=tuple(self.tasks.values()),
            agents=tuple(self.agents.values()),
            rollouts=tuple(self.rollouts.values()),
            histories=tuple(self.histories.values()),
            answers=tuple(self.answers.values()),
        )


class Conversation:
    """Says events to a Scheduler and remembers its commands. Saves are answered at once unless `holds_saves`."""

    def __init__(self, stored: Stored | None = None, settings: Settings = SETTINGS, shelf: Shelf | None = None) -> None:
        self.scheduler = Scheduler(settings)
        self.shelf = shelf or Shelf()
        self.now = 1_000_000.0
        self.holds_saves = False
        self.heard: list[Command] = []
        self.held: list[Save] = []
        self.attributes: dict[int, dict[str, str]] = {}
        """Of agents by number, for those that have some: in their offers and in reports."""
        self._requests = 0
        self._offers = 0
        self.say(BecameLeader(stored=stored or self.shelf.stored))

    # ---- saying ---------------------------------------------------------------

    def say(self, *events: Event) -> list[Command]:
        """Says events; returns the commands that came of them, those after their saves included."""
        heard: list[Command] = []
        todo = list(events)
        while todo:
            commands = self.scheduler.handle(todo.pop(0), self.now)
            heard += commands
            for command in commands:
                if isinstance(command, Save):
                    if self.holds_saves:
                        self.held.append(command)
                    else:
                        self.shelf.write(command)
                        todo.append(Saved(ticket=command.ticket))
            check(self.scheduler)
        self.heard += heard
        return heard

    def release(self) -> list[Command]:
        """Answers the held saves."""
        self.holds_saves = False
        held, self.held = self.held, []
        for save in held:
            self.shelf.write(save)
        return self.say(*(Saved(ticket=save.ticket) for save in held))

    def wait(self, seconds: float) -> list[Command]:
        """Lets time go by, waking the scheduler whenever it wants to be woken."""
        end = self.now + seconds
        heard: list[Command] = []
        for _ in range(10_000):
            wakes_at = self.scheduler.wakes_at()
            if wakes_at is None or wakes_at > end:
                self.now = end
                return heard
            self.now = max(self.now, wakes_at)
            heard += self.say(Woke())
        raise AssertionError(f"the scheduler wants to be woken without end, at {self.scheduler.wakes_at()}")

    def subscribe(self, *agents: Agent, region: str = "") -> list[Command]:
        """Subscribes; the master tells these agents, or else three, of which it is not known what they have."""
        told = agents or (self.agent(1), self.agent(2), self.agent(3))
        subscribed = Subscribed(framework_id=FRAMEWORK, master="127.0.0.1:5050", region=region)
        return self.say(subscribed, AgentsReported(agents=told))

    def report(self, *agents: Agent) -> list[Command]:
        """Says that these are all the agents, and waits until that was looked at."""
        return self.say(AgentsReported(agents=agents)) + self.wait(0.1)

    def agent(self, number: int = 1, **more: Any) -> Agent:
        """An agent as the master tells of it; not said yet."""
        agent = Agent(
            id=AgentId(f"agent-{number}"),
            hostname=f"agent{number}",
            address=f"127.0.1.{number}",
            port=5051,
            attributes=tuple(sorted(self.attributes.get(number, {}).items())),
        )
        return replace(agent, **more)

    def offer(
        self,
        agent: int = 1,
        *,
        cpus: float = 4,
        mem: int = 4096,
        ports: tuple[int, int] = (31000, 31999),
        **more: Any,
    ) -> Offer:
        """An offer of an agent; not said yet."""
        self._offers += 1
        offer = Offer(
            id=OfferId(f"offer-{self._offers}"),
            agent_id=AgentId(f"agent-{agent}"),
            hostname=f"agent{agent}",
            address=f"127.0.1.{agent}",
            agent_port=5051,
            role="*",
            resources=Resources(cpus_milli=round(cpus * 1000), mem_mib=mem, ports=PortRanges.of([ports])),
            attributes=tuple(sorted(self.attributes.get(agent, {}).items())),
        )
        return replace(offer, **more)

    def offers(self, *offers: Offer) -> list[Command]:
        """Says the offers, and waits until they were looked at."""
        heard = self.say(OffersReceived(offers=offers or (self.offer(1), self.offer(2), self.offer(3))))
        return heard + self.wait(0.1)

    def submit(self, desired: Stack) -> Outcome:
        self._requests += 1
        request = self._requests
        return outcome(self.say(StackSubmitted(request_id=request, stack=desired)), request)

    def remove(self, name: str = "shop") -> Outcome:
        self._requests += 1
        request = self._requests
        return outcome(self.say(StackRemoved(request_id=request, name=name)), request)

    def status(self, task: Task | TaskId, state: TaskState, **more: Any) -> list[Command]:
        """Says a status of a task, with a uuid."""
        id = task.id if isinstance(task, Task) else task
        known = self.scheduler.context.state.tasks.get(id)
        agent = known.agent_id if known else AgentId("agent-1")
        status = Status(task_id=id, state=state, agent_id=agent, uuid=f"uuid-{state}")
        return self.say(StatusReceived(status=replace(status, **more)))

    def run(self, *tasks: Task) -> list[Command]:
        """Lets tasks start and run."""
        heard: list[Command] = []
        for task in tasks:
            heard += self.status(task, TaskState.STARTING)
            heard += self.status(task, TaskState.RUNNING)
        return heard

    # ---- looking ----------------------------------------------------------------

    @property
    def tasks(self) -> list[Task]:
        """Living tasks by slot."""
        tasks = [task for task in self.scheduler.context.state.tasks.values() if task.state.is_lively]
        return sorted(tasks, key=lambda task: (task.group, task.slot, task.launched_at))

    def up(self, *groups: Group) -> None:
        """Subscribes, submits and lets everything run on three agents."""
        self.subscribe()
        assert isinstance(self.submit(stack(*groups)), Done)
        self.offers()
        self.run(*self.tasks)


def outcome(heard: list[Command], request_id: int) -> Outcome:
    """The one answer to a request."""
    replies = [command.outcome for command in heard if isinstance(command, Reply) and command.request_id == request_id]
    assert len(replies) == 1, f"wanted one answer to request {request_id}, got {replies}"
    return replies[0]


def launched(heard: list[Command]) -> list[Task]:
    """The tasks of all Accepts."""
    return [launch.task for command in heard if isinstance(command, Accept) for launch in command.launches]


def killed(heard: list[Command]) -> list[TaskId]:
    return [command.task_id for command in heard if isinstance(command, Kill)]


def acknowledged(heard: list[Command]) -> list[TaskId]:
    return [command.task_id for command in heard if isinstance(command, Acknowledge)]


def announced(heard: list[Command]) -> list[str]:
    return [command.kind for command in heard if isinstance(command, PublishEvent)]


def only_view(talk: Conversation, name: str = "shop", index: int = 0) -> GroupView:
    return talk.scheduler.view(talk.now).stacks[name].groups[index]


def cause(talk: Conversation) -> str:
    return talk.scheduler.view(talk.now).stacks["shop"].groups[0].waiting[0].cause


def scale(talk: Conversation, instances: int) -> None:
    talk.say(ScaleRequested(request_id=99, pattern="shop", instances=instances))


def agent_view(talk: Conversation, number: int) -> AgentView:
    return talk.scheduler.view(talk.now).agents[f"agent-{number}"]


def agents_of(tasks: list[Task]) -> list[AgentId]:
    return [task.agent_id for task in tasks]
