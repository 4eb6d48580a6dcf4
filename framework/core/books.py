"""The books: wishes, versions, tasks and agents, and what is derived from them, kept in step with every change.

Stored: stacks, versions, tasks, agents, framework id, next serial. All else here equals its recomputation from those,
and `invariants.check` says so after every test; but for `GroupBook.wanted`, which also remembers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from framework.core.model import Failures, GroupWish, KnownAgent, StackWish, Stored, Task, Version
from specs.constraints import Mode, Neighbour
from specs.ids import AgentId, ExecutorId, FrameworkId, GroupId, TaskId, VersionId
from specs.states import Goal, TaskState

J = TypeVar("J")
K = TypeVar("K")


@dataclass(slots=True)
class GroupBook:
    """What there is of one group.

    `seats` has the task that holds each slot; `leaving` those that live but have lost their slot (unreachable ones);
    `ended` the kept ones, oldest first. `outdated` are the seats whose task has another version or generation than is
    wished, as far as they shall run. `wanted` are the slots that shall be filled, each with the agent that it belongs
    to where the group has one on every agent; core.slots finds them.
    """

    id: GroupId
    seats: dict[int, TaskId] = field(default_factory=dict)
    leaving: dict[TaskId, None] = field(default_factory=dict)
    ended: dict[TaskId, None] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    last_ended: dict[int, TaskId] = field(default_factory=dict)
    outdated: dict[int, None] = field(default_factory=dict)
    ready: dict[int, None] = field(default_factory=dict)
    running: dict[int, None] = field(default_factory=dict)
    wanted: dict[int, AgentId | None] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether no task of the group lives."""
        return not self.seats and not self.leaving


def holds_seat(task: Task) -> bool:
    """Whether the task occupies its slot: it lives, and was not given up as unreachable."""
    is_given_up = task.goal is Goal.STOP or bool(task.replaced_at)
    return task.state.is_lively and not (task.state is TaskState.UNREACHABLE and is_given_up)


def is_counted(task: Task) -> bool:
    """Whether rules that look at where tasks are see this one: it lives, and can be reached."""
    return task.state.is_lively and task.state is not TaskState.UNREACHABLE


def is_outdated(task: Task, wish: GroupWish | None) -> bool:
    """Whether the task shall run, but not as it is."""
    if wish is None or task.goal is Goal.STOP:
        return False
    return task.version != wish.version or task.generation < wish.generation


