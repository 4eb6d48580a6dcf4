"""Safety rules, checked from outside the code under test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from framework.core.commands import Accept, Acknowledge, Done, Kill, Reply
from framework.core.model import Task
from framework.core.state.cluster_state import serial_of
from framework.core.state.lifecycle import StatusEffect, transition
from specs.ids import TaskId, is_same_container
from specs.model.stack import Keep, Unreachable
from specs.states import Goal, TaskState
from tests.simulation.zookeeper import Tree

if TYPE_CHECKING:
    from tests.simulation.master import Master
    from tests.simulation.scheduler import SchedulerProcess

Json = dict[str, Any]


class Broken(AssertionError):
    """Something happened that must never happen. `rule` names it, `words` are ids that it is about."""

    def __init__(self, rule: str, what: str, words: tuple[str, ...] = ()) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule, self.what, self.words = rule, what, words


class Oracle:
    """Sees the store's tree, the calls of schedulers and what arrives at the master."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        tree.watch = self._stored
        self._launched: dict[str, None] = {}
        self._made_beside: dict[str, TaskId | None] = {}
        """Beside which task of its slot each was launched. That is no longer stored once it has taken over."""
        self._uuids: dict[str, TaskState] = {}
        self._denied: dict[str, None] = {}
        """Tasks of which a master has said that it knows nothing: they may have been forgotten when they come back."""

    def broken(self, rule: str, what: str, *words: str) -> None:
        """Ends the run."""
        raise Broken(rule, what, words)

    # ---- what a scheduler says -----------------------------------------------------------

    def heard(self, uuid: str, state: TaskState) -> None:
        """A scheduler hears a status that is to be acknowledged."""
        if uuid:
            self._uuids[uuid] = state

    def said(self, command: object) -> None:
        """A scheduler says something, now."""
        if isinstance(command, Accept):
            for launch in command.launches:
                # One that was frozen may say it late, on a connection that is closed: what arrives is looked at again.
                if launch.task.id not in self._tree.last_words:
                    self.broken("launch before save", f"{launch.task.id} is launched and not stored", launch.task.id)
                self._made_beside[launch.task.id] = launch.task.beside
        elif isinstance(command, Acknowledge):
            self._acknowledged(command)
        elif isinstance(command, Kill):
            task = self._tree.tasks.get(command.task_id)
            if task is not None and task.goal is Goal.RUN and task.state.is_lively:
                self.broken("kill of a wanted task", f"{task.id} is killed, and by the store it shall run", task.id)
        elif isinstance(command, Reply) and isinstance(command.outcome, Done):
            self._answered(command.outcome)

    def _acknowledged(self, command: Acknowledge) -> None:
        said, task = self._uuids.get(command.uuid), self._tree.tasks.get(command.task_id)
        if said is None or task is None or task.state is said:
            return
        if transition(task.state, said) is StatusEffect.MOVE:
            what = f"{task.id} as {said.value} is acknowledged, and the store says {task.state.value}"
            self.broken("acknowledged before save", what, task.id)

    def _answered(self, outcome: Done) -> None:
        for name in dict.fromkeys(each.partition("/")[0] for each in outcome.changed):
            stack = self._tree.stacks.get(name)
            if stack is not None and stack.index < outcome.index and len(outcome.changed) == 1:
                self.broken(
                    "answered before save", f"stack {name}: index {outcome.index} is said, {stack.index} stored"
                )

    # ---- what is stored ----------------------------------------------------------------

    def _stored(self) -> None:
        """A transaction has happened: what it says of tasks whose agent cannot be, or could not be reached."""
        for before, task in self._tree.changed:
            patience = self._tree.patience.get(task.group, ())
            if before.replaced_at and task.goal is Goal.STOP and before.goal is Goal.RUN:
                self._original_stopped(task, patience)

    def _original_stopped(self, task: Task, patience: tuple[Unreachable, ...]) -> None:
        """One that was away is back and stops, though it was to keep its slot and another has it."""
        stack = self._tree.stacks.get(task.group.stack)
        spec = next((each for each in stack.groups if each.id == task.group), None) if stack else None
        if spec is None or any(each.keep is not Keep.ORIGINAL for each in patience):
            return
        is_desired = is_same_container(task.version, spec.version) and task.generation >= spec.generation
        others = (each for each in self._tree.tasks.values() if (each.group, each.slot) == (task.group, task.slot))
        stays = [each.id for each in others if each.id != task.id and each.goal is Goal.RUN and each.state.is_lively]
        if is_desired and stays and task.state is TaskState.RUNNING:
            what = f"{task.id} is back and was to keep its slot, and it stops and {stays[0]} stays"
            self.broken("original stopped", what, task.id, stays[0])

    # ---- what a master says ----------------------------------------------------------------

    def told(self, task_id: str, state: str) -> None:
        """A master tells of a task."""
        if state == "TASK_UNKNOWN":
            self._denied[task_id] = None

    # ---- what arrives ------------------------------------------------------------------

    def launch_arrived(self, info: Json, process: SchedulerProcess) -> None:
        """The master takes a task."""
        id = info["task_id"]["value"]
        if id in self._launched:
            self.broken("task id given twice", f"{id} is launched a second time", id)
        self._launched[id] = None
        if id not in self._tree.tasks:
            who = f"{process.name}{' (deposed)' if process.is_deposed else ''}"
            self.broken("unknown task", f"{who} makes {id}, which the store does not know", id)
        task = self._tree.tasks[TaskId(id)]
        for other in self._tree.tasks.values():
            is_same = (other.group, other.slot) == (task.group, task.slot) and other.id != task.id
            if (
                is_same
                and other.state.is_lively
                and other.id not in self._tree.were_away
                and not self._may_be_beside(task, other)
            ):
                what = f"{task.id} is launched while {other.id} is {other.state.value} in its slot"
                self.broken("two in a slot", what, task.id, other.id)

    def _may_be_beside(self, task: Task, other: Task) -> bool:
        """Whether a task may be launched while the other one of its slot lives: it is to follow it, or the other is
        being stopped and was to follow a third, or had a successor itself, which this one is to follow.

        That successor may end, and this one thus hold the slot, before its launch arrives.
        """
        if task.sweeps or other.sweeps:
            return True  # it starts nothing
        if other.id == task.beside:
            return True
        follows_a_third = self._made_beside.get(task.id) not in (None, other.id)
        return other.goal is Goal.STOP and (follows_a_third or other.beside is not None)

    # ---- at every tick -----------------------------------------------------------------

    def look(self, master: Master, is_reachable: Callable[[str], bool]) -> None:
        """Compares what Mesos runs with what is stored."""
        if self._tree.deposed_writes:
            self.broken("deposed scheduler writes", "a transaction of a term that was over has happened")
        holders: dict[tuple[str, int], list[Task]] = {}
        for agent_id, row in master.registered.items():
            for id, told in row.tasks.items():
                if TaskState(told.state.removeprefix("TASK_")).is_terminal:
                    continue
                task = self._tree.tasks.get(TaskId(id))
                if task is None:
                    last = self._tree.last_words.get(TaskId(id))
                    if (last is None or last.state.is_lively) and id not in self._denied:
                        self.broken("task lost", f"Mesos runs {id}, and the store has forgotten it", id)
                    continue
                # One whose slot was given away may have it back: which of the two stops is decided when it is heard of.
                is_holder = task.goal is Goal.RUN and task.state.is_lively and not task.replaced_at
                if is_holder and is_reachable(agent_id):
                    holders.setdefault((str(task.group), task.slot), []).append(task)
        for slot, tasks in holders.items():
            tasks.sort(key=lambda task: serial_of(task.id))
            if len(tasks) > 2 or (len(tasks) == 2 and tasks[1].beside != tasks[0].id):
                what = f"{' and '.join(task.id for task in tasks)} run in {slot[0]}/{slot[1]}"
                self.broken("two in a slot", what, *(task.id for task in tasks))
