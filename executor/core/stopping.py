"""The end of a task, on request or by itself: withdrawal, drain, pre_stop, signal, grace, KILL, removal."""

from __future__ import annotations

from executor.core import commands as do
from executor.core import events as on
from executor.core import publishing, readiness
from executor.core.context import Context
from executor.core.task import Phase, Task, Verdict, ending, seconds
from specs.model.stack import Hook
from specs.states import TaskState

REMOVE_AGAIN_SECONDS = 5.0
"""Pause before a failed removal, or KILL after a failed signal."""
KILL_AGAIN_SECONDS = 10.0
"""Pause between two KILLs."""
LOOK_AGAIN_SECONDS = 10.0
"""Pause before the containers are listed after an unsure outcome."""


def stop(context: Context, task: Task, verdict: Verdict, grace_seconds: float | None, *, has_time: bool = True) -> None:
    """Stops a task from whatever phase it is in; a second call can only shorten the time that is left.

    `grace_seconds` replaces the task's own grace. If it is shorter than that, the drain is no longer than it either.
    Without time there is no drain.
    """
    if task.phase in (Phase.REMOVING, Phase.ENDED):
        return
    if task.verdict is not None:
        _hurry(context, task, grace_seconds, has_time)
        return
    settings = task.order.container.stop
    task.verdict = verdict
    task.grace_seconds = settings.grace_seconds if grace_seconds is None else grace_seconds
    drain = settings.drain_seconds if task.grace_seconds >= settings.grace_seconds else task.grace_seconds
    readiness.review(context, task)
    if task.phase is Phase.PULLING:
        context.emit(do.CancelPull(order=task.order))
        context.end(task, verdict)
        return
    if task.phase is Phase.CREATING and task.order.container.templates:
        context.emit(do.CancelTemplates(order=task.order))
    has_run = task.phase is Phase.RUNNING
    if has_run:
        _drain(context, task, min(drain, settings.drain_seconds) if has_time else 0.0)
    if verdict.state is TaskState.KILLED and not context.settings.is_noop:
        context.report(task, TaskState.KILLING, _plan(context, task))
    if has_run and task.drain_until is not None and task.drain_until <= context.now:
        _end_drain(context, task)


def signal(context: Context, task: Task) -> None:
    """Sends the stop signal."""
    settings, grace = task.order.container.stop, task.grace_seconds
    task.phase = Phase.STOPPING
    task.drain_until = None
    if task.kill_at is None:
        task.kill_at = context.alarm(task, context.now + (grace if grace > 0 else KILL_AGAIN_SECONDS))
    context.emit(do.Signal(order=task.order, signal=settings.signal if grace > 0 else "SIGKILL"))


def signal_failed(context: Context, task: Task, is_temporary: bool) -> None:
    """If the engine was away, KILL follows soon; if it refused the signal, after the grace."""
    if task.phase is Phase.STOPPING and is_temporary:
        task.kill_at = context.alarm(task, context.now + REMOVE_AGAIN_SECONDS)


def run_hook(context: Context, task: Task, hook: Hook) -> None:
    """Runs one of the task's commands; its end comes back with the same number."""
    task.hook_serial += 1
    context.emit(do.RunHook(order=task.order, hook=hook, serial=task.hook_serial))


def hook_ended(context: Context, task: Task, event: on.HookEnded) -> None:
    """Handles the end of a pre_stop command. A failed one is reported and does not keep the task from its end."""
    hooks = task.order.container.pre_stop
    task.hooks_done += 1
    if not event.is_done and task.verdict is not None and task.verdict.state is TaskState.KILLED:
        context.report(task, TaskState.KILLING, f"pre_stop failed: {event.message}")
    if task.hooks_done < len(hooks):
        run_hook(context, task, hooks[task.hooks_done])
    else:
        signal(context, task)


def exited(context: Context, task: Task, event: on.Exited) -> None:
    """The task has ended: it is removed at once, or when the operation under way is answered."""
    if task.has_exited:
        return
    task.has_exited = True
    task.exit_code = event.exit_code
    task.is_out_of_memory = event.is_out_of_memory
    if task.phase in (Phase.RUNNING, Phase.DRAINING, Phase.PRE_STOP, Phase.STOPPING):
        note_exit(context, task)