class Books:
    """The scheduler's mutable state, changed only by the methods here."""

    def __init__(self) -> None:
        self.framework_id: FrameworkId | None = None
        self.next_serial = 1
        self.stacks: dict[str, StackWish] = {}
        self.versions: dict[tuple[str, VersionId], Version] = {}
        self.tasks: dict[TaskId, Task] = {}
        self.wishes: dict[GroupId, GroupWish] = {}
        self.groups: dict[GroupId, GroupBook] = {}
        self.by_stack: dict[str, dict[GroupId, None]] = {}
        self.agents: dict[AgentId, KnownAgent] = {}
        self.counts: dict[GroupId, dict[AgentId, dict[VersionId, int]]] = {}
        """How many tasks can be reached, by group, agent and version."""
        self.executors: dict[AgentId, dict[ExecutorId, int]] = {}
        """How many tasks can be reached, by agent and executor."""
        self.agent_uses: dict[AgentId, int] = {}
        """How many tasks name an agent, ended ones too."""
        self.failing: dict[GroupId, dict[AgentId, Failures]] = {}
        self.everywhere: dict[GroupId, None] = {}
        """The groups that have one on every agent."""
        self.apart: tuple[tuple[GroupId, Neighbour], ...] = ()
        """The hard rules by which groups keep others away."""
        self._keeping_apart: dict[GroupId, tuple[Neighbour, ...]] = {}
        self.version_uses: dict[tuple[str, VersionId], int] = {}
        self.touched: dict[GroupId, None] = {}
        """Groups of which something changed since the view was last built."""

    @classmethod
    def of(cls, stored: Stored) -> Books:
        """The books that the store holds. The next serial is above that of every task, whatever the store says."""
        books = cls()
        highest = max((serial_of(task.id) for task in stored.tasks), default=0)
        books.framework_id, books.next_serial = stored.framework_id, max(stored.next_serial, highest + 1)
        for version in stored.versions:
            books.versions[version.stack, version.id] = version
        for stack in stored.stacks:
            books.put_stack(stack)
        for agent in stored.agents:
            books.put_agent(agent)
        for task in sorted(stored.tasks, key=lambda task: serial_of(task.id)):
            books.put_task(task)
        return books

    def group(self, group: GroupId) -> GroupBook:
        """The book of a group, made if there is none."""
        book = self.groups.get(group)
        if book is None:
            book = self.groups[group] = GroupBook(group)
            self.by_stack.setdefault(group.stack, {})[group] = None
        return book

    def put_stack(self, stack: StackWish) -> None:
        """Takes a stack's new wish; groups that are no longer in it lose theirs."""
        old = self.stacks.get(stack.name)
        for wish in old.groups if old else ():
            self._forget_wish(wish)
        self.stacks[stack.name] = stack
        for wish in () if stack.is_removed else stack.groups:
            self.wishes[wish.id] = wish
            if wish.mode is Mode.GLOBAL:
                self.everywhere[wish.id] = None
            if hard := tuple(rule for rule in wish.rules.apart if not rule.weight):
                self._keeping_apart[wish.id] = hard
            self.group(wish.id)
        self._list_apart()
        for wish in stack.groups:
            self._use(stack.name, wish.version, 1)
        for group in self.by_stack.get(stack.name, {}):
            book = self.groups[group]
            book.outdated = {
                slot: None
                for slot, id in sorted(book.seats.items())
                if is_outdated(self.tasks[id], self.wishes.get(group))
            }
            self.touched[group] = None

    def drop_stack(self, name: str) -> None:
        """Forgets a stack's wish."""
        stack = self.stacks.pop(name)
        for wish in stack.groups:
            self._forget_wish(wish)
        self._list_apart()

    def _forget_wish(self, wish: GroupWish) -> None:
        self.wishes.pop(wish.id, None)
        self.everywhere.pop(wish.id, None)
        self._keeping_apart.pop(wish.id, None)
        self._use(wish.id.stack, wish.version, -1)
        self.touched[wish.id] = None

    def _list_apart(self) -> None:
        self.apart = tuple((id, rule) for id in sorted(self._keeping_apart) for rule in self._keeping_apart[id])

    def put_agent(self, agent: KnownAgent) -> None:
        """Takes what is known of an agent."""
        self._unlist_failures(agent.id)
        self.agents[agent.id] = agent
        for failures in agent.failures:
            self.failing.setdefault(failures.group, {})[agent.id] = failures

    def drop_agent(self, id: AgentId) -> None:
        """Forgets an agent."""
        self._unlist_failures(id)
        del self.agents[id]

    def _unlist_failures(self, id: AgentId) -> None:
        old = self.agents.get(id)
        for failures in old.failures if old else ():
            agents = self.failing[failures.group]
            del agents[id]
            if not agents:
                del self.failing[failures.group]

    def forget_group(self, group: GroupId) -> None:
        """Forgets a group of which there is no task and no wish."""
        self.groups.pop(group, None)
        members = self.by_stack.get(group.stack)
        if members is not None:
            members.pop(group, None)
            if not members:
                del self.by_stack[group.stack]
        self.touched[group] = None

    def put_task(self, task: Task) -> None:
        """Takes a task's new state."""
        old = self.tasks.get(task.id)
        if old is None:
            self._use(task.group.stack, task.version, 1)
            _add(self.agent_uses, task.agent_id, 1)
        else:
            self._unlist(old)
        self.tasks[task.id] = task
        book = self.group(task.group)
        book.attempts[task.slot] = max(task.attempt, book.attempts.get(task.slot, 0))
        if task.state.is_terminal:
            book.ended[task.id] = None
            last = book.last_ended.get(task.slot)
            if last is None or serial_of(last) < serial_of(task.id):
                book.last_ended[task.slot] = task.id
        elif not (holds_seat(task) and self._takes_seat(book, task)):
            book.leaving[task.id] = None
        if is_counted(task):
            self._count(task, 1)
        self._reseat(book, task.slot)
        self.touched[task.group] = None

    def _takes_seat(self, book: GroupBook, task: Task) -> bool:
        """Seats the task, unless a later one holds its slot: one that was given up may come back to find it taken."""
        other = book.seats.get(task.slot)
        if other is not None and other != task.id:
            if serial_of(other) > serial_of(task.id):
                return False
            book.leaving[other] = None
        book.seats[task.slot] = task.id
        _mark(book.outdated, task.slot, is_outdated(task, self.wishes.get(task.group)))
        _mark(book.ready, task.slot, task.is_ready and task.goal is Goal.RUN)
        _mark(book.running, task.slot, task.state is TaskState.RUNNING and task.goal is Goal.RUN)
        return True

    def _reseat(self, book: GroupBook, slot: int) -> None:
        """A task that came back to find its slot taken holds it again once the other one is gone: it still runs."""
        if slot in book.seats or not book.leaving:
            return
        there = [id for id in book.leaving if self.tasks[id].slot == slot and holds_seat(self.tasks[id])]
        if there:
            id = max(there, key=serial_of)
            del book.leaving[id]
            self._takes_seat(book, self.tasks[id])

    def drop_task(self, id: TaskId) -> None:
        """Forgets a task."""
        task = self.tasks[id]
        self._unlist(task)
        del self.tasks[id]
        book = self.groups[task.group]
        if book.last_ended.get(task.slot) == id:
            del book.last_ended[task.slot]
        self._use(task.group.stack, task.version, -1)
        _add(self.agent_uses, task.agent_id, -1)
        self.touched[task.group] = None

    def unused_versions(self, stack: str, candidates: dict[VersionId, None]) -> list[VersionId]:
        """Which of the versions nothing refers to."""
        return [id for id in candidates if (stack, id) in self.versions and not self.version_uses.get((stack, id))]

    def _unlist(self, task: Task) -> None:
        book = self.groups[task.group]
        if book.seats.get(task.slot) == task.id:
            del book.seats[task.slot]
            for marks in (book.outdated, book.ready, book.running):
                marks.pop(task.slot, None)
        book.leaving.pop(task.id, None)
        book.ended.pop(task.id, None)
        if is_counted(task):
            self._count(task, -1)

    def _count(self, task: Task, by: int) -> None:
        agents = self.counts.setdefault(task.group, {})
        _add_below(agents, task.agent_id, task.version, by)
        if not agents:
            del self.counts[task.group]
        _add_below(self.executors, task.agent_id, task.executor_id, by)

    def _use(self, stack: str, version: VersionId, by: int) -> None:
        _add(self.version_uses, (stack, version), by)


def _add(counter: dict[K, int], key: K, by: int) -> None:
    value = counter.get(key, 0) + by
    if value:
        counter[key] = value
    else:
        counter.pop(key, None)


def _add_below(counters: dict[J, dict[K, int]], of: J, key: K, by: int) -> None:
    counter = counters.setdefault(of, {})
    _add(counter, key, by)
    if not counter:
        del counters[of]


def _mark(marks: dict[int, None], slot: int, is_marked: bool) -> None:
    if is_marked:
        marks[slot] = None
    else:
        marks.pop(slot, None)


def serial_of(id: TaskId) -> int:
    """The serial number at the end of a task id."""
    return int(id.rpartition(".")[2])
