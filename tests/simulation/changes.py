"""Safety rules for changes of stacks, counted from the stored records and not by the scheduler's arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from framework.core.commands import Command, DeleteTask, PutTask, Save
from framework.core.groups.completion import has_finished
from framework.core.model import GroupSpec, Rollout, RolloutKind, RolloutState, Task
from framework.core.rollout.updater import UNPROVED
from framework.core.views import GroupState
from specs.ids import GroupId, TaskId
from specs.model.update import Order, Update
from specs.states import Goal, Health, Readiness, TaskState
from tests.simulation.zookeeper import Tree

if TYPE_CHECKING:
    from tests.simulation.scheduler import SchedulerProcess

ROLLOUTS_KEPT = 3
REVISIONS_KEPT = 4
"""Few, so that they are reached within a day."""
REPLACING = ("replaced by version", "restart asked", "restarted, as", UNPROVED)
"""How the causes begin for which a task is stopped that is to be replaced."""
OFF_DRAINING = "its agent "
"""How the cause begins for which a task is replaced whose agent is draining."""


class ChangeOracle:
    """Follows what a scheduler that leads puts into its saves, step by step."""

    def __init__(self, tree: Tree, broken: Callable[..., None]) -> None:
        self._tree, self._broken = tree, broken
        self._known: dict[TaskId, Task] = {}
        self._counts: dict[GroupId, tuple[int, int]] = {}
        """The index of its stack with which a group was last counted, and how many tasks there were, or were to be."""

    def loaded(self, tasks: tuple[Task, ...]) -> None:
        """Another scheduler begins with what is stored."""
        self._known = {task.id: task for task in tasks}
        self._counts = {}

    # ---- after each step ---------------------------------------------------------------

    def stepped(self, process: SchedulerProcess, commands: tuple[Command, ...]) -> None:
        """A scheduler has handled an event, and says these commands."""
        stopped: dict[TaskId, Task] = {}
        for write in (write for each in commands if isinstance(each, Save) for write in each.writes):
            if isinstance(write, DeleteTask):
                self._known.pop(write.id, None)
            if not isinstance(write, PutTask):
                continue
            task = write.task
            if task.state is TaskState.UNREACHABLE:
                self._tree.were_away[task.id] = None  # it may be back before that is stored
            before = self._known.pop(task.id, None)
            if not task.state.is_terminal:
                self._known[task.id] = task
            if before is not None and before.goal is Goal.RUN and task.goal is Goal.STOP and _serves(task):
                stopped[task.id] = before
        for before in stopped.values():
            self._stopped(process, before, self._known[before.id])
        for group, spec in process.scheduler.context.state.specs.items():
            self._counted(process, group, spec)

    def _stopped(self, process: SchedulerProcess, before: Task, task: Task) -> None:
        """A task that served is to stop: where that is because it is to be replaced, enough others serve."""
        state = process.scheduler.context.state
        spec, index = state.specs.get(task.group), state.groups[task.group]
        rollouts = state.rollouts.get(task.group.stack)
        rollout = rollouts.current if rollouts is not None else None
        if spec is None or before.beside is not None or not _is_replaced(task):
            return
        if rollout is not None and rollout.kind is RolloutKind.ROLLBACK:
            self._kept(spec, rollout, task)
        if rollout is not None and rollout.is_all_at_once:
            return
        update = _update(spec, rollout)
        wanted = sum(slot in index.holders or not has_finished(state, spec, slot) for slot in index.wanted)
        serving = [each for each in self._of(task.group) if each.goal is Goal.RUN and _serves(each)]
        is_followed = any(each.slot == task.slot for each in serving)
        if not is_followed and update.order is Order.START_FIRST:
            self._broken("stopped before it is followed", f"{task.id}: {task.stop_cause}", task.id)
        if update.min_healthy is not None:
            least = min(update.min_healthy.ceil(wanted), wanted)
        else:
            at_a_time = update.parallelism.ceil(wanted) or wanted
            least = 0 if is_followed else wanted - at_a_time
        if len(serving) < least:
            what = f"{task.id} stops ({task.stop_cause}): {len(serving)} of {wanted} serve, and {least} are to"
            self._broken("too few serve", what, task.id)

    def _kept(self, spec: GroupSpec, rollout: Rollout, task: Task) -> None:
        """Going back, what is still as it was stays."""
        was = next((each for each in rollout.before if each.id == spec.id), None)
        is_off_draining = task.stop_cause.startswith(OFF_DRAINING)
        if (
            was is not None
            and task.version == spec.version
            and task.generation >= was.generation
            and not is_off_draining
        ):
            self._broken("kept task replaced", f"{task.id} is as the stack goes back to: {task.stop_cause}", task.id)

    def _counted(self, process: SchedulerProcess, group: GroupId, spec: GroupSpec) -> None:
        """There are no more tasks than instances and surge, but where there were more when that was desired."""
        context = process.scheduler.context
        wanted = context.state.groups[group].wanted
        living = [task for task in self._of(group) if task.slot in wanted and task.id not in self._tree.were_away]
        count = len(living) + len(context.pending.get(group, ()))
        index = context.state.stacks[group.stack].index
        then, before = self._counts.get(group, (0, 0))
        self._counts[group] = index, count
        is_ended_by_mesos = any(task.goal is Goal.RUN and task.state is TaskState.KILLING for task in living)
        if count <= before or index != then or is_ended_by_mesos:
            return
        rollouts = context.state.rollouts.get(group.stack)
        update = _update(spec, rollouts.current if rollouts is not None else None)
        surge = update.max_surge.floor(len(wanted))
        most = len(wanted) + (surge if update.order is Order.STOP_FIRST else max(surge, 1))
        if count > most:
            what = f"{group}: {count} tasks there are, or shall be, of {len(wanted)} and {most - len(wanted)} more"
            self._broken("too many tasks", what, *(task.id for task in living))

    def _of(self, group: GroupId) -> list[Task]:
        """The group's living tasks that can be reached, but those that only remove what others left."""
        return [
            task
            for task in self._known.values()
            if task.group == group
            and task.state.is_lively
            and task.state is not TaskState.UNREACHABLE
            and not task.sweeps
        ]

    # ---- at every tick -----------------------------------------------------------------

    def look(self, process: SchedulerProcess) -> None:
        """Rollouts are stored, bounded, and shown with the reason they wait."""
        context = process.scheduler.context
        if process.is_deposed or process.session.is_lost or not context.outbox.is_empty or not context.state.stacks:
            return
        if context.state.rollouts != self._tree.rollouts:
            name = next(iter(context.state.rollouts.keys() ^ self._tree.rollouts.keys()), "")
            what = name or next(key for key, each in self._tree.rollouts.items() if context.state.rollouts[key] != each)
            self._broken("rollouts not stored", f"of {what} is stored {self._tree.rollouts.get(what)}", what)
        for name, rollouts in context.state.rollouts.items():
            if len(rollouts.past) > process.scheduler.context.settings.rollouts_kept:
                self._broken("unbounded", f"{len(rollouts.past)} rollouts of {name} are kept", name)
        for name, history in context.state.histories.items():
            definitions = sum(each.groups is not None for each in history.revisions)
            if definitions > context.settings.revisions_kept:
                self._broken("unbounded", f"{definitions} definitions of {name} are kept", name)
            asked = Counter(each.message for each in history.revisions if each.message.startswith("request "))
            if twice := next((message for message, count in asked.items() if count > 1), ""):
                self._broken("made twice", f"{twice} has changed {name} {asked[twice]} times", name)

    def told(self, process: SchedulerProcess) -> None:
        """A view is made: of every group whose change is not over, every task that is to go and every slot without a
        task it says what that waits for."""
        for stack in process.scheduler.view(process.now).stacks.values():
            for group in stack.groups:
                progress = group.progress
                if progress is not None and progress.state is not RolloutState.DONE and not progress.cause:
                    what = f"{group.spec.id} is {progress.state.value}, and nothing says what it waits for"
                    self._broken("wait without a sentence", what, str(group.spec.id))
                index = process.scheduler.context.state.groups[group.spec.id]
                due = {**index.draining, **index.outdated, **index.violating} if not group.spec.is_stopped else {}
                silent = [id for slot, id in index.holders.items() if slot in due and id not in group.waits]
                silent = [id for id in silent if process.scheduler.context.state.tasks[id].goal is Goal.RUN]
                if silent and group.state is not GroupState.REMOVING:
                    self._broken(
                        "wait without a sentence", f"{silent[0]} is to go, and nothing says why it stays", silent[0]
                    )


def _serves(task: Task) -> bool:
    """Counted from what is stored, and not by the scheduler's own property."""
    is_well = task.health in (Health.NONE, Health.HEALTHY) and task.readiness in (Readiness.NONE, Readiness.READY)
    return task.state is TaskState.RUNNING and (is_well or task.is_on_probation)


def _is_replaced(task: Task) -> bool:
    return task.stop_cause.startswith((*REPLACING, OFF_DRAINING))


def _update(spec: GroupSpec, rollout: Rollout | None) -> Update:
    is_back = rollout is not None and rollout.kind is RolloutKind.ROLLBACK
    return spec.rollback if is_back and spec.rollback is not None else spec.update
