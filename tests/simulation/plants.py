"""Deliberate faults in the code under test, to show that the simulation finds them.

Each is a change of one function, as a hurried hand might make it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from executor.core.orphan_containers import OrphanContainers
from executor.core.statuses import Outbox as StatusOutbox
from framework.adapters.term import Term
from framework.core.commands import Accept, Acknowledge, Kill, PutFramework, PutRollouts
from framework.core.converge import inplace_update, kill_guard, statuses
from framework.core.groups import completion
from framework.core.groups.pace import Pace, pace_of
from framework.core.launch import container_sweep, global_groups
from framework.core.model import GroupSpec, Task
from framework.core.rollout import actions
from framework.core.rollout.updater import _Updater
from framework.core.scheduler import Scheduler
from framework.core.stacks import changes, repeated_requests
from framework.core.state.context import Context
from framework.core.state.group_index import holds_slot
from framework.core.state.offer_pool import OfferPool
from specs.states import Goal, TaskState
from tests.simulation.zookeeper import Transaction

Installed = AbstractContextManager[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A fault: what is wrong, how it is put in, and by which rules it is found; `seed` was the first to find it."""

    name: str
    seed: int
    install: Callable[[], Installed]
    rules: tuple[str, ...]


def _said_at_once(kind: type[Any]) -> Installed:
    real = Context.after_save

    def planted(self: Context, *commands: Any) -> None:
        self.emit(*(each for each in commands if isinstance(each, kind)))
        real(self, *(each for each in commands if not isinstance(each, kind)))

    return patch.object(Context, "after_save", planted)


def _launch_before_save() -> Installed:
    return _said_at_once(Accept)


def _acknowledge_before_save() -> Installed:
    return _said_at_once(Acknowledge)


def _acknowledgement_forgotten() -> Installed:
    return _repeated(lambda context, command: None)


def _repeated_status_at_once() -> Installed:
    return _repeated(lambda context, command: context.emit(command))


def _repeated(acknowledge: Callable[[Context, Any], None]) -> Installed:
    real = Context.after_all_saves

    def planted(self: Context, *commands: Any) -> None:
        for each in commands:
            if isinstance(each, Acknowledge):
                acknowledge(self, each)
            else:
                real(self, each)

    return patch.object(Context, "after_all_saves", planted)


def _kill_before_knowing() -> Installed:
    real = Scheduler._subscribed

    def planted(self: Scheduler, event: Any) -> None:
        real(self, event)
        for task in self.context.state.tasks.values():
            if task.state is TaskState.INTENT:
                self.context.emit(Kill(task_id=task.id, agent_id=task.agent_id))

    return patch.object(Scheduler, "_subscribed", planted)


def _unknown_tasks_killed() -> Installed:
    real = kill_guard.holds_back

    def planted(context: Context, status: Any, task: Task | None) -> bool:
        if task is not None and task.state is TaskState.STARTING and not context.agents.is_known:
            context.emit(Kill(task_id=task.id, agent_id=task.agent_id))
        return real(context, status, task)

    return patch.object(kill_guard, "holds_back", planted)


def _intent_not_stored() -> Installed:
    real = Context.put

    def planted(self: Context, task: Task) -> None:
        if task.state is TaskState.INTENT and task.goal is Goal.RUN:
            self.state.put_task(task)
        else:
            real(self, task)

    return patch.object(Context, "put", planted)


def _slot_freed_at_killing() -> Installed:
    return patch(
        "framework.core.state.cluster_state.holds_slot",
        lambda task: holds_slot(task) and task.state is not TaskState.KILLING,
    )


def _fence_ignored() -> Installed:
    real = Transaction.set_data

    def planted(self: Transaction, path: str, data: bytes, version: int = -1) -> None:
        real(self, path, data, -1)

    return patch.object(Transaction, "set_data", planted)


def _ambiguous_taken_for_done() -> Installed:
    real = Term._has_happened

    def planted(self: Term, epoch: Any) -> bool:
        real(self, epoch)
        self._epoch = epoch
        return True

    return patch.object(Term, "_has_happened", planted)


def _serial_given_twice() -> Installed:
    real = Context.write

    def planted(self: Context, kind: str, name: str, write: Any) -> None:
        if not isinstance(write, PutFramework) or write.next_serial < 3:
            real(self, kind, name, write)

    return patch.object(Context, "write", planted)


