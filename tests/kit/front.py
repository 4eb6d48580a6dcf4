"""A scripted Front, and values for its view. The tests of API and CLI use it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from itertools import count

from framework.api.info import ServerInfo
from framework.core.commands import Done, Outcome
from framework.core.events import StackSubmitted, UserRequest
from framework.core.model import GroupSpec, Instant, Mismatch, RequestKey, StackSpec, Task
from framework.core.views import AgentView, ApprovalRequest, GroupState, GroupView, StackView, View, Waiting
from framework.core.volatile import Connection, Progress
from framework.ports import Happening, MasterFault
from placement.agent import Agent
from specs.ids import AgentId, ExecutorId, FrameworkId, GroupId, TaskId, VersionId, group_id, task_id
from specs.model.canonical import version_of
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Container, Group, Port, Stack
from specs.states import Goal, Health, TaskState

NOW: Instant = 1_800_000_000.0
INFO = ServerInfo(version="0.1.0", name="framework", role="*", leader="10.0.0.9:8080", started_at=NOW - 3600)
FRAMEWORK = FrameworkId("6d1f7b0c-8a2e-4f57-9a39-3f0a6d3c1b11-0000")
SMALL = Resources(cpus_milli=100, mem_mib=128)
EXECUTOR = Resources(cpus_milli=100, mem_mib=64)
AGENT = Resources(cpus_milli=4000, mem_mib=4096, disk_mib=10_000, ports=PortRanges.of([(31000, 32000)]))
WEB = Container(image="acme/web:1.4", ports=(Port(name="http", container_port=8080),))


class FakeFront:
    """A Front whose answers the test writes.

    `answer` is called with each request, in the thread of the request, and returns the outcome. With None the future
    never resolves.
    """

    def __init__(self, view: View | None = None) -> None:
        self.view = view if view is not None else a_view()
        self.requests: list[UserRequest] = []
        """Without their keys, which are in `keys`."""
        self.keys: list[RequestKey | None] = []
        self.answer: Callable[[UserRequest], Outcome | None] = lambda _request: Done(message="")
        self.happened: list[Happening] = []
        self.oldest = 1
        self._ids = count(1)
        self._lock = threading.Lock()
        self._notified: list[Callable[[], None]] = []

    def request(self, make: Callable[[int], UserRequest]) -> Future[Outcome]:
        asked = make(next(self._ids))
        self.requests.append(replace(asked, request_key=None))
        self.keys.append(asked.request_key)
        future: Future[Outcome] = Future()
        outcome = self.answer(asked)
        if outcome is not None:
            future.set_result(outcome)
        return future

    def happenings(self, after: int) -> tuple[Happening, ...]:
        return tuple(h for h in self.happened if h.sequence > after and h.sequence >= self.oldest)

    def subscribe(self, notify: Callable[[], None]) -> Callable[[], None]:
        with self._lock:
            self._notified.append(notify)

        def end() -> None:
            with self._lock:
                self._notified.remove(notify)

        return end

    @property
    def subscribers(self) -> int:
        """How many follow."""
        return len(self._notified)

    def publish(self, view: View) -> None:
        """Swaps the view in, as the loop does after a step."""
        self.view = view
        self._notify()

    def happen(self, kind: str, text: str, *, group: str = "", task: str = "", stack: str = "") -> None:
        """Adds to the stream."""
        stack = stack or group.partition("/")[0]
        sequence = len(self.happened) + 1
        self.happened.append(
            Happening(sequence=sequence, at=NOW + sequence, kind=kind, text=text, stack=stack, group=group, task=task)
        )
        self._notify()

    def _notify(self) -> None:
        with self._lock:
            notified = tuple(self._notified)
        for notify in notified:
            notify()


def a_view(
    stacks: Iterable[StackView] = (),
    *,
    connection: Connection = Connection.SUBSCRIBED,
    problem: str = "",
    store_problem: str = "",
    agents: Iterable[AgentView] = (),
    progress: dict[TaskId, Progress] | None = None,
    at: Instant = NOW,
    agents_problem: str = "",
) -> View:
    """A view of a scheduler that is subscribed, unless told otherwise."""
    return View(
        at=at,
        connection=connection,
        problem=problem,
        store_problem=store_problem,
        framework_id=FRAMEWORK if connection is Connection.SUBSCRIBED else None,
        master="10.0.0.1:5050" if connection is Connection.SUBSCRIBED else "",
        stacks={stack.spec.name: stack for stack in stacks},
        agents={one.agent.id: one for one in agents},
        progress=progress or {},
        executor=EXECUTOR,
        agents_problem=agents_problem,
    )


def an_agent(
    number: int = 1,
    address: str = "127.0.1.1",
    port: int = 5051,
    *,
    total: Resources | None = AGENT,
    free: Resources | None = None,
    offered: Resources | None = None,
    unavailable: str = "",
    penalties: dict[GroupId, int] | None = None,
    **agent: object,
) -> AgentView:
    """Agent `number`, as the master told of it; free is all that it has unless told otherwise; `agent` are other fields
    of Agent."""
    known = Agent(
        id=AgentId(f"agent-{number}"),
        hostname=f"agent{number}",
        address=address,
        port=port,
        total=total,
        free=total if free is None else free,
    )
    return AgentView(
        agent=replace(known, **agent),  # type: ignore[arg-type]
        offered=offered,
        unavailable=unavailable,
        penalties=penalties or {},
    )


def a_stack(name: str, groups: Iterable[GroupView], *, index: int = 1, **spec: object) -> StackView:
    """A stack of these groups; `spec` are other fields of its StackSpec."""
    groups = tuple(sorted(groups, key=lambda group: group.spec.id))
    stack_spec = StackSpec(
        name=name,
        groups=tuple(group.spec for group in groups),
        index=index,
        submitted_at=NOW - 3600,
        submitted_by="anna@desk",
        message="the first",
    )
    return StackView(spec=replace(stack_spec, **spec), groups=groups)  # type: ignore[arg-type]


def a_group(
    gid: GroupId,
    *,
    instances: int = 1,
    tasks: Iterable[Task] = (),
    ended: Iterable[Task] = (),
    waiting: Iterable[Waiting] = (),
    state: GroupState = GroupState.RUNNING,
    container: Container = WEB,
    resources: Resources = SMALL,
    wanted: int | None = None,
    **spec: object,
) -> GroupView:
    """A group of acme/web; `spec` are other fields of its GroupSpec."""
    group_spec = GroupSpec(id=gid, version=version(gid, container, resources), instances=instances)
    group_spec = replace(group_spec, **spec)  # type: ignore[arg-type]
    return GroupView(
        spec=group_spec,
        container=container,
        resources=resources,
        state=state,
        tasks=tuple(tasks),
        ended=tuple(ended),
        waiting=tuple(waiting),
        wanted=(0 if group_spec.wants_none else group_spec.instances) if wanted is None else wanted,
    )


def a_task(
    gid: GroupId,
    slot: int = 0,
    serial: int = 1,
    *,
    state: TaskState = TaskState.RUNNING,
    health: Health = Health.HEALTHY,
    agent: int = 1,
    container: Container = WEB,
    **fields: object,
) -> Task:
    """A healthy task on agent 1 that has run for a minute; `fields` are other fields of Task."""
    task = Task(
        id=task_id(gid, slot, serial),
        group=gid,
        slot=slot,
        attempt=1,
        version=version(gid, container),
        generation=0,
        goal=Goal.RUN,
        state=state,
        health=health,
        agent_id=AgentId(f"agent-{agent}"),
        hostname=f"agent{agent}",
        address=f"127.0.1.{agent}",
        executor_id=ExecutorId("framework-executor-1"),
        host_ports=tuple(31000 + serial + position for position in range(len(container.ports))),
        launched_at=NOW - 65,
        state_since=NOW - 60,
        running_since=NOW - 60,
        sandbox=f"/var/lib/mesos/sandbox-{agent}",
    )
    return replace(task, **fields)  # type: ignore[arg-type]


def version(gid: GroupId, container: Container, resources: Resources = SMALL) -> VersionId:
    """The version that tasks of the group have with these settings."""
    return version_of(a_spec(gid, container=container, resources=resources))


def a_spec(
    gid: GroupId, *, instances: int = 1, container: Container = WEB, resources: Resources = SMALL, **group: object
) -> Group:
    """A group as a stack file gives it; `group` are other fields of Group."""
    spec = Group(id=gid, instances=instances, container=container, resources=resources)
    return replace(spec, **group)  # type: ignore[arg-type]


def running(stack: Stack, *, index: int = 1) -> StackView:
    """The stack, with everything in it ready."""
    groups = []
    for number, group in enumerate(stack.groups):
        tasks = [
            a_task(group.id, slot, number * 100 + slot, container=group.container, version=version_of(group))
            for slot in range(group.instances)
        ]
        groups.append(
            a_group(
                group.id,
                instances=group.instances,
                tasks=tasks,
                container=group.container,
                resources=group.resources,
                mode=group.mode,
                rules=group.rules,
            )
        )
    return a_stack(stack.name, groups, index=index)


def runs_at_once(front: FakeFront) -> Callable[[UserRequest], Outcome | None]:
    """An answer that takes a submitted stack and shows it running."""

    def answer(asked: UserRequest) -> Outcome | None:
        assert isinstance(asked, StackSubmitted)
        old = front.view.stacks.get(asked.stack.name)
        index = (old.spec.index if old else 0) + 1
        front.publish(
            replace(front.view, stacks={**front.view.stacks, asked.stack.name: running(asked.stack, index=index)})
        )
        return Done(changed=tuple(str(group.id) for group in asked.stack.groups), index=index, message="created")

    return answer


UNKNOWN_TASKS = ApprovalRequest(
    mismatch=Mismatch.UNKNOWN_TASKS,
    number=2,
    tasks=(TaskId("other.web.0.1"), TaskId("other.web.1.2")),
    sentence="Mesos runs 2 tasks that are not in the store",
    effect="they are stopped",
)


def three_tasks() -> View:
    """Two on agent1, one on agent2."""
    web = group_id("shop", "web")
    tasks = [a_task(web, 0, 1, agent=2), a_task(web, 1, 2, agent=1), a_task(web, 2, 3, agent=1)]
    return a_view([a_stack("shop", [a_group(web, instances=3, tasks=tasks)])])


class FakeOperator:
    """A master that does what it is asked, unless `fault` says why not."""

    def __init__(self) -> None:
        self.gone: list[tuple[str, AgentId]] = []
        self.fault: MasterFault | None = None

    def others_on(self, _master: str, _agent: AgentId, framework: FrameworkId | None) -> Mapping[str, int]:
        assert framework == FRAMEWORK
        if self.fault:
            raise self.fault
        return {"chronos (c-1)": 3}

    def mark_gone(self, master: str, agent: AgentId) -> None:
        if self.fault:
            raise self.fault
        self.gone.append((master, agent))
