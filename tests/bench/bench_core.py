"""The scheduler's core alone: events in, commands out, a store that has saved before it is asked."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from framework.core.commands import Accept, Command, Kill, Launch, Save
from framework.core.events import (
    AgentsReported,
    BecameLeader,
    Event,
    OffersReceived,
    RestartRequested,
    Saved,
    StackRemoved,
    StackSubmitted,
    StatusReceived,
    Subscribed,
    Woke,
)
from framework.core.model import Settings, Status, Stored
from framework.core.scheduler import Scheduler
from framework.recorder import Recorder
from placement.agent import Agent
from placement.cluster import Cluster
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import place
from placement.offer import Offer
from placement.request import Overhead, Request
from specs.ids import AgentId, ExecutorId, FrameworkId, OfferId, TaskId, VersionId, group_id
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Container, Group, Stack
from specs.states import TaskState
from tests.bench.report import Bench, Row

EXECUTOR = ExecutorId("executor-1")
OVERHEAD = Resources(cpus_milli=100, mem_mib=64)
SETTINGS = Settings(executor_id=EXECUTOR, executor_resources=OVERHEAD)
TASKS_PER_AGENT = 50
VIEW_EVERY = 200
"""Events between two views for readers, as the loop has it under load."""


@dataclass(slots=True)
class Phase:
    """The cost of one part of the way, in seconds of CPU: in the core's steps, in the journal of them, and in views for
    readers."""

    seconds: float = 0.0
    journal_seconds: float = 0.0
    views: int = 0
    view_seconds: float = 0.0


class World:
    """A scheduler, and Mesos as far as it goes: everything it asks for happens at once."""

    def __init__(self, agents: int, groups: int = 1, recorder: Recorder | None = None) -> None:
        self.scheduler = Scheduler(SETTINGS)
        self._recorder = recorder
        self.now = 1_000_000.0
        self.launches: list[Launch] = []
        self.kills: list[TaskId] = []
        self.agents: dict[TaskId, AgentId] = {}
        self._offer_ids = itertools.count(1)
        self._requests = itertools.count(1)
        self._agents = agents
        self._groups = groups
        self._events = 0
        self._phase = Phase()
        self._done: list[tuple[Event, float, tuple[Command, ...]]] = []
        subscribed = Subscribed(framework_id=FrameworkId("bench"), master="127.0.0.1:5050")
        self._say(BecameLeader(stored=Stored()), subscribed, AgentsReported(agents=tuple(reported(agents))))
        self.take()

    def take(self) -> Phase:
        """The work since the last call."""
        self.record()
        phase, self._phase = self._phase, Phase()
        return phase

    def submit(self, tasks: int) -> None:
        """A stack of `tasks` in all, its groups alike, and then the offers that they fit on."""
        each = tasks // self._groups
        groups = tuple(
            Group(
                id=group_id("bench", f"task{number:05}", []),
                instances=each,
                container=Container(image="none"),
                resources=Resources(cpus_milli=10, mem_mib=4),
            )
            for number in range(self._groups)
        )
        self._say(StackSubmitted(request_id=next(self._requests), stack=Stack(name="bench", groups=groups)))
        self.offer()

    def offer(self) -> None:
        """An offer of each agent."""
        self._say(OffersReceived(offers=tuple(offers(self._agents, self._offer_ids))))
        self.pass_time(0.1)

    def restart(self) -> None:
        """Asks for another task in each slot."""
        self._say(RestartRequested(request_id=next(self._requests), pattern="bench"))

    def remove(self) -> None:
        """Removes the stack."""
        self._say(StackRemoved(request_id=next(self._requests), name="bench"))

    def tell(self, state: TaskState, tasks: Iterable[TaskId]) -> None:
        """A status of each task."""
        for id in tasks:
            status = Status(task_id=id, state=state, agent_id=self.agents[id], uuid=f"{state}-{id}")
            self._say(StatusReceived(status=status))

    def taken_launches(self) -> list[TaskId]:
        """The tasks launched since the last call."""
        launches, self.launches = self.launches, []
        self.agents |= {launch.task.id: launch.task.agent_id for launch in launches}
        return [launch.task.id for launch in launches]

    def taken_kills(self) -> list[TaskId]:
        """The tasks killed since the last call."""
        kills, self.kills = self.kills, []
        return kills

    def offer_one(self) -> None:
        """An offer of the first agent, with room for all that was there."""
        self._say(OffersReceived(offers=tuple(offers(1, self._offer_ids))))
        self.pass_time(1.1)

    def pass_time(self, seconds: float) -> None:
        """Wakes the scheduler as it wants to be woken."""
        end = self.now + seconds
        while (at := self.scheduler.wakes_at()) is not None and at <= end:
            self.now = max(self.now, at)
            self._say(Woke())
        self.now = end

    def record(self) -> None:
        """Tells the recorder what was done since it was last told: looking at the clock for each event would count."""
        if self._recorder is None:
            return
        begin = time.thread_time()
        for event, now, commands in self._done:
            self._recorder.begin(event, now)
            self._recorder.end(commands)
        self._recorder.flush()
        self._phase.journal_seconds += time.thread_time() - begin
        self._done.clear()

    def _say(self, *events: Event) -> None:
        todo = deque(events)
        while todo:
            event = todo.popleft()
            begin = time.thread_time()
            commands = self.scheduler.handle(event, self.now)
            self._phase.seconds += time.thread_time() - begin
            if self._recorder is not None:
                self._done.append((event, self.now, commands))
            self._events += 1
            for command in commands:
                if isinstance(command, Save):
                    todo.append(Saved(ticket=command.ticket))
                elif isinstance(command, Accept):
                    self.launches += command.launches
                elif isinstance(command, Kill):
                    self.kills.append(command.task_id)
            if self._events % VIEW_EVERY == 0:
                self.record()
                begin = time.thread_time()
                self.scheduler.view(self.now)
                self._phase.view_seconds += time.thread_time() - begin
                self._phase.views += 1


def offers(count: int, ids: Iterable[int]) -> Iterable[Offer]:
    """An offer of each of so many agents, each good for TASKS_PER_AGENT tasks."""
    amount = Resources(
        cpus_milli=100 + 10 * TASKS_PER_AGENT, mem_mib=64 + 4 * TASKS_PER_AGENT, ports=PortRanges.of([(31000, 31999)])
    )
    for number, id in zip(range(1, count + 1), ids, strict=False):
        yield Offer(
            id=OfferId(f"offer-{id}"),
            agent_id=AgentId(f"agent-{number}"),
            hostname=f"agent{number}",
            address=_address(number),
            agent_port=5051,
            role="*",
            resources=amount,
        )


def reported(count: int) -> Iterable[Agent]:
    """The master's report of so many agents."""
    for number in range(1, count + 1):
        yield Agent(id=AgentId(f"agent-{number}"), hostname=f"agent{number}", address=_address(number), port=5051)