def _offer_used_twice() -> Installed:
    real = OfferPool.remove

    def planted(self: OfferPool, id: Any) -> None:
        if self.received % 3:
            real(self, id)

    return patch.object(OfferPool, "remove", planted)


def _executor_forgets_statuses() -> Installed:
    real = StatusOutbox.connect

    def planted(self: StatusOutbox, now: float) -> tuple[Any, ...]:
        real(self, now)
        return ()

    return _all(
        patch.object(StatusOutbox, "connect", planted),
        patch.object(StatusOutbox, "due", lambda self, now: ()),
        patch.object(StatusOutbox, "wakes_at", lambda self: None),
    )


@contextmanager
def _all(*installed: Installed) -> Iterator[None]:
    with ExitStack() as stack:
        for each in installed:
            stack.enter_context(each)
        yield


def _returned_not_stopped() -> Installed:
    real = statuses.accept

    def planted(context: Context, status: Any) -> None:
        task = context.state.tasks.get(status.task_id)
        is_back = task is not None and task.state is TaskState.UNREACHABLE
        if is_back and status.state is not TaskState.UNREACHABLE:
            with patch.object(Context, "kill", lambda self, task: None):
                real(context, status)
        else:
            real(context, status)

    return patch.object(statuses, "accept", planted)


def _revive_forgotten() -> Installed:
    return patch.object(OfferPool, "revive", lambda self, now, agents: ([], 0.0))


def _reconciliation_forgotten() -> Installed:
    return patch.object(Scheduler, "_reconcile", lambda self, **more: None)


def _kill_sent_once() -> Installed:
    real = Context.kill
    sent: dict[tuple[int, str], None] = {}

    def planted(self: Context, task: Task) -> None:
        if (id(self), task.id) not in sent:
            sent[id(self), task.id] = None
            real(self, task)

    return patch.object(Context, "kill", planted)


def _claimed_reaped() -> Installed:
    real = OrphanContainers.found
    return patch.object(OrphanContainers, "found", lambda self, containers, known, now: real(self, containers, (), now))


def _orphans_kept() -> Installed:
    return patch.object(OrphanContainers, "found", lambda self, containers, known, now: ())


def _stop_not_stored() -> Installed:
    def planted(self: Context, task: Task, cause: str) -> None:
        self.kill(task)

    return patch.object(Context, "stop", planted)


def _drained_still_wanted() -> Installed:
    return patch.object(global_groups, "_may_come", lambda agents, agent_id, fitting: agent_id in fitting)


def _dependencies_for_ever() -> Installed:
    return patch.object(completion, "_meets", lambda state, other, condition: False)


def _one_too_few() -> Installed:
    def planted(*arguments: Any) -> Pace:
        pace = pace_of(*arguments)
        stop, swap = max(pace.ready_after_stop - 1, 0), max(pace.ready_after_swap - 1, 0)
        return replace(pace, ready_after_stop=stop, ready_after_swap=swap)

    return patch("framework.core.rollout.updater.pace_of", planted)


def _kept_forgotten() -> Installed:
    real = actions._as_before

    def planted(spec: GroupSpec, now: GroupSpec | None) -> GroupSpec:
        was = real(spec, now)
        return replace(was, generation=was.generation + 1)

    return patch.object(actions, "_as_before", planted)


def _ready_too_early() -> Installed:
    real = _Updater._stop_replaced

    def planted(self: _Updater) -> None:
        started = property(lambda task: task.state in (TaskState.STARTING, TaskState.RUNNING))
        with patch.object(Task, "is_ready", started):
            real(self)

    return patch.object(_Updater, "_stop_replaced", planted)


def _pause_not_stored() -> Installed:
    real = changes.writes_of

    def planted(change: Any, state: Any) -> tuple[Any, ...]:
        return tuple(each for each in real(change, state) if not isinstance(each, PutRollouts))

    return patch.object(changes, "writes_of", planted)


def _care_told_once() -> Installed:
    return patch.object(inplace_update, "RESEND_SECONDS", 1e6)


def _any_agent_taken() -> Installed:
    return _all(
        patch("tests.simulation.executor.stranger", lambda subscribed, agent_id, run_id: ""),
        patch("tests.simulation.executor.is_disowned", lambda status, text: False),
    )


def _left_for_ever() -> Installed:
    return patch.object(container_sweep, "due", lambda context: [])


LOST = ("no peace", "task lost")


