"""The executor's core: a deterministic machine that takes events in and gives commands out.

executor.core.task draws the phases of a task. `starting` brings a task to run, `check_schedule` checks it while it
runs, `stopping` ends it; this module takes the events of the agent, and ends the executor itself. It reads no clock:
`now` is in seconds on a clock that never goes back, and `Settings.epoch` converts that to seconds since 1970.
"""

from __future__ import annotations

from random import Random
from typing import assert_never

from executor.core import check_schedule, inplace_update, retire, starting, stopping, templating
from executor.core import commands as do
from executor.core import events as on
from executor.core.commands import Command
from executor.core.context import Context, Settings
from executor.core.events import Event, Operation
from executor.core.orphan_containers import OrphanContainers
from executor.core.survey import Survey, survey
from executor.core.task import INVALID, SHUT_DOWN, Phase, Task, Verdict, seconds
from specs.ids import TaskId
from specs.states import TaskState

REAP_AGAIN_SECONDS = 600.0
"""Pause between two listings of the containers."""
LOOKS_AFTER_UNKNOWN = 2
"""Number of listings after an operation whose outcome is unknown."""
FAREWELL_SECONDS = 1.0
"""Time-out for the acknowledgements of the last statuses when the executor shuts down."""


class Executor:
    """All tasks of one executor, and the life of the executor: idle, shut down, retired or superseded."""

    def __init__(self, settings: Settings, rng: Random, now: float) -> None:
        self._settings = settings
        self._context = Context(settings, rng, now)
        #: Whether the agent is connected now, and whether it ever was.
        self._is_connected = False
        self._has_subscribed = False
        #: When the executor ends if it has no task until then.
        self._idle_at = now + settings.idle_seconds
        #: When it shuts down if the agent is not back until then; None while connected.
        self._disconnect_deadline: float | None = None
        self._orphans = OrphanContainers(settings.reap_after_seconds)
        #: Deadline of the shutdown under way, None without one.
        self._exit_at: float | None = None
        #: Deadline for retiring, None unless a newer executor or another agent takes over.
        self._retire_until: float | None = None
        self._is_superseded = False
        self._shutdown_reason = ""
        #: Whether Exit was emitted: every later event is ignored.
        self._is_over = False

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks from their order to the acknowledgement of their last status."""
        return tuple(self._context.tasks.values())

    def begin(self) -> tuple[Command, ...]:
        """Returns the first commands."""
        return (do.Subscribe(statuses=(), tasks=()),)

    def handle(self, event: Event, now: float) -> tuple[Command, ...]:
        """Takes one event in; returns the commands that follow, in the order in which to perform them."""
        if self._is_over:
            return ()
        self._context.now = now
        self._dispatch(event, now)
        self._timers(now)
        self._end_if_idle(now)
        return self._context.take()

    def survey(self) -> Survey:
        """A snapshot of all tasks."""
        return survey(self._context)

    def wakes_at(self) -> float | None:
        """When `Woke` is due if no event comes before; None if never."""
        if self._is_over:
            return None
        context = self._context
        times = [
            context.outbox.wakes_at(),
            context.next_alarm_at(),
            context.reap_at,
            self._disconnect_deadline,
            self._exit_at,
            self._retire_until,
        ]
        if not context.tasks and not len(context.outbox):
            times.append(self._idle_at)
        return min((time for time in times if time is not None), default=None)

    # ---- events ---------------------------------------------------------------

    def _dispatch(self, event: Event, now: float) -> None:
        match event:
            case on.Subscribed():
                self._subscribed(now)
            case on.Disconnected():
                self._disconnected(event.reason, now)
            case on.Superseded():
                self._superseded(now)
            case on.LaunchReceived():
                self._launch(event)
            case on.LaunchGarbled():
                self._context.report_unknown(event.task_id, TaskState.ERROR, event.fault, INVALID)
            case on.KillReceived():
                self._kill(event)
            case on.UpdateInPlaceReceived():
                for task in [self._context.tasks[id] for id in event.task_ids if id in self._context.tasks]:
                    inplace_update.apply(self._context, task, event)
            case on.Acknowledged():
                self._acknowledged(event, now)
            case on.ShutdownReceived():
                self._shut_down(event.reason, now)
            case on.RetireReceived():
                if self._retire_until is None:
                    self._retire_until = now + retire.RETIRE_SECONDS
                    retire.begin(self._context, retire.REPLACED)
            case on.StartExecReceived():
                self._start_exec(event)
            case on.ContainersListed():
                self._listed(event, now)
            case on.RemoveOrphansReceived():
                self._orphans.condemn(event.task_ids)
                self._context.look_at(now)
            case on.Woke():
                pass
            case _:
                self._answer(event)

    def _subscribed(self, now: float) -> None:
        self._is_connected = True
        self._disconnect_deadline = None
        if not self._has_subscribed:
            self._has_subscribed = True
            self._idle_at = now + self._settings.idle_seconds
            self._context.reap_at = None if self._settings.is_noop else now
        self._context.emit(*(do.SendStatus(status=status) for status in self._context.outbox.connect(now)))

    def _disconnected(self, reason: str, now: float) -> None:
        context = self._context
        self._is_connected = False
        context.outbox.disconnect()
        recovery = self._settings.recovery_seconds
        if recovery is None and self._has_subscribed:
            self._shut_down(f"the agent is gone ({reason}) and the framework does not checkpoint", now)
            return
        if self._disconnect_deadline is None:
            self._disconnect_deadline = now + (recovery if recovery is not None else self._settings.idle_seconds)
        unknown = tuple(task.unknown_to_agent for task in context.tasks.values() if task.unknown_to_agent is not None)
        context.emit(do.Subscribe(statuses=context.outbox.unacknowledged(), tasks=unknown))

    def _superseded(self, now: float) -> None:
        """Nobody reads this executor's statuses any more: it leaves its containers for adoption, and ends."""
        context = self._context
        self._is_connected = False
        self._is_superseded = True
        self._disconnect_deadline = None
        context.outbox.disconnect()
        if self._exit_at is None and self._retire_until is None:
            retire.begin(context, retire.SUPERSEDED)
        self._retire_until = now + retire.RETIRE_SECONDS

    def _launch(self, event: on.LaunchReceived) -> None:
        order, context = event.order, self._context
        if order.task_id in context.tasks:
            return
        task = Task(order=order, phase=Phase.CREATING, unknown_to_agent=event.task)
        context.tasks[order.task_id] = task
        if self._exit_at is not None:
            context.end(task, Verdict(state=TaskState.KILLED, message=self._shutdown_reason, reason=SHUT_DOWN))
        elif context.has_ended(order.task_id) and not order.sweeps:
            context.end(task, Verdict(state=TaskState.KILLED, message="killed before it was launched"))
        else:
            starting.order(context, task)

    def _kill(self, event: on.KillReceived) -> None:
        context = self._context
        task = context.tasks.get(event.task_id)
        if task is not None and task.order.sweeps:
            return  # it ends by itself, once the containers are removed
        if task is not None:
            verdict = Verdict(state=TaskState.KILLED, message="killed as asked")
            stopping.stop(context, task, verdict, event.grace_seconds)
        elif not context.has_ended(event.task_id) and not context.outbox.has(event.task_id):
            context.remember(event.task_id)
            message = "killed: this executor has no such task (not launched here, or ended long ago)"
            context.report_unknown(event.task_id, TaskState.KILLED, message)

    def _start_exec(self, event: on.StartExecReceived) -> None:
        task = self._context.tasks.get(event.task_id)
        order, refusal = None, ""
        if task is None:
            refusal = f"the executor has no task {event.task_id} (any more)"
        elif task.phase not in (Phase.RUNNING, Phase.DRAINING, Phase.PRE_STOP):
            refusal = f"{event.task_id} does not run: it is {task.phase.value}"
        else:
            order = task.order
        self._context.emit(do.StartExec(order=order, url=event.url, key=event.key, refusal=refusal))

    def _acknowledged(self, event: on.Acknowledged, now: float) -> None:
        context = self._context
        was_expected, following = context.outbox.acknowledge(event.task_id, event.uuid, now)
        task = context.tasks.get(event.task_id)
        if was_expected and task is not None:
            task.unknown_to_agent = None
            if task.phase is Phase.ENDED and not context.outbox.has(event.task_id):
                del context.tasks[event.task_id]
        context.emit(*(do.SendStatus(status=status) for status in following))

    def _shut_down(self, reason: str, now: float) -> None:
        if self._exit_at is not None:
            return
        self._shutdown_reason = f"the executor shuts down: {reason}"
        self._exit_at = now + max(self._settings.shutdown_seconds - 0.5, 0.5)
        grace = max(self._settings.shutdown_seconds - 2.0, 0.0)
        verdict = Verdict(state=TaskState.KILLED, message=self._shutdown_reason, reason=SHUT_DOWN)
        for task in list(self._context.tasks.values()):
            own = task.order.container.stop.grace_seconds
            stopping.stop(self._context, task, verdict, min(grace, own), has_time=False)

    def _listed(self, event: on.ContainersListed, now: float) -> None:
        known: dict[TaskId, None] = {}
        for task_id, task in self._context.tasks.items():
            if task.phase is not Phase.ENDED:
                known[task_id] = None
            if task.phase is Phase.ADOPTING:
                known |= dict.fromkeys(task.order.predecessors)
        self._context.emit(*self._orphans.found(event.containers, known, now))
        self._context.look_at(self._orphans.due_at)
        if self._context.looks_owed:
            self._context.looks_owed -= 1
            if self._context.looks_owed:
                self._context.look_at(now + self._settings.reap_after_seconds)

    # ---- answers about one task ---------------------------------------------------

    def _answer(self, event: Event) -> None:
        assert not isinstance(
            event,
            on.Subscribed | on.Disconnected | on.Superseded | on.LaunchReceived | on.LaunchGarbled | on.KillReceived,
        )
        assert not isinstance(event, on.UpdateInPlaceReceived | on.Acknowledged | on.ShutdownReceived)
        assert not isinstance(event, on.RetireReceived | on.StartExecReceived)
        assert not isinstance(event, on.ContainersListed | on.RemoveOrphansReceived | on.Woke)
        context = self._context
        task = context.tasks.get(event.task_id)
        if task is None or task.phase is Phase.ENDED:
            return
        match event:
            case on.Adopted():
                if task.phase is Phase.ADOPTING:
                    starting.adopted(context, task, event)
            case on.NothingToAdopt():
                if task.phase is Phase.ADOPTING:
                    starting.nothing_to_adopt(context, task)
            case on.PullProgressed():
                starting.pull_progressed(context, task, event)
            case on.Pulled():
                if task.phase is Phase.PULLING:
                    starting.pulled(context, task)
            case on.ImageMissing():
                if task.phase is Phase.CREATING:
                    starting.image_missing(context, task)
            case on.Created():
                if task.phase is Phase.CREATING:
                    starting.created(context, task, event)
            case on.Started():
                if task.phase is Phase.STARTING:
                    starting.started(context, task, event)
            case on.Exited():
                stopping.exited(context, task, event)
            case on.Removed():
                stopping.removed(context, task, event)
            case on.OperationFailed():
                self._failed(task, event)
            case on.CheckReported():
                check_schedule.checked(context, task, event)
            case on.HookEnded():
                self._hook_ended(task, event)
            case on.TemplatesRendered():
                templating.rendered(context, task, event)
            case on.Notified():
                templating.notified(context, task, event)
            case on.Withdrawn():
                if task.withdraw_until is not None and event.serial == task.withdrawal_serial:
                    stopping.withdrawn(context, task)
            case _:
                assert_never(event)

    def _hook_ended(self, task: Task, event: on.HookEnded) -> None:
        if event.serial != task.hook_serial:
            return
        if task.phase is Phase.RUNNING:
            check_schedule.hook_ended(self._context, task, event)
        elif task.phase is Phase.PRE_STOP:
            stopping.hook_ended(self._context, task, event)

    def _failed(self, task: Task, event: on.OperationFailed) -> None:
        if event.is_temporary and event.operation in (Operation.CREATE, Operation.START):
            # An engine that was frozen makes the container when it wakes, which may be after the first answer.
            self._context.looks_owed = LOOKS_AFTER_UNKNOWN
            self._context.look_at(self._context.now + self._settings.reap_after_seconds)
        match event.operation:
            case Operation.PULL:
                starting.pull_failed(self._context, task, event.message, event.permanent)
            case Operation.ADOPT | Operation.CREATE | Operation.START:
                starting.failed(self._context, task, event.message, event.permanent)
            case Operation.SIGNAL:
                stopping.signal_failed(self._context, task, event.is_temporary)
                inplace_update.signal_failed(self._context, task, event.message, event.is_temporary)
            case Operation.REMOVE:
                stopping.removal_failed(self._context, task)
            case _:
                assert_never(event.operation)

    # ---- time -------------------------------------------------------------------

    def _timers(self, now: float) -> None:
        context = self._context
        context.emit(*(do.SendStatus(status=status) for status in context.outbox.due(now)))
        while (task := context.ringing()) is not None:
            for part in (starting, stopping, check_schedule):
                part.ring(context, task)
        if context.reap_at is not None and context.reap_at <= now:
            # A listing that is not answered is followed by another just the same.
            context.reap_at = now + (self._settings.reap_after_seconds if context.looks_owed else REAP_AGAIN_SECONDS)
            context.emit(do.ListContainers())
        if self._disconnect_deadline is not None and self._disconnect_deadline <= now:
            self._disconnect_deadline = None
            waited = seconds(self._settings.recovery_seconds or self._settings.idle_seconds)
            self._shut_down(f"the agent did not come back within {waited}", now)

    def _end_if_idle(self, now: float) -> None:
        """Ends the executor when nothing is left to do."""
        context = self._context
        is_at_rest = not context.tasks and not len(context.outbox) and not context.looks_owed
        if self._exit_at is not None:
            are_all_ended = all(task.phase is Phase.ENDED for task in context.tasks.values())
            if are_all_ended:
                self._exit_at = min(self._exit_at, now + (FAREWELL_SECONDS if self._is_connected else 0.0))
            if is_at_rest or now >= self._exit_at:
                self._exit(self._shutdown_reason)
        elif self._retire_until is not None and (self._may_retire() or now >= self._retire_until):
            why = "its agent is no more" if self._is_superseded else "a newer one takes over"
            self._exit(f"{why}: containers run on", hands_over=True)
        elif not is_at_rest:
            self._idle_at = now + self._settings.idle_seconds
        elif now >= self._idle_at:
            self._exit(f"no task for {seconds(self._settings.idle_seconds)}")

    def _may_retire(self) -> bool:
        return retire.may_end(self._context) and (self._is_superseded or not len(self._context.outbox))

    def _exit(self, reason: str, *, hands_over: bool = False) -> None:
        self._is_over = True
        self._context.emit(do.Exit(reason=reason, hands_over=hands_over))
