"""The executor's core: a deterministic machine that takes events in and gives commands out.

Each task goes ADOPTING -> PULLING -> CREATING -> STARTING -> RUNNING -> STOPPING -> REMOVING -> ENDED, some phases left
out, always by one operation at a time. It reads no clock: `now` is in seconds on a clock that never goes back, and
`Settings.epoch` is what is to be added for seconds since 1970.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import assert_never

from executor import commands as do
from executor import events as on
from executor.commands import Command
from executor.events import Event, Operation
from executor.health import Finding, Judge
from executor.reaper import Strays
from executor.statuses import Outbox, Status
from executor.task import INVALID, LAUNCH_FAILED, SHUT_DOWN, UNHEALTHY, Phase, Task, Verdict, ending, seconds
from specs.ids import TaskId
from specs.stack import Pull
from specs.states import TaskState

PROGRESS_SECONDS = 1.0
REMOVE_AGAIN_SECONDS = 5.0
KILL_AGAIN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 10.0
REAP_AGAIN_SECONDS = 600.0
REMEMBERED_ENDS = 1000
FAREWELL_SECONDS = 1.0
"""How long an executor that shuts down waits for the acknowledgements of its last statuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this executor is run.

    `recovery_seconds` is how long it waits for an agent that is away, None if it does not; `shutdown_seconds` is the
    time between the agent's Shutdown and its KILL. `reap_after_seconds` is how long a container that nobody claims is
    left for a task that may still adopt it. `is_noop`: nothing is started, for benchmarks only.
    """

    epoch: float
    idle_seconds: float = 60.0
    recovery_seconds: float | None = 900.0
    shutdown_seconds: float = 5.0
    reap_after_seconds: float = 30.0
    is_noop: bool = False


class Executor:
    """All tasks of one executor."""

    def __init__(self, settings: Settings, rng: Random, now: float) -> None:
        self._settings = settings
        self._rng = rng
        self._tasks: dict[TaskId, Task] = {}
        self._alarms: list[tuple[float, TaskId]] = []  # a heap; an alarm may be out of date, then it does nothing
        self._ended: OrderedDict[TaskId, None] = OrderedDict()
        self._outbox = Outbox()
        self._is_connected = False
        self._has_subscribed = False
        self._idle_at = now + settings.idle_seconds
        self._give_up_at: float | None = None
        self._reap_at: float | None = None
        self._strays = Strays(settings.reap_after_seconds)
        self._exit_at: float | None = None
        self._shutdown_reason = ""
        self._is_over = False

    def begin(self) -> tuple[Command, ...]:
        """The first commands."""
        return (do.Subscribe(statuses=(), tasks=()),)

    def handle(self, event: Event, now: float) -> tuple[Command, ...]:
        """Takes one event in; returns what follows from it, to be done in this order."""
        if self._is_over:
            return ()
        out: list[Command] = []
        self._dispatch(event, now, out)
        self._timers(now, out)
        self._rest(now, out)
        return tuple(out)

    def wakes_at(self) -> float | None:
        """When `Woke` is due, if nothing else happens before."""
        if self._is_over:
            return None
        times = [self._outbox.wakes_at(), self._give_up_at, self._reap_at, self._exit_at]
        if not self._tasks and not len(self._outbox):
            times.append(self._idle_at)
        if self._alarms:
            times.append(self._alarms[0][0])
        return min((time for time in times if time is not None), default=None)

    # ---- events ---------------------------------------------------------------

    def _dispatch(self, event: Event, now: float, out: list[Command]) -> None:
        match event:
            case on.Subscribed():
                self._subscribed(now, out)
            case on.Disconnected():
                self._disconnected(event.reason, now, out)
            case on.LaunchReceived():
                self._launch(event, now, out)
            case on.LaunchGarbled():
                self._garbled(event, now, out)
            case on.KillReceived():
                self._kill(event, now, out)
            case on.Acknowledged():
                self._acknowledged(event, now, out)
            case on.ShutdownReceived():
                self._shut_down(event.reason, now, out)
            case on.ContainersListed():
                known: dict[TaskId, None] = {}
                for task_id, task in self._tasks.items():
                    if task.phase is not Phase.ENDED:
                        known[task_id] = None
                    if task.phase is Phase.ADOPTING:
                        known |= dict.fromkeys(task.order.predecessors)
                out += self._strays.found(event.containers, known, now)
                self._look_at(self._strays.due_at)
            case on.Woke():
                pass
            case _:
                self._engine(event, now, out)

    def _subscribed(self, now: float, out: list[Command]) -> None:
        self._is_connected = True
        self._give_up_at = None
        if not self._has_subscribed:
            self._has_subscribed = True
            self._idle_at = now + self._settings.idle_seconds
            self._reap_at = None if self._settings.is_noop else now
        out += [do.SendStatus(status=status) for status in self._outbox.connect(now)]

    def _disconnected(self, reason: str, now: float, out: list[Command]) -> None:
        self._is_connected = False
        self._outbox.disconnect()
        recovery = self._settings.recovery_seconds
        if recovery is None and self._has_subscribed:
            self._shut_down(f"the agent is gone ({reason}) and the framework does not checkpoint", now, out)
            return
        if self._give_up_at is None:
            self._give_up_at = now + (recovery if recovery is not None else self._settings.idle_seconds)
        unknown = tuple(task.unknown_to_agent for task in self._tasks.values() if task.unknown_to_agent is not None)
        out.append(do.Subscribe(statuses=self._outbox.unacknowledged(), tasks=unknown))

    def _launch(self, event: on.LaunchReceived, now: float, out: list[Command]) -> None:
        order = event.order
        if order.task_id in self._tasks:
            return
        task = Task(order=order, phase=Phase.CREATING, unknown_to_agent=event.task)
        self._tasks[order.task_id] = task
        if self._exit_at is not None:
            self._end(task, Verdict(state=TaskState.KILLED, message=self._shutdown_reason, reason=SHUT_DOWN), now, out)
            return
        if order.task_id in self._ended:
            self._end(task, Verdict(state=TaskState.KILLED, message="killed before it was launched"), now, out)
            return
        if not self._settings.is_noop:
            self._say(task, TaskState.STARTING, now, out)
        if order.predecessors:
            task.phase = Phase.ADOPTING
            self._look_at(now + LOOK_AGAIN_SECONDS)  # the engine may still be at what the dead executor asked of it
            out.append(do.Adopt(order=order))
        else:
            self._begin(task, now, out)

    def _begin(self, task: Task, now: float, out: list[Command]) -> None:
        if not task.order.is_process and task.order.container.pull is Pull.ALWAYS:
            self._pull(task, now, out)
        else:
            task.phase = Phase.CREATING
            out.append(do.Create(order=task.order))

    def _garbled(self, event: on.LaunchGarbled, now: float, out: list[Command]) -> None:
        out += self._push(self._status(event.task_id, TaskState.ERROR, now, event.fault, INVALID), now)

    def _kill(self, event: on.KillReceived, now: float, out: list[Command]) -> None:
        task = self._tasks.get(event.task_id)
        if task is not None:
            self._stop(task, Verdict(state=TaskState.KILLED, message="killed as asked"), event.grace_seconds, now, out)
        elif event.task_id not in self._ended and not self._outbox.has(event.task_id):
            self._remember(event.task_id)
            message = "killed: this executor has no such task (not launched here, or ended long ago)"
            out += self._push(self._status(event.task_id, TaskState.KILLED, now, message), now)

    def _acknowledged(self, event: on.Acknowledged, now: float, out: list[Command]) -> None:
        was_expected, following = self._outbox.acknowledge(event.task_id, event.uuid, now)
        task = self._tasks.get(event.task_id)
        if was_expected and task is not None:
            task.unknown_to_agent = None
            if task.phase is Phase.ENDED and not self._outbox.has(event.task_id):
                del self._tasks[event.task_id]
        out += [do.SendStatus(status=status) for status in following]

    def _shut_down(self, reason: str, now: float, out: list[Command]) -> None:
        if self._exit_at is not None:
            return
        self._shutdown_reason = f"the executor shuts down: {reason}"
        self._exit_at = now + max(self._settings.shutdown_seconds - 0.5, 0.5)
        grace = max(self._settings.shutdown_seconds - 2.0, 0.0)
        verdict = Verdict(state=TaskState.KILLED, message=self._shutdown_reason, reason=SHUT_DOWN)
        for task in list(self._tasks.values()):
            self._stop(task, verdict, min(grace, task.order.container.stop.grace_seconds), now, out)

    # ---- the engine's answers ---------------------------------------------------

    def _engine(self, event: Event, now: float, out: list[Command]) -> None:
        assert not isinstance(
            event,
            on.Subscribed | on.Disconnected | on.LaunchReceived | on.LaunchGarbled | on.KillReceived,
        )
        assert not isinstance(event, on.Acknowledged | on.ShutdownReceived | on.ContainersListed | on.Woke)
        task = self._tasks.get(event.task_id)
        if task is None or task.phase is Phase.ENDED:
            return
        match event:
            case on.Adopted():
                if task.phase is Phase.ADOPTING:
                    self._adopted(task, event, now, out)
            case on.Vacant():
                if task.phase is Phase.ADOPTING:
                    self._vacant(task, now, out)
            case on.PullProgressed():
                self._pull_progressed(task, event, now, out)
            case on.Pulled():
                if task.phase is Phase.PULLING:
                    task.phase, task.was_pulled, task.pull_until = Phase.CREATING, True, None
                    out.append(do.Create(order=task.order))
            case on.ImageMissing():
                if task.phase is Phase.CREATING:
                    self._image_missing(task, now, out)
            case on.Created():
                if task.phase is Phase.CREATING:
                    self._created(task, event, out)
            case on.Started():
                if task.phase is Phase.STARTING:
                    self._started(task, event, now, out)
            case on.Exited():
                self._exited(task, event, now, out)
            case on.Removed():
                self._removed(task, event, now, out)
            case on.OperationFailed():
                self._failed(task, event, now, out)
            case on.HealthReported():
                self._health(task, event, now, out)
            case _:
                assert_never(event)

    def _adopted(self, task: Task, event: on.Adopted, now: float, out: list[Command]) -> None:
        task.container_id = event.container_id
        task.was_adopted = True
        task.started_at = min(event.started_at - self._settings.epoch, now)
        self._runs(task, event.addresses, f"runs on as container {event.container_id[:12]}, adopted", now, out)

    def _vacant(self, task: Task, now: float, out: list[Command]) -> None:
        if task.verdict is not None:
            self._end(task, task.verdict, now, out)
        else:
            self._begin(task, now, out)

    def _pull(self, task: Task, now: float, out: list[Command]) -> None:
        task.phase = Phase.PULLING
        task.pull_until = self._alarm(task, now + task.order.container.pull_timeout_seconds)
        out.append(do.Pull(order=task.order))

    def _pull_progressed(self, task: Task, event: on.PullProgressed, now: float, out: list[Command]) -> None:
        task.progress_bytes = (event.done_bytes, event.total_bytes)
        told_at = task.progress_told_at
        if task.phase is not Phase.PULLING or (told_at is not None and now < told_at + PROGRESS_SECONDS):
            return
        task.progress_told_at = now
        out.append(
            do.SendProgress(
                task_id=event.task_id,
                stage=f"pulling {task.order.container.image}",
                done_bytes=event.done_bytes,
                total_bytes=event.total_bytes,
            )
        )

    def _pull_overdue(self, task: Task, now: float, out: list[Command]) -> None:
        container = task.order.container
        message = (
            f"image {container.image} could not be pulled within {seconds(container.pull_timeout_seconds)}"
            f" (pull timeout): {task.progress_bytes[0]} of {task.progress_bytes[1]} bytes had come"
        )
        out.append(do.CancelPull(order=task.order))
        self._end(task, Verdict(state=TaskState.FAILED, message=message, reason=LAUNCH_FAILED), now, out)

    def _image_missing(self, task: Task, now: float, out: list[Command]) -> None:
        image = task.order.container.image
        if task.verdict is not None:
            self._end(task, task.verdict, now, out)
        elif task.order.container.pull is Pull.NEVER:
            message = f"image {image} is not on this agent, and the service says never to pull it"
            self._end(task, Verdict(state=TaskState.FAILED, message=message, reason=LAUNCH_FAILED), now, out)
        elif task.was_pulled:
            message = f"image {image} was pulled, and yet the engine does not have it"
            self._end(task, Verdict(state=TaskState.FAILED, message=message, reason=LAUNCH_FAILED), now, out)
        else:
            self._pull(task, now, out)

    def _created(self, task: Task, event: on.Created, out: list[Command]) -> None:
        task.container_id = event.container_id
        if task.verdict is not None:
            self._remove(task, out)
            return
        task.phase = Phase.STARTING
        out.append(do.Start(order=task.order))

    def _started(self, task: Task, event: on.Started, now: float, out: list[Command]) -> None:
        task.started_at = now
        name = f"container {task.container_id[:12]}" if task.container_id else f"process {event.pid}"
        self._runs(task, event.addresses, "" if self._settings.is_noop else f"runs as {name}", now, out)

    def _runs(self, task: Task, addresses: tuple[str, ...], message: str, now: float, out: list[Command]) -> None:
        """It runs since `task.started_at`, unless its end was heard of before."""
        assert task.started_at is not None
        task.addresses = addresses
        task.phase = Phase.RUNNING
        if task.verdict is None:
            self._say(task, TaskState.RUNNING, now, out, message)
        if task.has_exited:
            self._note_exit(task, now, out)
        elif task.verdict is not None:
            self._signal(task, None, now, out)
        elif task.order.container.health is not None:
            task.judge = Judge(check=task.order.container.health, started_at=task.started_at)
            task.check_at = self._alarm(task, now if task.was_adopted else task.judge.next_at(now))

    def _exited(self, task: Task, event: on.Exited, now: float, out: list[Command]) -> None:
        if task.has_exited:
            return
        task.has_exited = True
        task.exit_code = event.exit_code
        task.is_out_of_memory = event.is_out_of_memory
        if task.phase in (Phase.RUNNING, Phase.STOPPING):
            self._note_exit(task, now, out)

    def _note_exit(self, task: Task, now: float, out: list[Command]) -> None:
        task.ended_at = now
        self._remove(task, out)

    def _remove(self, task: Task, out: list[Command]) -> None:
        task.phase = Phase.REMOVING
        task.kill_at = task.check_at = task.remove_at = task.judge = None
        out.append(do.Remove(order=task.order))

    def _removed(self, task: Task, event: on.Removed, now: float, out: list[Command]) -> None:
        task.ended_at = task.ended_at if task.ended_at is not None else now
        task.exit_code = event.exit_code if event.exit_code is not None else task.exit_code
        task.is_out_of_memory = task.is_out_of_memory or event.is_out_of_memory
        self._end(task, ending(task, event.last_words), now, out)

    def _failed(self, task: Task, event: on.OperationFailed, now: float, out: list[Command]) -> None:
        verdict = Verdict(state=TaskState.FAILED, message=event.message, reason=LAUNCH_FAILED)
        match event.operation:
            case Operation.PULL:
                if task.phase is Phase.PULLING:
                    self._end(task, verdict, now, out)
            case Operation.ADOPT | Operation.CREATE | Operation.START:
                task.verdict = task.verdict or verdict
                self._remove(task, out)
            case Operation.SIGNAL:
                if task.phase is Phase.STOPPING and event.is_temporary:
                    task.kill_at = self._alarm(task, now + REMOVE_AGAIN_SECONDS)
            case Operation.REMOVE:
                if task.has_exited:
                    self._end(task, ending(task, ""), now, out)
                    self._look_at(now + LOOK_AGAIN_SECONDS)
                else:
                    task.remove_at = self._alarm(task, now + REMOVE_AGAIN_SECONDS)
            case _:
                assert_never(event.operation)

    def _health(self, task: Task, event: on.HealthReported, now: float, out: list[Command]) -> None:
        judge = task.judge
        if judge is None or task.phase is not Phase.RUNNING or event.serial != judge.serial:
            return
        finding = judge.report(event.is_healthy, now)
        if finding is Finding.HOPELESS:
            self._say(task, TaskState.RUNNING, now, out, f"unhealthy: {event.message}", UNHEALTHY)
            message = f"unhealthy: {judge.failures} checks failed in a row, the last: {event.message}"
            self._stop(task, Verdict(state=TaskState.FAILED, message=message, reason=UNHEALTHY), None, now, out)
            return
        if finding is Finding.UNHEALTHY:
            self._say(task, TaskState.RUNNING, now, out, f"unhealthy: {event.message}", UNHEALTHY)
        elif finding is Finding.HEALTHY:
            self._say(task, TaskState.RUNNING, now, out, f"healthy: {event.message}", UNHEALTHY)
        task.check_at = self._alarm(task, judge.next_at(now))

    # ---- stopping ---------------------------------------------------------------

    def _stop(self, task: Task, verdict: Verdict, grace_seconds: float | None, now: float, out: list[Command]) -> None:
        """Brings a task to its end from whatever phase it is in; a second call can only shorten the grace."""
        if task.phase in (Phase.REMOVING, Phase.ENDED):
            return
        if task.verdict is not None:
            if grace_seconds is not None and task.kill_at is not None:
                task.kill_at = self._alarm(task, min(task.kill_at, now + grace_seconds))
            return
        task.verdict = verdict
        if task.phase is Phase.PULLING:
            out.append(do.CancelPull(order=task.order))
            self._end(task, verdict, now, out)
            return
        if verdict.state is TaskState.KILLED and not self._settings.is_noop:
            self._say(task, TaskState.KILLING, now, out)
        if task.phase is Phase.RUNNING:
            self._signal(task, grace_seconds, now, out)

    def _signal(self, task: Task, grace_seconds: float | None, now: float, out: list[Command]) -> None:
        stop = task.order.container.stop
        grace = stop.grace_seconds if grace_seconds is None else grace_seconds
        task.phase = Phase.STOPPING
        task.check_at = None
        task.kill_at = self._alarm(task, now + (grace if grace > 0 else KILL_AGAIN_SECONDS))
        out.append(do.Signal(order=task.order, signal=stop.signal if grace > 0 else "SIGKILL"))

    # ---- time -------------------------------------------------------------------

    def _timers(self, now: float, out: list[Command]) -> None:
        out += [do.SendStatus(status=status) for status in self._outbox.due(now)]
        while self._alarms and self._alarms[0][0] <= now:
            task = self._tasks.get(heappop(self._alarms)[1])
            if task is not None:
                self._ring(task, now, out)
        if self._reap_at is not None and self._reap_at <= now:
            self._reap_at = now + REAP_AGAIN_SECONDS
            out.append(do.ListContainers())
        if self._give_up_at is not None and self._give_up_at <= now:
            self._give_up_at = None
            waited = seconds(self._settings.recovery_seconds or self._settings.idle_seconds)
            self._shut_down(f"the agent did not come back within {waited}", now, out)

    def _ring(self, task: Task, now: float, out: list[Command]) -> None:
        """Does what is due for one task."""
        if task.pull_until is not None and task.pull_until <= now:
            self._pull_overdue(task, now, out)
        if task.kill_at is not None and task.kill_at <= now:
            task.kill_at = self._alarm(task, now + KILL_AGAIN_SECONDS)
            out.append(do.Signal(order=task.order, signal="SIGKILL"))
        if task.remove_at is not None and task.remove_at <= now:
            self._remove(task, out)
        if task.check_at is not None and task.check_at <= now and task.judge is not None:
            task.check_at = None
            task.judge.serial += 1
            out.append(do.Check(order=task.order, serial=task.judge.serial))

    def _look_at(self, at: float | None) -> None:
        """Has what is there listed at that time, if not before."""
        if at is not None:
            self._reap_at = at if self._reap_at is None else min(self._reap_at, at)

    def _alarm(self, task: Task, at: float) -> float:
        """Has `_ring` called for the task at that time."""
        heappush(self._alarms, (at, task.order.task_id))
        return at

    def _rest(self, now: float, out: list[Command]) -> None:
        """Ends the executor when nothing is left to do."""
        is_at_rest = not self._tasks and not len(self._outbox)
        if self._exit_at is not None:
            are_all_ended = all(task.phase is Phase.ENDED for task in self._tasks.values())
            if are_all_ended:
                self._exit_at = min(self._exit_at, now + (FAREWELL_SECONDS if self._is_connected else 0.0))
            if is_at_rest or now >= self._exit_at:
                self._exit(self._shutdown_reason, out)
        elif not is_at_rest:
            self._idle_at = now + self._settings.idle_seconds
        elif now >= self._idle_at:
            self._exit(f"no task for {seconds(self._settings.idle_seconds)}", out)

    def _exit(self, reason: str, out: list[Command]) -> None:
        self._is_over = True
        out.append(do.Exit(reason=reason))

    # ---- statuses ---------------------------------------------------------------

    def _end(self, task: Task, verdict: Verdict, now: float, out: list[Command]) -> None:
        task.phase = Phase.ENDED
        task.pull_until = task.kill_at = task.check_at = task.remove_at = task.judge = None
        self._remember(task.order.task_id)
        self._say(task, verdict.state, now, out, verdict.message, verdict.reason)

    def _say(
        self, task: Task, state: TaskState, now: float, out: list[Command], message: str = "", reason: str = ""
    ) -> None:
        is_healthy = task.judge.is_healthy if task.judge is not None else None
        out += self._push(self._status(task.order.task_id, state, now, message, reason, task, is_healthy), now)

    def _status(
        self,
        task_id: TaskId,
        state: TaskState,
        now: float,
        message: str,
        reason: str = "",
        task: Task | None = None,
        is_healthy: bool | None = None,
    ) -> Status:
        is_over = task is not None and task.phase is Phase.ENDED and task.started_at is not None
        return Status(
            task_id=task_id,
            state=state,
            uuid=self._uuid(),
            timestamp=self._settings.epoch + now,
            message=message,
            reason=reason,
            is_healthy=is_healthy,
            addresses=task.addresses if task else (),
            container_id=task.container_id if task else "",
            exit_code=task.exit_code if task and is_over else None,
            is_out_of_memory=bool(task and task.is_out_of_memory),
            running_since=self._running_since(task),
        )

    def _running_since(self, task: Task | None) -> float:
        if task is None or task.started_at is None or not task.was_adopted:
            return 0.0
        return self._settings.epoch + task.started_at

    def _push(self, status: Status, now: float) -> list[Command]:
        return [do.SendStatus(status=sent) for sent in self._outbox.push(status, now)]

    def _uuid(self) -> bytes:
        """A random UUID of version 4, the only kind that Mesos takes without complaint."""
        number = self._rng.getrandbits(128)
        number = (number & ~(0xF << 76)) | (0x4 << 76)
        number = (number & ~(0x3 << 62)) | (0x2 << 62)
        return number.to_bytes(16)

    def _remember(self, task_id: TaskId) -> None:
        self._ended[task_id] = None
        while len(self._ended) > REMEMBERED_ENDS:
            self._ended.popitem(last=False)