def note_exit(context: Context, task: Task) -> None:
    """Removes a task that has ended, with no operation under way."""
    task.ended_at = context.now
    remove(context, task)


def remove(context: Context, task: Task) -> None:
    """Removes the container or process, running or not."""
    task.phase = Phase.REMOVING
    task.forget_times()
    readiness.review(context, task)
    context.emit(do.Remove(order=task.order))


def removed(context: Context, task: Task, event: on.Removed) -> None:
    """Nothing is left of the task: it ends."""
    task.ended_at = task.ended_at if task.ended_at is not None else context.now
    task.exit_code = event.exit_code if event.exit_code is not None else task.exit_code
    task.is_out_of_memory = task.is_out_of_memory or event.is_out_of_memory
    context.end(task, ending(task, event.last_words))


def removal_failed(context: Context, task: Task) -> None:
    """A task that has exited is ended, and its container becomes an orphan; a removal that can leave it running is
    repeated."""
    if task.has_exited:
        context.end(task, ending(task, ""))
        context.look_at(context.now + LOOK_AGAIN_SECONDS)
    else:
        task.remove_at = context.alarm(task, context.now + REMOVE_AGAIN_SECONDS)


def withdrawn(context: Context, task: Task) -> None:
    """The endpoint is gone, or its time-out is over: the drain begins."""
    task.withdraw_until = None
    task.withdrawn_at = context.now
    if task.phase is Phase.DRAINING:
        _begin_drain(context, task)
        if task.drain_until is not None and task.drain_until <= context.now:
            _end_drain(context, task)


def ring(context: Context, task: Task) -> None:
    """Does everything that is due."""
    if publishing.is_due(context, task):
        withdrawn(context, task)
    if task.drain_until is not None and task.drain_until <= context.now:
        _end_drain(context, task)
    if task.kill_at is not None and task.kill_at <= context.now:
        task.phase = Phase.STOPPING
        task.kill_at = context.alarm(task, context.now + KILL_AGAIN_SECONDS)
        context.emit(do.Signal(order=task.order, signal="SIGKILL"))
    if task.remove_at is not None and task.remove_at <= context.now:
        remove(context, task)


def _hurry(context: Context, task: Task, grace_seconds: float | None, has_time: bool) -> None:
    """Shortens a stop that is under way."""
    grace = task.grace_seconds if grace_seconds is None else min(grace_seconds, task.grace_seconds)
    is_shorter = grace < task.grace_seconds
    task.grace_seconds = grace
    if task.phase is Phase.DRAINING and (is_shorter or not has_time):
        task.drain_seconds = min(task.drain_seconds, grace if has_time else 0.0)
        if task.drain_until is None:
            return
        task.drain_until = context.alarm(task, min(task.drain_until, context.now + (grace if has_time else 0.0)))
    elif task.kill_at is not None and grace_seconds is not None:
        task.kill_at = context.alarm(task, min(task.kill_at, context.now + grace_seconds))


def _drain(context: Context, task: Task, drain_seconds: float) -> None:
    """Gives requests under way time to end, counted from the withdrawal of the endpoint. A task that was never ready
    has none."""
    task.phase = Phase.DRAINING
    task.forget_times()
    task.drain_seconds = drain_seconds
    if task.withdraw_until is None:
        _begin_drain(context, task)


def _begin_drain(context: Context, task: Task) -> None:
    until = context.now if task.withdrawn_at is None else max(task.withdrawn_at + task.drain_seconds, context.now)
    task.drain_until = context.alarm(task, until)


def _end_drain(context: Context, task: Task) -> None:
    """Begins the grace: pre_stop, then the signal."""
    hooks, grace = task.order.container.pre_stop, task.grace_seconds
    task.forget_times()
    if not hooks or grace <= 0 or not task.is_prepared:
        signal(context, task)
        return
    task.phase = Phase.PRE_STOP
    task.kill_at = context.alarm(task, context.now + grace)
    task.hooks_done = 0
    run_hook(context, task, hooks[0])


def _plan(context: Context, task: Task) -> str:
    """The drain in words, as far as it is known: slow back ends make it begin later."""
    is_waiting = task.phase is Phase.DRAINING and task.drain_until is None
    left = task.drain_seconds if is_waiting else (task.drain_until or context.now) - context.now
    return f"drains for {seconds(left)} before it is told to stop" if left > 0 else ""
