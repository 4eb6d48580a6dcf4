"""The context: the state that all parts of the scheduler work on, and the commands of the step under way."""

from __future__ import annotations

from dataclasses import dataclass, replace

from framework.core.commands import (
    Accept,
    Command,
    DeleteAgent,
    DeleteHistory,
    DeleteRollouts,
    DeleteTask,
    DeleteVersion,
    Kill,
    PublishEvent,
    PutAgent,
    PutFramework,
    PutHistory,
    PutRollouts,
    PutTask,
    Write,
)
from framework.core.events import ChangeRequest
from framework.core.model import Answered, History, Instant, KnownAgent, Rollouts, Settings, Stored, Task
from framework.core.state.agent_failures import with_failure
from framework.core.state.agents import Agents
from framework.core.state.cluster_state import ClusterState
from framework.core.state.executor_choice import ExecutorUpgrade, Reservations
from framework.core.state.group_index import is_counted
from framework.core.state.load_window import Scaler
from framework.core.state.offer_pool import OfferPool
from framework.core.state.outbox import AfterSave, Outbox
from framework.core.state.placing import PlacingMemory
from framework.core.state.task_stories import TaskStories
from framework.core.state.timers import Timer, Timers
from framework.core.state.unknown_tasks import UnknownTasks
from framework.core.volatile import Connection, Progress
from specs.ids import AgentId, GroupId, TaskId, VersionId
from specs.model.resources import PortRanges
from specs.model.stack import KillOrder
from specs.states import Goal, TaskState

WRITES_PER_SAVE = 200
"""Limit on the changed tasks in one save; more make another."""
TELL_WAITING_EVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SentUpdate:
    """The in-place update that was last sent to the executor of a task."""

    #: The version whose in-place settings the task gets, and the number of signals that it will have had.
    what: tuple[VersionId, int]
    at: Instant


