"""The scheduler: one deterministic state machine. Events in, commands out."""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

from framework.core import agent_changes, autoscaler, become_leader, exec_session, placer
from framework.core.change_queue import ChangeQueue
from framework.core.commands import Accept, Command, Halt, HaltCause, PutFramework, Reconcile, Refused, Reply
from framework.core.converge import converge, executor_upgrade, inplace_update, kill_guard, statuses
from framework.core.events import (
    AgentRemoved,
    AgentsReported,
    ApprovalGiven,
    BackoffResetRequested,
    BecameLeader,
    CallFailed,
    Disconnected,
    Event,
    ExecRequested,
    ExecutorFailed,
    ExecutorUpgradeRequested,
    FrameworkRefused,
    InverseOffersReceived,
    KillRequested,
    OfferRescinded,
    OffersReceived,
    OrphanContainersReported,
    ProgressReported,
    RestartRequested,
    RollbackRequested,
    RolloutActionRequested,
    Saved,
    SaveFailed,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StatusReceived,
    StopRequested,
    StoreReported,
    Subscribed,
    UsageMeasured,
    Woke,
)
from framework.core.launch import container_sweep
from framework.core.model import Instant, Settings, Status, Task
from framework.core.read.view_builder import Viewer
from framework.core.rollout import rollouts
from framework.core.stacks import repeated_requests
from framework.core.state.context import Context
from framework.core.state.lifecycle import Action, act
from framework.core.state.outbox import AfterSave
from framework.core.state.timers import Timer
from framework.core.views import View
from framework.core.volatile import Connection, Progress
from specs.ids import AgentId, GroupId, TaskId, parse_group_id
from specs.states import TaskState

#: What `_dispatch` leaves to `_dispatch_rare`; mypy holds the two together.
RareEvent: TypeAlias = (
    BecameLeader
    | Subscribed
    | Disconnected
    | FrameworkRefused
    | AgentsReported
    | InverseOffersReceived
    | AgentRemoved
    | ExecutorFailed
    | OrphanContainersReported
    | CallFailed
    | SaveFailed
    | StoreReported
)
TaskTimer: TypeAlias = Literal[Timer.KILL, Timer.LAUNCH, Timer.UNREACHABLE]
GroupTimer: TypeAlias = Literal[Timer.ROLLOUT_STEP, Timer.ROLLOUT_DEADLINE, Timer.INPLACE_UPDATE]

_WORDS_OF_REMOVAL = ("removed", "completed")
"""In Mesos's own text when it has ended the framework: its ERROR event has no code to compare."""
RECONCILE_AT_ONCE = 1000
"""Limit on the tasks named by one call."""