def _address(number: int) -> str:
    return f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def way(tasks: int, groups: int, recorder: Recorder | None = None) -> dict[str, Phase]:
    """submit -> launched -> running -> removed."""
    world = World(agents=-(-tasks // TASKS_PER_AGENT), groups=groups, recorder=recorder)
    phases = {}
    world.submit(tasks)
    launched = world.taken_launches()
    if len(launched) != tasks:
        raise RuntimeError(f"wanted {tasks} launches, got {len(launched)}")
    phases["submit → launched"] = world.take()
    world.tell(TaskState.STARTING, launched)
    world.tell(TaskState.RUNNING, launched)
    phases["launched → running"] = world.take()
    world.remove()
    killed = world.taken_kills()
    world.tell(TaskState.KILLING, killed)
    world.tell(TaskState.KILLED, killed)
    if world.scheduler.context.state.tasks:
        raise RuntimeError(f"wanted no task after the removal, got {len(world.scheduler.context.state.tasks)}")
    phases["removed → gone"] = world.take()
    return phases


def restarting(tasks: int) -> Phase:
    """Every task of a group replaced by another, one after the other."""
    world = World(agents=-(-tasks // TASKS_PER_AGENT))
    world.submit(tasks)
    world.tell(TaskState.RUNNING, world.taken_launches())
    world.take()
    world.restart()
    for _ in range(tasks):
        world.tell(TaskState.KILLED, world.taken_kills())
        world.offer_one()
        world.tell(TaskState.RUNNING, world.taken_launches())
    return world.take()


def placing(agents: int, tasks: int, groups: int) -> float:
    """Seconds of one place() of so many tasks on as many offers as there are agents."""
    requests = [
        Request(
            group=group_id("bench", f"task{number:05}", []),
            version=VersionId("0"),
            slots=tuple(range(tasks // groups)),
            instances=tasks // groups,
            resources=Resources(cpus_milli=10, mem_mib=4),
            host_ports=(None,),
        )
        for number in range(groups)
    ]
    snapshot = ClusterSnapshot(
        cluster=Cluster(reported(agents)),
        free={offer.agent_id: offer.resources for offer in offers(agents, itertools.count(1))},
        overhead=Overhead(resources=OVERHEAD),
    )
    begin = time.perf_counter()
    result = place(requests, snapshot, seed=1)
    seconds = time.perf_counter() - begin
    if len(result.placements) != tasks // groups * groups:
        raise RuntimeError(f"wanted {tasks} placements, got {len(result.placements)}")
    return seconds


def recording(tasks: int) -> tuple[float, float]:
    """CPU seconds from submit to removal: of the core, and of the journal of it; of three runs the one in which the
    journal took the smallest part. Both are of the same run: a busy machine slows both."""
    found = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as directory:
            recorder = Recorder(Path(directory) / "journal", SETTINGS)
            phases = way(tasks, 10, recorder).values()
            recorder.close()
        found.append((sum(phase.seconds for phase in phases), sum(phase.journal_seconds for phase in phases)))
    return min(found, key=lambda each: each[1] / each[0])


def run(is_quick: bool) -> list[Row]:
    """All of it; the ratio of a size is its time per event to that of the smallest."""
    rows = []
    first: dict[str, float] = {}
    for groups in (1, 100):
        for tasks in (100, 1_000) if is_quick else (1_000, 10_000, 50_000):
            size = f"{tasks:,} tasks in {groups} group{'s' * (groups > 1)}"
            phases = way(tasks, groups)
            for phase, found in phases.items():
                per_task = found.seconds / tasks
                ratio = per_task / first.setdefault(f"{phase}, {groups} groups", per_task)
                rows.append(Row(name=f"{size}: {phase}", figure=1 / per_task, unit="tasks/s", ratio=ratio, at_most=2.0))
            running = phases["launched → running"]
            milliseconds = running.view_seconds / running.views * 1000 if running.views else 0.0
            rows.append(Row(name=f"{size}: a view for readers", figure=milliseconds, unit="ms"))
    for tasks in (100,) if is_quick else (250, 1_000, 2_000):
        found = restarting(tasks)
        ratio = found.seconds / tasks / first.setdefault("restart", found.seconds / tasks)
        name = f"{tasks:,} tasks in 1 group: restarted one by one"
        rows.append(Row(name=name, figure=tasks / found.seconds, unit="tasks/s", ratio=ratio, at_most=2.0))
    for tasks in (100,) if is_quick else (5_000,):
        core, journal = recording(tasks)
        name = f"{tasks:,} tasks in 10 groups, submitted to removed: the journal of it; to the core's own time"
        rows.append(Row(name=name, figure=journal, unit="CPU s", ratio=journal / core, at_most=0.1))
    for agents, tasks, groups in (
        ((100, 100, 1),)
        if is_quick
        else (
            (1_000, 1_000, 1),
            (10_000, 1_000, 1),
            (1_000, 10_000, 1),
            (10_000, 10_000, 1),
            (1_000, 10_000, 100),
            (10_000, 10_000, 100),
        )
    ):
        seconds = placing(agents, tasks, groups)
        name = f"place {tasks:,} tasks of {groups} group{'s' * (groups > 1)} on {agents:,} offers"
        rows.append(Row(name=name, figure=seconds, unit="s"))
    return rows


BENCH = Bench(
    name="core",
    title="The core alone",
    method=(
        "The scheduler's state machine in one process, without Mesos, ZooKeeper or HTTP: a stack is submitted, placed,"
        " launched, told to run, removed, and every save succeeds at once; all in CPU time. Every"
        f" {VIEW_EVERY} events a view for readers is built, whose time counts by itself. The ratio is the time per task"
        " to that of the smallest size: 1 means that the work grows with the tasks, not with their square."
    ),
    run=run,
    limit_seconds=900,
)