def _answers_forgotten() -> Installed:
    return patch.object(repeated_requests, "answer_to", lambda *_: None)


PLANTS = (
    Plant(
        name="a launch is sent before its intent is saved",
        seed=0,
        install=_launch_before_save,
        rules=("launch before save",),
    ),
    Plant(name="an intent is not stored at all", seed=0, install=_intent_not_stored, rules=("launch before save",)),
    Plant(
        name="a status is acknowledged before it is saved",
        seed=0,
        install=_acknowledge_before_save,
        rules=("acknowledged before save",),
    ),
    Plant(
        name="a status that is told again is acknowledged at once",
        seed=26,
        install=_repeated_status_at_once,
        rules=("acknowledged before save",),
    ),
    Plant(
        name="a status that is told again is never acknowledged", seed=5, install=_acknowledgement_forgotten, rules=LOST
    ),
    Plant(
        name="a new leader kills what it has not heard of yet",
        seed=1,
        install=_kill_before_knowing,
        rules=("kill of a wanted task",),
    ),
    Plant(
        name="a task that is told of before the agents are known is taken for an unknown task",
        seed=1,
        install=_unknown_tasks_killed,
        rules=("kill of a wanted task",),
    ),
    Plant(
        name="a task is killed and its goal is not stored",
        seed=0,
        install=_stop_not_stored,
        rules=("kill of a wanted task", "AssertionError"),
    ),
    Plant(
        name="a slot is free as soon as its task is KILLING",
        seed=0,
        install=_slot_freed_at_killing,
        rules=("two in a slot", "too many tasks"),
    ),
    Plant(
        name="transactions do not check the epoch's version",
        seed=5,
        install=_fence_ignored,
        rules=("deposed scheduler writes", "unknown task", "kill of a wanted task", "AssertionError", *LOST),
    ),
    Plant(
        name="a save whose answer was lost counts as done",
        seed=0,
        install=_ambiguous_taken_for_done,
        rules=("launch before save", "acknowledged before save", "kill of a wanted task"),
    ),
    Plant(
        name="the counter of serial numbers is not stored",
        seed=128,
        install=_serial_given_twice,
        rules=("task id given twice", "AssertionError", "StoreFault", *LOST),
    ),
    Plant(
        name="an offer that was used stays in the pool", seed=0, install=_offer_used_twice, rules=("offer used twice",)
    ),
    Plant(name="executors send a status only once", seed=53, install=_executor_forgets_statuses, rules=LOST),
    Plant(name="a task that comes back unwanted is not stopped", seed=23, install=_returned_not_stopped, rules=LOST),
    Plant(name="what was declined is never asked for again", seed=0, install=_revive_forgotten, rules=LOST),
    Plant(name="a new leader does not reconcile", seed=1, install=_reconciliation_forgotten, rules=LOST),
    Plant(name="a kill is sent only once", seed=9, install=_kill_sent_once, rules=LOST),
    Plant(name="executors are told of in-place settings only once", seed=73, install=_care_told_once, rules=LOST),
    Plant(name="the reaper takes what a task claims", seed=0, install=_claimed_reaped, rules=LOST),
    Plant(name="containers that nobody claims are left", seed=39, install=_orphans_kept, rules=LOST),
    Plant(name="a drained agent is to have its global task", seed=16, install=_drained_still_wanted, rules=LOST),
    Plant(name="a dependency that runs does not count", seed=5, install=_dependencies_for_ever, rules=LOST),
    Plant(name="min_healthy is taken for one less", seed=9, install=_one_too_few, rules=("too few serve",)),
    Plant(
        name="a rollback replaces what was kept too", seed=15, install=_kept_forgotten, rules=("kept task replaced",)
    ),
    Plant(
        name="a successor counts before it is ready",
        seed=0,
        install=_ready_too_early,
        rules=("stopped before it is followed", "too few serve", "AssertionError"),
    ),
    Plant(name="a pause is not stored", seed=0, install=_pause_not_stored, rules=("rollouts not stored",)),
    Plant(
        name="an executor does not look whose agent it is that answers", seed=24, install=_any_agent_taken, rules=LOST
    ),
    Plant(name="what an executor left where no other comes stays", seed=8, install=_left_for_ever, rules=LOST),
    Plant(
        name="another try of a request is another change",
        seed=9,
        install=_answers_forgotten,
        rules=("made twice",),
    ),
)