class Scheduler:
    """Reads no clock and sends nothing: `handle` is told the time and returns what is to be done, in order."""

    def __init__(self, settings: Settings) -> None:
        self.context = Context(settings)
        self._viewer = Viewer(self.context)
        self._change_queue = ChangeQueue(self.context)
        #: Statuses were not taken since the outbox was last full.
        self._has_shed = False

    def handle(self, event: Event, now: Instant) -> tuple[Command, ...]:
        """Takes one event at the time `now`; returns the commands to perform, in order."""
        context = self.context
        context.now = now
        self._dispatch(event)
        if context.deferred_stops or context.unmet_dependencies or context.violating:
            converge.release(context)
        self._change_queue.take_own_requests()
        if context.executor_upgrade is not None:
            executor_upgrade.advance(context)
        self._settle()
        return context.take()

    def wakes_at(self) -> Instant | None:
        """When `Woke` is to be sent, None if nothing waits for a time."""
        return self.context.timers.next()

    def view(self, now: Instant) -> View:
        """The view for readers, as of `now`."""
        return self._viewer.view(now)

    # ---- events ---------------------------------------------------------------

    def _dispatch(self, event: Event) -> None:
        """Gives the event to the part that it concerns; the frequent ones stand first."""
        context = self.context
        match event:
            case StatusReceived():
                self._status(event.status)
            case Saved():
                self._saved(event.ticket)
            case Woke():
                self._woke()
            case OffersReceived():
                context.pool.add(event.offers, context.now)
                context.place_soon()
                agent_changes.offers_received(context, event.offers)
            case OfferRescinded():
                context.pool.remove(event.offer_id)
            case ProgressReported():
                self._progressed(event)
            case UsageMeasured():
                autoscaler.measure(context, event)
            case ApprovalGiven():
                self._approved(event)
            case ExecutorUpgradeRequested():
                self._upgrade_executors(event)
            case ExecRequested():
                exec_session.attach(context, event)
            case (
                StackSubmitted() | StackRemoved() | RollbackRequested() | RolloutActionRequested() | KillRequested()
            ) | (ScaleRequested() | RestartRequested() | StopRequested() | StartRequested() | BackoffResetRequested()):
                self._change_queue.request(event)
            case _:
                self._dispatch_rare(event)

    def _dispatch_rare(self, event: RareEvent) -> None:
        context = self.context
        match event:
            case BecameLeader():
                become_leader.begin(context, event.stored)
            case Subscribed():
                self._subscribed(event)
            case Disconnected():
                self._disconnected(event.problem)
            case FrameworkRefused():
                self._refused(event.message)
            case AgentsReported():
                agent_changes.reported(context, event)
            case InverseOffersReceived():
                agent_changes.asked_to_leave(context, event.offers)
            case AgentRemoved():
                self._publish_agent(event.agent_id, "was removed")
                agent_changes.removed(context, event.agent_id)
            case ExecutorFailed():
                # Its tasks end by statuses of their own.
                self._publish_agent(event.agent_id, f"executor {event.executor_id} ended")
            case OrphanContainersReported():
                container_sweep.answer(context, event)
            case CallFailed():
                if isinstance(event.call, Accept):
                    self._forget_unsent(event.call, event.problem)
            case SaveFailed():
                self._save_failed(event)
            case StoreReported():
                context.store_problem = event.problem
                context.publish("StoreReported", event.problem or "the store can be used")
            case _:
                assert_never(event)

    def _status(self, status: Status) -> None:
        if self.context.outbox.is_full:
            self._shed()
        else:
            statuses.receive(self.context, status)

    def _disconnected(self, problem: str) -> None:
        context = self.context
        if context.problem != problem:
            context.publish("Disconnected", problem)
        self._connect(Connection.CONNECTING, problem)
        context.pool.clear()

    def _publish_agent(self, id: AgentId, what: str) -> None:
        agent = self.context.agents.get(id)
        self.context.publish("AgentChanged", f"agent {agent.hostname if agent else id}: {what}")

    def _subscribed(self, event: Subscribed) -> None:
        context = self.context
        if context.state.framework_id != event.framework_id:
            context.state.framework_id = event.framework_id
            context.write(
                "framework",
                "",
                PutFramework(framework_id=event.framework_id, next_serial=context.state.next_serial),
            )
        context.session += 1
        context.master = event.master
        self._connect(Connection.SUBSCRIBED, "")
        context.pool.subscribed()
        context.placing.offer_waits.clear()
        agent_changes.subscribed(context, event.region)
        context.placing.slots_sought.clear()
        context.place_soon()
        context.publish("Subscribed", f"subscribed to the Mesos master at {event.master} as {event.framework_id}")
        self._reconcile(is_new=True)
        inplace_update.resend_all(context)
        # What was decided needs no answer first; what is only suspected waits for it.
        for task in list(context.state.tasks.values()):
            if act(task.goal, task.state) is Action.KILL:
                context.kill(task)

    def _connect(self, connection: Connection, problem: str) -> None:
        self.context.connection, self.context.problem = connection, problem
        self.context.touch_pending()  # they say what they wait for

    def _reconcile(self, *, is_new: bool = False) -> None:
        """Asks for the state of every living task, then for what else there is."""
        context = self.context
        known = [(task.id, task.agent_id) for task in context.state.tasks.values() if task.state.is_lively]
        kill_guard.begin(context, tuple(known), is_new=is_new)
        unknown = context.unknown_tasks.unknown.items()
        known += [(id, each.agent_id) for id, each in unknown if each.agent_id is not None]
        for start in range(0, len(known), RECONCILE_AT_ONCE):
            context.after_save(Reconcile(tasks=tuple(known[start : start + RECONCILE_AT_ONCE])))
        context.after_save(Reconcile())
        context.timers.set(Timer.RECONCILE, "", context.now + context.settings.reconcile_seconds)

    def _refused(self, message: str) -> None:
        context = self.context
        is_removed = any(word in message.lower() for word in _WORDS_OF_REMOVAL)
        what = f"framework {context.state.framework_id}" if context.state.framework_id else "this framework"
        if is_removed:
            context.emit(
                Halt(
                    cause=HaltCause.FRAMEWORK_REMOVED,
                    message=f"Mesos has removed {what} and ended its tasks ({message}); nothing was touched in the"
                    " store. To take its stacks over into a new framework: `framework backup FILE`, then `framework"
                    " restore FILE --as-new --replace`; to begin with nothing, give --zk another root",
                )
            )
        else:
            context.emit(
                Halt(
                    cause=HaltCause.MESOS_REFUSED,
                    message=f"the Mesos master refuses {what}: {message}; check --role, --principal and --secret-file,"
                    " and that no second scheduler uses this framework id",
                )
            )

    def _progressed(self, event: ProgressReported) -> None:
        task = self.context.state.tasks.get(event.task_id)
        if task is not None and task.state.is_lively and task.state is not TaskState.RUNNING:
            self.context.progress[event.task_id] = Progress(
                stage=event.stage, done_bytes=event.done_bytes, total_bytes=event.total_bytes
            )
            self.context.state.touched[task.group] = None

    # ---- asks and saves ---------------------------------------------------------

    def _approved(self, event: ApprovalGiven) -> None:
        outcome, ends = kill_guard.approve(self.context, event)
        self._accept(ends)
        self.context.after_save(Reply(request_id=event.request_id, outcome=outcome))

    def _upgrade_executors(self, event: ExecutorUpgradeRequested) -> None:
        context = self.context
        if context.connection is Connection.SUBSCRIBED:
            outcome = executor_upgrade.begin(context, event)
        else:
            problem = context.problem or "the scheduler is not subscribed to a Mesos master; try again in a moment"
            outcome = Refused(kind="unavailable", message=problem)
        context.after_save(Reply(request_id=event.request_id, outcome=outcome))

    def _accept(self, ends: tuple[Status, ...]) -> None:
        for status in ends:
            statuses.accept(self.context, status)

    def _shed(self) -> None:
        """Does not take a status: its agent tells it again, and a reconciliation asks for it once there is room."""
        context = self.context
        if not self._has_shed:
            self._has_shed = True
            context.publish(
                "StoreLags", "too much waits for the store: what Mesos says of tasks is not taken until there is room"
            )

    def _take(self, ticket: int) -> AfterSave:
        """The consequences of a save; where that makes room, statuses that were not taken are asked for."""
        context = self.context
        was_full = context.outbox.is_full
        waiting = context.outbox.take(ticket)
        if was_full and not context.outbox.is_full:
            context.place_soon()
            if self._has_shed:
                self._has_shed = False
                context.publish("StoreLags", "the store has caught up: Mesos is asked for the state of all tasks")
                if context.connection is Connection.SUBSCRIBED:
                    self._reconcile()
        return waiting

    def _saved(self, ticket: int) -> None:
        context = self.context
        waiting = self._take(ticket)
        for command in waiting.commands:
            if isinstance(command, Accept) and waiting.session != context.session:
                self._forget_unsent(command, "the connection to the master was lost before")
            else:
                context.emit(command)
        repeated_requests.stored(context, waiting.answers)
        if waiting.changes:
            self._change_queue.stored(waiting)

    def _forget_unsent(self, accept: Accept, problem: str) -> None:
        """The launches of the Accept never left: their slots are pending again."""
        for task in self.context.unsent(accept):
            converge.forget_unsent(self.context, task, problem)

    def _save_failed(self, event: SaveFailed) -> None:
        waiting = self._take(event.ticket)
        if not waiting.changes:
            message = f"the store refused what must be stored: {event.problem}"
            self.context.emit(Halt(cause=HaltCause.STORE_REFUSED, message=message))
            return
        self._change_queue.not_stored(waiting, event.problem)

    # ---- time --------------------------------------------------------------------

    def _woke(self) -> None:
        while (key := self.context.timers.pop(self.context.now)) is not None:
            self._ring(*key)

    def _ring(self, timer: Timer, name: str) -> None:
        """A deadline has come: `name` is the task, the group or the version that has it, "" where it is nobody's."""
        context = self.context
        match timer:
            case Timer.PLACE | Timer.HELD_OFFERS | Timer.REVIVE | Timer.TASKS_MOVED | Timer.DELAY_SCHEDULING:
                placer.settle(context)
            case Timer.RESTART_DELAY | Timer.SWEEP:
                placer.settle(context)
            case Timer.STICKY | Timer.ADOPTION:
                context.placing.slots_sought.clear()  # slots that waited for one agent can go to others
                placer.settle(context)
            case Timer.EXPLAIN:
                placer.explain_without_offers(context)
            case Timer.KILL | Timer.LAUNCH | Timer.UNREACHABLE:
                task = context.state.tasks.get(TaskId(name))
                if task is not None:
                    self._ring_task(timer, task)
            case Timer.ROLLOUT_STEP | Timer.ROLLOUT_DEADLINE | Timer.INPLACE_UPDATE:
                group = parse_group_id(name)
                if group is not None and group in context.state.groups:
                    self._ring_group(timer, group)
            case Timer.RECONCILE:
                if context.connection is Connection.SUBSCRIBED:
                    self._reconcile()
            case Timer.MISMATCHES:
                self._judge()
            case Timer.AGENTS_REPORT:
                agent_changes.known(context)
            case Timer.MAINTENANCE:
                agent_changes.refresh(context)
            case Timer.EXECUTOR_UPGRADE:
                pass  # it is looked at after every event
            case _:
                assert_never(timer)

    def _ring_task(self, timer: TaskTimer, task: Task) -> None:
        context = self.context
        match timer:
            case Timer.KILL:
                if task.state.is_lively:
                    context.kill(task)
            case Timer.UNREACHABLE:
                converge.review_slot(context, task.group, task.slot)
            case Timer.LAUNCH:
                if task.state in (TaskState.INTENT, TaskState.STAGING):
                    self._launch_timed_out(task)
            case _:
                assert_never(timer)

    def _launch_timed_out(self, task: Task) -> None:
        context, seconds = self.context, self.context.settings.launch_timeout_seconds
        context.blame(task)
        context.stop(task, f"its executor did not start it within {seconds:.0f} s")
        if task.sweeps:
            context.kill(task)  # its goal was STOP from the start

    def _ring_group(self, timer: GroupTimer, group: GroupId) -> None:
        context = self.context
        match timer:
            case Timer.ROLLOUT_STEP:
                rollouts.go_on(context, group)
            case Timer.ROLLOUT_DEADLINE:
                rollouts.check_deadline(context, group)
                converge.review_group(context, group)
            case Timer.INPLACE_UPDATE:
                inplace_update.send_updates(context, group)
            case _:
                assert_never(timer)

    def _judge(self) -> None:
        if self.context.connection is Connection.SUBSCRIBED:
            self._accept(kill_guard.decide(self.context))

    def _settle(self) -> None:
        """Placement runs a moment after there is a reason for it, so that events that come together count together."""
        context = self.context
        is_connected = context.connection is Connection.SUBSCRIBED
        if is_connected and context.placing.is_due and not context.timers.has(Timer.PLACE, ""):
            context.timers.set(Timer.PLACE, "", context.now + context.settings.settle_seconds)