class Context:
    """State and step. Every change of a task goes through `put`, so that it is stored and the views notice."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: When the event under way is handled; set by the scheduler, once an event.
        self.now: Instant = 0.0

        #: All that is stored, and its indexes.
        self.state = ClusterState()
        #: The agents that the master reports; written by agent_changes.
        self.agents = Agents()
        self.reservations = Reservations()
        #: The offers that are held.
        self.pool = OfferPool()
        #: Saves under way, and the commands that wait for them.
        self.outbox = Outbox()
        self.timers = Timers()

        #: The way to Mesos and to the store; written by the scheduler.
        self.connection = Connection.LOADING
        #: Why no master takes our calls, "" where one does.
        self.problem = ""
        #: Why the store cannot be reached, "" where it can.
        self.store_problem = ""
        #: host:port of the master of the last subscription.
        self.master = ""
        #: The number of subscriptions; launches of an earlier one are not sent.
        self.session = 0

        #: Slots for which a task must be launched, by group; written by `want` and `unwant`.
        self.pending: dict[GroupId, dict[int, None]] = {}
        self.placing = PlacingMemory()
        self.never_started: dict[GroupId, dict[int, int]] = {}
        """How many launches of a slot in a row never started, by group and slot (core.groups.never_started)."""
        self.answered: list[Answered] = []
        """Answers that the step's save stores with what the step has changed (core.stacks.repeated_requests)."""
        self._last_answer = 0
        self.own_requests: list[ChangeRequest] = []
        """Requests of the scheduler to itself, decided in their turn."""
        self.changing: dict[str, None] = {}
        """The stacks of which a change is being stored: what their rollouts are by then is not known yet."""
        self.deferred_stops: dict[GroupId, str] = {}
        """Groups that stop only after others have, and why, as a phrase (core.converge.stop_order)."""
        self.unmet_dependencies: dict[GroupId, None] = {}
        """Groups whose tasks are not replaced for now because what they depend on is not there."""
        self.violating: dict[GroupId, None] = {}
        """Groups with a task that violates a changed constraint. That may end when tasks of others come or go."""
        self.has_task_moved = False
        """Whether tasks came or went since the groups in `violating` were last looked at."""
        #: How far the start of a task is, as its executor last reported; until the task runs or ends.
        self.progress: dict[TaskId, Progress] = {}
        self.sent_updates: dict[TaskId, SentUpdate] = {}
        """The updates sent on this connection, for tasks that are still stale (core.converge.inplace_update)."""
        self.kill_orders: dict[GroupId, KillOrder] = {}
        """Another order than the group's own, while what was asked with it is brought about."""
        self.scalers: dict[GroupId, Scaler] = {}
        """The memory of the groups that are scaled by their load (core.autoscaler)."""
        self.unknown_tasks = UnknownTasks()
        self.stories = TaskStories()
        self.executor_upgrade: ExecutorUpgrade | None = None
        """The upgrade of executors that is under way (core.converge.executor_upgrade); None where there is none."""
        self.executor_upgrade_problem = ""
        """Why the last upgrade failed, "" where it did not."""
        #: The step under way: its commands, the writes of its next save, and the commands that wait for that save.
        self._out: list[Command] = []
        self._writes: dict[tuple[str, str], Write] = {}
        self._after: list[Command] = []

    # ---- the step ------------------------------------------------------------

    def emit(self, *commands: Command) -> None:
        """Commands that rest on nothing stored: they go at once."""
        self._out += commands

    def write(self, kind: str, name: str, write: Write) -> None:
        """Adds a write to the step's save; a later one of the same kind and name takes its place."""
        self._writes[kind, name] = write

    def after_save(self, *commands: Command) -> None:
        """Commands that go when the step's save is acknowledged, or at once where the step saves nothing."""
        self._after += commands

    def after_all_saves(self, *commands: Command) -> None:
        """Commands that rest on what was put in this step or before: they go when all of it is stored."""
        if self._writes or not self.outbox.queue_behind_save(*commands):
            self._after += commands

    def after_fence(self, *commands: Command) -> None:
        """Commands about a task that our state does not have. They wait for a save, an empty one if need be: it proves
        that we still lead, so that no successor has stored that task."""
        if not self._writes:
            state = self.state
            self.write("framework", "", PutFramework(framework_id=state.framework_id, next_serial=state.next_serial))
        self._after += commands

    def flush(self) -> None:
        """Closes the save that was gathered so far."""
        writes, self._writes = tuple(self._writes.values()), {}
        after, self._after = tuple(self._after), []
        answers, self.answered = tuple(self.answered), []
        if writes:
            waiting = AfterSave(commands=after, session=self.session, answers=answers)
            self._out.append(self.outbox.save(writes, waiting))
        else:
            self._out += after

    def next_answer(self) -> int:
        """The number of the next answer that is kept; never given twice by a leader, nor lower than a stored one."""
        newest = max((answer.number for answer in self.state.answers.values()), default=0)
        self._last_answer = max(self._last_answer, newest) + 1
        return self._last_answer

    def take(self) -> tuple[Command, ...]:
        """Ends the step: its commands in order."""
        self.flush()
        out, self._out = tuple(self._out), []
        return out

    # ---- slots ---------------------------------------------------------------

    def place_soon(self) -> None:
        """Has placement look at all pending slots, a moment after this step."""
        self.placing.is_due = True

    def want(self, group: GroupId, slot: int) -> None:
        """A task is to be launched for the slot."""
        slots = self.pending.setdefault(group, {})
        if slot not in slots:
            slots[slot] = None
            self.place_soon()
            self.state.touched[group] = None

    def unwant(self, group: GroupId, slot: int) -> None:
        """No task is to be launched for the slot."""
        slots = self.pending.get(group)
        if slots is not None and slot in slots:
            del slots[slot]
            self.placing.offer_waits.forget(group, slot)
            self.place_soon()
            self.state.touched[group] = None
            if not slots:
                del self.pending[group]
                self.placing.causes.pop(group, None)
                self.placing.refused_at.pop(group, None)
                if group in self.placing.waits_published:
                    self.placing.waits_published[group] = ((), self.placing.waits_published[group][1])

    def call_off(self, group: GroupId, slot: int) -> None:
        """No successor is to be launched beside the slot's task."""
        index = self.state.group(group)
        if slot in index.replacements:
            del index.replacements[slot]
            if slot in index.holders:
                self.unwant(group, slot)

    def wake_group(self, timer: Timer, group: GroupId, at: Instant) -> None:
        """Has a group looked at again at a time, or earlier if it is to be so already."""
        known = self.timers.due(timer, str(group))
        if known is None or at < known:
            self.timers.set(timer, str(group), at)

    # ---- tasks ---------------------------------------------------------------

    def put(self, task: Task) -> None:
        """Takes a task's new state into the state and the step's save."""
        old = self.state.tasks.get(task.id)
        self.state.put_task(task)
        self.write("task", task.id, PutTask(task=task))
        if old is not None and is_counted(old) and task.state.is_terminal:
            version = self.state.versions.get((task.group.stack, task.version))
            if version is not None:
                self.pool.free_again(
                    task.agent_id, replace(version.resources, ports=PortRanges.single(task.host_ports))
                )
        if old is None or is_counted(old) is not is_counted(task):
            self.has_task_moved = True
            if self.pending:
                self.placing.moved[task.group] = None
        if self.pending:
            self.place_soon()  # a dependency may be met now

    def drop(self, task: Task) -> None:
        """Forgets a task, in the state and in the store, and its version if nothing else needs it."""
        self.state.drop_task(task.id)
        self.stories.forget(task.id)
        self.write("task", task.id, DeleteTask(id=task.id))
        self.collect_versions(task.group.stack, {task.version: None})

    def put_history(self, history: History) -> None:
        """Takes a history into the state and the step's save."""
        self.state.put_history(history)
        self.write("history", history.stack, PutHistory(history=history))

    def drop_history(self, name: str) -> None:
        """Forgets the history of a stack, in the state and in the store, and the versions that only it named."""
        versions = dict.fromkeys(self.state.histories[name].versions)
        self.state.drop_history(name)
        self.write("history", name, DeleteHistory(stack=name))
        self.collect_versions(name, versions)

    def put_agent(self, agent: KnownAgent) -> None:
        """Takes what is known of an agent into the state and the step's save."""
        self.state.put_agent(agent)
        self.agents.touched[agent.id] = None
        self.write("agent", agent.id, PutAgent(agent=agent))

    def drop_agent(self, id: AgentId) -> None:
        """Forgets an agent, in the state and in the store."""
        self.state.drop_agent(id)
        self.agents.touched[id] = None
        self.write("agent", id, DeleteAgent(id=id))

    def blame(self, task: Task) -> None:
        """Remembers that the task's agent failed its group."""
        agent = self.state.agents[task.agent_id]
        self.put_agent(with_failure(agent, task.group, self.now, self.settings, task.permanent))

    def put_rollouts(self, rollouts: Rollouts) -> None:
        """Takes the rollouts of a stack into the state and the step's save. While a change of that stack is being
        stored they are not saved, as the change may replace them; `rollouts_again` saves them afterwards."""
        before = self.state.rollouts.get(rollouts.stack)
        self.state.put_rollouts(rollouts)
        if rollouts.stack in self.changing:
            return
        self.write("rollouts", rollouts.stack, PutRollouts(rollouts=rollouts))
        kept = before.current.before if before is not None and before.current is not None else ()
        self.collect_versions(rollouts.stack, dict.fromkeys(spec.version for spec in kept))

    def rollouts_again(self, stack: str) -> None:
        """Stores what was not while a change of the stack was being stored."""
        rollouts = self.state.rollouts.get(stack)
        if rollouts is not None:
            self.write("rollouts", stack, PutRollouts(rollouts=rollouts))

    def drop_rollouts(self, stack: str) -> None:
        """Forgets a stack's rollouts, in the state and in the store."""
        if stack in self.state.rollouts:
            self.state.drop_rollouts(stack)
            self.write("rollouts", stack, DeleteRollouts(stack=stack))

    def collect_versions(self, stack: str, candidates: dict[VersionId, None]) -> None:
        """Deletes those of the versions to which nothing refers. While a change of the stack is being stored, which may
        refer to any, that is put off to `collect_all`."""
        if stack in self.changing:
            return
        for id in self.state.unused_versions(stack, candidates):
            del self.state.versions[stack, id]
            self.write("version", f"{stack}/{id}", DeleteVersion(stack=stack, id=id))

    def collect_all(self, stack: str) -> None:
        """Deletes those of all versions of a stack to which nothing refers."""
        self.collect_versions(stack, {id: None for name, id in list(self.state.versions) if name == stack})

    def stop(self, task: Task, cause: str, *, makes_way: bool = False) -> None:
        """Sets a task's goal to STOP; the kill goes out once that is stored. `makes_way` is as a Task's."""
        if task.goal is Goal.STOP:
            return
        self.put(replace(task, goal=Goal.STOP, stop_cause=cause, makes_way=makes_way))
        self.publish_task("TaskStopping", task, f"{task.id} is to stop: {cause}")
        if task.state is not TaskState.UNREACHABLE:
            self.kill(self.state.tasks[task.id])
        if len(self._writes) >= WRITES_PER_SAVE:
            self.flush()  # the first kills go out while the last goals are still being stored

    def kill(self, task: Task) -> None:
        """Kills a task whose goal is STOP, once that is stored, and again until it has ended."""
        version = self.state.versions.get((task.group.stack, task.version))
        stop = version.container.stop if version else None
        grace = stop.grace_seconds if stop else None
        self.after_all_saves(Kill(task_id=task.id, agent_id=task.agent_id, grace_seconds=grace))
        self.stories.note(task.id, "TaskKilled", f"agent {task.hostname} is told to stop it", self.now)
        takes_seconds = stop.drain_seconds + stop.grace_seconds if stop else 0.0
        self.timers.set(Timer.KILL, task.id, self.now + self.settings.kill_retry_seconds + takes_seconds)

    def publish_task(self, kind: str, task: Task, text: str) -> None:
        """Tells the event stream of a task, once the step is stored; and its story."""
        self.stories.note(task.id, kind, text, self.now)
        self.after_save(PublishEvent(kind=kind, text=text, stack=task.group.stack, group=str(task.group), task=task.id))

    def publish_group(self, kind: str, group: GroupId, text: str) -> None:
        """Tells the event stream of a group, once the step is stored."""
        self.after_save(PublishEvent(kind=kind, text=text, stack=group.stack, group=str(group)))

    def request(self, request: ChangeRequest) -> None:
        """Puts a request of the scheduler itself into the queue; it is decided as this step ends."""
        self.own_requests.append(request)

    def publish(self, kind: str, text: str, stack: str = "") -> None:
        """Tells the event stream of something else, once the step is stored."""
        self.after_save(PublishEvent(kind=kind, text=text, stack=stack))

    def publish_waiting(self, group: GroupId, sentence: str, rules: tuple[str, ...]) -> None:
        """Tells the event stream why a group finds no place, when the rules that keep it from one are others than those
        told last, and not too often."""
        known, at = self.placing.waits_published.get(group, ((), -TELL_WAITING_EVERY_SECONDS))
        if rules != known and self.now - at >= TELL_WAITING_EVERY_SECONDS:
            self.placing.waits_published[group] = (rules, self.now)
            text = f"{group} waits: {sentence}"
            self.after_save(PublishEvent(kind="GroupWaiting", text=text, stack=group.stack, group=str(group)))

    def touch_pending(self) -> None:
        """Marks every waiting group as changed: the reason it waits may be a new one."""
        self.state.touched |= dict.fromkeys(self.pending)

    def unsent(self, accept: Accept) -> tuple[Task, ...]:
        """The tasks of an Accept that never reached Mesos, as far as they still wait for it."""
        found = (self.state.tasks.get(launch.task.id) for launch in accept.launches)
        return tuple(task for task in found if task is not None and task.state is TaskState.INTENT)

    def load(self, stored: Stored) -> None:
        """Takes over the content of the store. An agent that a task names and the store lacks is added, with the host
        name from the task."""
        self.state = ClusterState.of(stored)
        next_serial = self.state.next_serial
        if next_serial != stored.next_serial:
            self.write("framework", "", PutFramework(framework_id=stored.framework_id, next_serial=next_serial))
            text = (
                f"the store said that {stored.next_serial} is the next number for a task, and it holds one numbered"
                f" {next_serial - 1}: it goes on from {next_serial}. Was the store changed by hand?"
            )
            self.publish("SerialRaised", text)
        for task in self.state.tasks.values():
            if task.state.is_lively and task.agent_id not in self.state.agents:
                self.put_agent(KnownAgent(id=task.agent_id, hostname=task.hostname))
                if len(self._writes) >= WRITES_PER_SAVE:
                    self.flush()
