"""The cluster state: everything that is stored, and the indexes derived from it, kept in step with every change.

Each attribute says whether it is stored, derived or volatile. Stored: the store has the same, or will with the save
under way. Derived: equal to its recomputation from the stored values; `invariants.check` compares them after every
test. Volatile: the next leader begins without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from framework.core.model import (
    AgentFailures,
    Answered,
    Backoff,
    GroupSpec,
    History,
    Instant,
    KnownAgent,
    Rollouts,
    StackSpec,
    Stored,
    Task,
    Version,
)
from framework.core.state.group_index import GroupIndex, holds_slot, is_counted, is_outdated, is_stale
from specs.ids import AgentId, ExecutorId, FrameworkId, GroupId, TaskId, VersionId, container_hash
from specs.model.constraints import Mode, Neighbour
from specs.states import Goal, TaskState

J = TypeVar("J")
K = TypeVar("K")


class ClusterState:
    """The scheduler's mutable state, changed only by the methods here. Dictionaries with None for values are ordered
    sets."""

    def __init__(self) -> None:
        #: Stored. None until Mesos has given one.
        self.framework_id: FrameworkId | None = None
        #: Stored. The number of the next task id.
        self.next_serial = 1
        #: Stored, by name: also a stack that is being removed.
        self.stacks: dict[str, StackSpec] = {}
        #: Stored, by stack: also those of removed stacks, as long as they are kept.
        self.histories: dict[str, History] = {}
        #: Stored, by stack and id, as long as a spec, task, history or rollout names them.
        self.versions: dict[tuple[str, VersionId], Version] = {}
        #: Stored: living tasks and the ended ones that are kept.
        self.tasks: dict[TaskId, Task] = {}
        #: Derived: the specs of all groups of stacks that are not being removed.
        self.specs: dict[GroupId, GroupSpec] = {}
        #: Derived: the index of every group that has a spec or a task.
        self.groups: dict[GroupId, GroupIndex] = {}
        #: Derived: the keys of `groups`, by stack.
        self.by_stack: dict[str, dict[GroupId, None]] = {}
        #: Stored: the agents that tasks name or that have failed lately.
        self.agents: dict[AgentId, KnownAgent] = {}
        #: Stored, by stack.
        self.rollouts: dict[str, Rollouts] = {}
        #: Stored: requests that have changed something, by their keys, oldest first. Replaced as a whole, never
        #: changed.
        self.answers: dict[str, Answered] = {}
        #: Volatile: agents that drain, or whose maintenance begins soon. Set by `depart`.
        self.draining: dict[AgentId, None] = {}
        #: Derived: the number of reachable tasks, by group, agent and container hash (specs.ids.container_hash).
        self.counts: dict[GroupId, dict[AgentId, dict[VersionId, int]]] = {}
        #: Derived: the number of reachable tasks, by agent and executor.
        self.executors: dict[AgentId, dict[ExecutorId, int]] = {}
        #: Derived: the number of tasks, ended ones too, that name an agent.
        self.agent_uses: dict[AgentId, int] = {}
        #: Derived: the failures of agents, by group.
        self.agent_failures: dict[GroupId, dict[AgentId, AgentFailures]] = {}
        #: Derived: ended tasks whose containers may run on, while no task adopts or removes them.
        self.left: dict[TaskId, None] = {}
        #: Derived: the wait of each group's version, the newest one that an ended task carries.
        self.backoffs: dict[tuple[GroupId, VersionId], Backoff] = {}
        #: Derived: the groups that have one task on every agent.
        self.global_groups: dict[GroupId, None] = {}
        #: Derived: the hard rules by which groups keep others away, sorted by group.
        self.apart: tuple[tuple[GroupId, Neighbour], ...] = ()
        #: The same by group.
        self._keeping_apart: dict[GroupId, tuple[Neighbour, ...]] = {}
        #: Derived: how many specs, tasks, histories and rollouts name a version.
        self.version_uses: dict[tuple[str, VersionId], int] = {}
        #: Volatile: groups that have changed since the view was last built.
        self.touched: dict[GroupId, None] = {}
        #: Volatile: stacks whose history has changed since the view was last built.
        self.revised: dict[str, None] = {}

    @classmethod
    def of(cls, stored: Stored) -> ClusterState:
        """The state of what the store holds. The next serial is above that of every task, whatever the store says."""
        state = cls()
        highest = max((serial_of(task.id) for task in stored.tasks), default=0)
        state.framework_id, state.next_serial = stored.framework_id, max(stored.next_serial, highest + 1)
        for version in stored.versions:
            state.versions[version.stack, version.id] = version
        for stack in stored.stacks:
            state.put_stack(stack)
        for history in stored.histories:
            state.put_history(history)
        for agent in stored.agents:
            state.put_agent(agent)
        for rollouts in stored.rollouts:
            state.put_rollouts(rollouts)
        for task in sorted(stored.tasks, key=lambda task: serial_of(task.id)):
            state.put_task(task)
        state.answers = {answer.key.text: answer for answer in sorted(stored.answers, key=lambda each: each.number)}
        return state

    def group(self, group: GroupId) -> GroupIndex:
        """The index of a group, made if there is none."""
        index = self.groups.get(group)
        if index is None:
            index = self.groups[group] = GroupIndex(group)
            self.by_stack.setdefault(group.stack, {})[group] = None
        return index

    def tasks_of(self, group: GroupId) -> Iterator[Task]:
        """The tasks of a group that are known, living and ended."""
        index = self.groups.get(group)
        if index is not None:
            for id in (*index.holders.values(), *index.surge.values(), *index.outgoing, *index.ended):
                yield self.tasks[id]

    def put_stack(self, stack: StackSpec) -> None:
        """Takes a stack's new spec. Groups that are no longer in it lose theirs."""
        old = self.stacks.get(stack.name)
        for spec in old.groups if old else ():
            self._forget_spec(spec)
        self.stacks[stack.name] = stack
        for spec in () if stack.is_removed else stack.groups:
            self.specs[spec.id] = spec
            if spec.mode is Mode.GLOBAL:
                self.global_groups[spec.id] = None
            if hard := tuple(rule for rule in spec.rules.apart if not rule.weight):
                self._keeping_apart[spec.id] = hard
            self.group(spec.id)
        self._list_apart()
        for spec in stack.groups:
            self._use(stack.name, spec.version, 1)
        self._prove_again(stack.name)
        for group in self.by_stack.get(stack.name, {}):
            index = self.groups[group]
            for slot, id in sorted(index.holders.items()):
                self._mark_due(index, slot, self.tasks[id])
            for id in (id for living in index.living.values() for id in living):
                _mark(index.stale, id, is_stale(self.tasks[id], self.specs.get(group)))
            self.touched[group] = None

    def drop_stack(self, name: str) -> None:
        """Forgets a stack's spec."""
        stack = self.stacks.pop(name)
        for spec in stack.groups:
            self._forget_spec(spec)
        self._list_apart()

    def put_rollouts(self, rollouts: Rollouts) -> None:
        """Takes the new rollouts of a stack."""
        self._use_before(rollouts.stack, -1)
        self.rollouts[rollouts.stack] = rollouts
        self._prove_again(rollouts.stack)
        self._use_before(rollouts.stack, 1)
        self.touched |= dict.fromkeys(self.by_stack.get(rollouts.stack, ()))

    def _prove_again(self, stack: str) -> None:
        """Marks all ready slots of a stack as fresh: how long a task must be ready before it counts may be longer
        now."""
        for group in self.by_stack.get(stack, ()):
            index = self.groups[group]
            index.fresh = dict(index.ready)

    def drop_rollouts(self, stack: str) -> None:
        """Forgets a stack's rollouts."""
        self._use_before(stack, -1)
        self.rollouts.pop(stack, None)

    def _use_before(self, stack: str, by: int) -> None:
        rollouts = self.rollouts.get(stack)
        for spec in rollouts.current.before if rollouts and rollouts.current else ():
            self._use(stack, spec.version, by)

    def depart(self, agents: Iterable[AgentId]) -> dict[GroupId, None]:
        """Takes the agents that drain. Returns the groups that have a task to move now, or no longer have one."""
        draining = dict.fromkeys(agents)
        changed = draining.keys() ^ self.draining.keys()
        self.draining = draining
        moved: dict[GroupId, None] = {}
        if changed:
            for task in self.tasks.values():
                index = self.groups[task.group]
                if task.agent_id in changed and index.holders.get(task.slot) == task.id:
                    self._mark_due(index, task.slot, task)
                    moved[task.group] = self.touched[task.group] = None
        return moved

    def _mark_due(self, index: GroupIndex, slot: int, holder: Task | None) -> None:
        """Notes whether the task that holds a slot must be replaced, and why."""
        is_old = holder is not None and is_outdated(holder, self.specs.get(index.id))
        departs = holder is not None and self._departs(holder)
        _mark(index.outdated, slot, is_old)
        _mark(index.draining, slot, departs)
        _mark(index.useless, slot, (is_old or departs) and holder is not None and not holder.is_ready)

    def _departs(self, task: Task) -> bool:
        """Whether a task leaves a draining agent. One that Mesos ends unasked does: that is the first sign of a
        drain."""
        return task.goal is Goal.RUN and (task.agent_id in self.draining or task.state is TaskState.KILLING)

    def _forget_spec(self, spec: GroupSpec) -> None:
        self.specs.pop(spec.id, None)
        self.global_groups.pop(spec.id, None)
        self._keeping_apart.pop(spec.id, None)
        self._use(spec.id.stack, spec.version, -1)
        self.touched[spec.id] = None

    def _list_apart(self) -> None:
        self.apart = tuple((id, rule) for id in sorted(self._keeping_apart) for rule in self._keeping_apart[id])

    def put_history(self, history: History) -> None:
        """Takes the new history of a stack. The versions that it names are in use."""
        if history.stack in self.histories:
            self.drop_history(history.stack)
        self.histories[history.stack] = history
        for version in history.versions:
            self._use(history.stack, version, 1)
        self.revised[history.stack] = None

    def drop_history(self, name: str) -> None:
        """Forgets the history of a stack."""
        for version in self.histories.pop(name).versions:
            self._use(name, version, -1)
        self.revised[name] = None

    def put_agent(self, agent: KnownAgent) -> None:
        """Takes the new facts and failures of an agent."""
        self._unlist_failures(agent.id)
        self.agents[agent.id] = agent
        for failures in agent.failures:
            self.agent_failures.setdefault(failures.group, {})[agent.id] = failures

    def drop_agent(self, id: AgentId) -> None:
        """Forgets an agent."""
        self._unlist_failures(id)
        del self.agents[id]

    def _unlist_failures(self, id: AgentId) -> None:
        old = self.agents.get(id)
        for failures in old.failures if old else ():
            agents = self.agent_failures[failures.group]
            del agents[id]
            if not agents:
                del self.agent_failures[failures.group]

    def forget_group(self, group: GroupId) -> None:
        """Forgets a group that has no task and no spec."""
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
            if old.version != task.version:
                self._use(task.group.stack, old.version, -1)
                self._use(task.group.stack, task.version, 1)
        self.tasks[task.id] = task
        index = self.group(task.group)
        self._note_backoff(old, task)
        index.attempts[task.slot] = max(task.attempt, index.attempts.get(task.slot, 0))
        if task.state.is_terminal:
            index.ended[task.id] = None
            last = index.last_ended.get(task.slot)
            if not task.sweeps and (last is None or serial_of(last) < serial_of(task.id)):
                index.last_ended[task.slot] = task.id
        else:
            index.living.setdefault(task.slot, {})[task.id] = None
            _mark(index.stale, task.id, is_stale(task, self.specs.get(index.id)))
        if is_counted(task):
            self._count(task, 1)
        _mark(self.left, task.id, task.is_left and task.state.is_terminal)
        self._arrange(index, task.slot)
        self.touched[task.group] = None

    def _arrange(self, index: GroupIndex, slot: int) -> None:
        """Decides which living task of a slot is its holder, which is the surge task, and which are outgoing: by their
        stored records alone.

        Of two tasks the later one holds the slot: a task that was unreachable may come back to find it taken. But a
        task that was launched beside the holder takes over only once the holder shall stop; and if it shall stop itself
        before that, it never does.
        """
        holder: Task | None = None
        surge: Task | None = None
        living = index.living.get(slot, ())
        for task in sorted((self.tasks[id] for id in living), key=lambda task: serial_of(task.id)):
            index.outgoing.pop(task.id, None)
            if not holds_slot(task) or (task.beside is not None and task.goal is Goal.STOP):
                index.outgoing[task.id] = None
            elif holder is not None and task.beside == holder.id and holder.goal is Goal.RUN:
                surge = task
            else:
                for one in (holder, surge):
                    if one is not None:
                        index.outgoing[one.id] = None
                holder, surge = task, None
        _set(index.surge, slot, surge.id if surge else None)
        _set(index.holders, slot, holder.id if holder else None)
        self._mark_due(index, slot, holder)
        runs = holder is not None and holder.goal is Goal.RUN
        is_ready = runs and holder is not None and holder.is_ready
        _mark(index.ready, slot, is_ready)
        _mark(index.fresh, slot, is_ready)
        _mark(index.failed_probation, slot, runs and holder is not None and holder.has_failed_probation)
        _mark(index.running, slot, runs and holder is not None and holder.state is TaskState.RUNNING)

    def drop_task(self, id: TaskId) -> None:
        """Forgets a task."""
        task = self.tasks[id]
        self._unlist(task)
        del self.tasks[id]
        self.left.pop(id, None)
        self._note_backoff(task, None)
        index = self.groups[task.group]
        self._arrange(index, task.slot)
        if index.last_ended.get(task.slot) == id:
            del index.last_ended[task.slot]
        self._use(task.group.stack, task.version, -1)
        _add(self.agent_uses, task.agent_id, -1)
        self.touched[task.group] = None

    def carries_backoff(self, task: Task) -> bool:
        """Whether the wait of its version is stored with this task."""
        return task.backoff is not None and task.backoff == self.backoffs.get((task.group, task.version))

    def _note_backoff(self, old: Task | None, new: Task | None) -> None:
        """Keeps the waits in step with a task that has come, changed or gone."""
        had, has = old.backoff if old else None, new.backoff if new else None
        task = new or old
        if had == has or task is None:
            return
        key = (task.group, task.version)
        if had is not None:
            self.backoffs.pop(key, None)
            tasks = (self.tasks[id] for id in self.groups[task.group].ended)
            carried = [one.backoff for one in tasks if one.version == task.version and one.backoff is not None]
        else:
            carried = [one for one in (self.backoffs.get(key),) if one is not None]
        if has is not None:
            carried.append(has)
        if carried:
            self.backoffs[key] = max(carried, key=_age)

    def unused_versions(self, stack: str, candidates: dict[VersionId, None]) -> list[VersionId]:
        """Those of the versions that nothing names."""
        return [id for id in candidates if (stack, id) in self.versions and not self.version_uses.get((stack, id))]

    def _unlist(self, task: Task) -> None:
        index = self.groups[task.group]
        for listed in (index.outgoing, index.ended, index.stale):
            listed.pop(task.id, None)
        living = index.living.get(task.slot)
        if living is not None and task.id in living:
            del living[task.id]
            if not living:
                del index.living[task.slot]
        if is_counted(task):
            self._count(task, -1)

    def _count(self, task: Task, by: int) -> None:
        agents = self.counts.setdefault(task.group, {})
        _add_below(agents, task.agent_id, container_hash(task.version), by)
        if not agents:
            del self.counts[task.group]
        _add_below(self.executors, task.agent_id, task.executor_id, by)

    def _use(self, stack: str, version: VersionId, by: int) -> None:
        _add(self.version_uses, (stack, version), by)


def _age(backoff: Backoff) -> tuple[Instant, int, int, str]:
    return backoff.at, backoff.failures, backoff.tries, backoff.cause


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


def _set(ids: dict[int, TaskId], slot: int, id: TaskId | None) -> None:
    if id is None:
        ids.pop(slot, None)
    else:
        ids[slot] = id


def _mark(marks: dict[K, None], key: K, is_marked: bool) -> None:
    if is_marked:
        marks[key] = None
    else:
        marks.pop(key, None)


def serial_of(id: TaskId) -> int:
    """The serial number at the end of a task id."""
    return int(id.rpartition(".")[2])
