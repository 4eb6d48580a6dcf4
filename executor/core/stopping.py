"""How tasks come to their end, by our will or by themselves: nobody is sent to them, drain, pre_stop, signal, grace,
KILL, removal."""

from __future__ import annotations

from executor.core import commands as do
from executor.core import events as on
from executor.core import publishing, readiness
from executor.core.context import Context
from executor.core.task import Phase, Task, Verdict, ending, seconds
from specs.model.stack import Hook
from specs.states import TaskState

REMOVE_AGAIN_SECONDS = 5.0
KILL_AGAIN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 10.0


def stop(context: Context, task: Task, verdict: Verdict, grace_seconds: float | None, *, has_time: bool = True) -> None:
    """Brings a task to its end from whatever phase it is in; a second call can only shorten what is left.

    `grace_seconds` replaces the task's own grace; where it is shorter, somebody is in a hurry, and the drain is no
    longer than it. Without time there is no drain.
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
        _leave(context, task)


def signal(context: Context, task: Task) -> None:
    """Tells the task to stop."""
    settings, grace = task.order.container.stop, task.grace_seconds
    task.phase = Phase.STOPPING
    task.drain_until = None
    if task.kill_at is None:
        task.kill_at = context.alarm(task, context.now + (grace if grace > 0 else KILL_AGAIN_SECONDS))
    context.emit(do.Signal(order=task.order, signal=settings.signal if grace > 0 else "SIGKILL"))


def signal_failed(context: Context, task: Task, is_temporary: bool) -> None:
    """Where the engine was away KILL follows soon; where it refuses the signal, after the grace."""
    if task.phase is Phase.STOPPING and is_temporary:
        task.kill_at = context.alarm(task, context.now + REMOVE_AGAIN_SECONDS)


def run_hook(context: Context, task: Task, hook: Hook) -> None:
    """Runs one of the task's commands; what it says comes back with this number."""
    task.hook_serial += 1
    context.emit(do.RunHook(order=task.order, hook=hook, serial=task.hook_serial))


def hook_ended(context: Context, task: Task, event: on.HookEnded) -> None:
    """A command of pre_stop is done. One that failed is told of and does not keep the task from its end."""
    hooks = task.order.container.pre_stop
    task.hooks_done += 1
    if not event.is_done and task.verdict is not None and task.verdict.state is TaskState.KILLED:
        context.report(task, TaskState.KILLING, f"pre_stop failed: {event.message}")
    if task.hooks_done < len(hooks):
        run_hook(context, task, hooks[task.hooks_done])
    else:
        signal(context, task)


def exited(context: Context, task: Task, event: on.Exited) -> None:
    """It has ended: removed at once, or when the operation under way is answered."""
    if task.has_exited:
        return
    task.has_exited = True
    task.exit_code = event.exit_code
    task.is_out_of_memory = event.is_out_of_memory
    if task.phase in (Phase.RUNNING, Phase.DRAINING, Phase.PRE_STOP, Phase.STOPPING):
        note_exit(context, task)


def note_exit(context: Context, task: Task) -> None:
    """It has ended and no operation is under way."""
    task.ended_at = context.now
    remove(context, task)


def remove(context: Context, task: Task) -> None:
    """Has whatever is left of it removed, running or not."""
    task.phase = Phase.REMOVING
    task.forget_times()
    readiness.review(context, task)
    context.emit(do.Remove(order=task.order))


def removed(context: Context, task: Task, event: on.Removed) -> None:
    """Nothing is left of it: that is its end."""
    task.ended_at = task.ended_at if task.ended_at is not None else context.now
    task.exit_code = event.exit_code if event.exit_code is not None else task.exit_code
    task.is_out_of_memory = task.is_out_of_memory or event.is_out_of_memory
    context.end(task, ending(task, event.last_words))


def removal_failed(context: Context, task: Task) -> None:
    """What has ended is let go, and found later as a container that nobody claims; what may run is tried again."""
    if task.has_exited:
        context.end(task, ending(task, ""))
        context.look_at(context.now + LOOK_AGAIN_SECONDS)
    else:
        task.remove_at = context.alarm(task, context.now + REMOVE_AGAIN_SECONDS)


def withdrawn(context: Context, task: Task) -> None:
    """Nobody can find the task any more, or it was waited long enough for that: its drain begins."""
    task.withdraw_until = None
    task.withdrawn_at = context.now
    if task.phase is Phase.DRAINING:
        _begin_drain(context, task)
        if task.drain_until is not None and task.drain_until <= context.now:
            _leave(context, task)


def ring(context: Context, task: Task) -> None:
    """Does what is due."""
    if publishing.is_due(context, task):
        withdrawn(context, task)
    if task.drain_until is not None and task.drain_until <= context.now:
        _leave(context, task)
    if task.kill_at is not None and task.kill_at <= context.now:
        task.phase = Phase.STOPPING
        task.kill_at = context.alarm(task, context.now + KILL_AGAIN_SECONDS)
        context.emit(do.Signal(order=task.order, signal="SIGKILL"))
    if task.remove_at is not None and task.remove_at <= context.now:
        remove(context, task)


def _hurry(context: Context, task: Task, grace_seconds: float | None, has_time: bool) -> None:
    """It is being stopped already: less time than it had takes effect."""
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
    """Gives those who were sent to the task the time to be done, counted from when nobody was sent to it any more. One
    that never was ready has nobody."""
    task.phase = Phase.DRAINING
    task.forget_times()
    task.drain_seconds = drain_seconds
    if task.withdraw_until is None:
        _begin_drain(context, task)


def _begin_drain(context: Context, task: Task) -> None:
    until = context.now if task.withdrawn_at is None else max(task.withdrawn_at + task.drain_seconds, context.now)
    task.drain_until = context.alarm(task, until)


def _leave(context: Context, task: Task) -> None:
    """The grace begins: pre_stop, then the signal."""
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
    """What the drain will be, as far as it is known: back ends that are slow make it begin later."""
    is_waiting = task.phase is Phase.DRAINING and task.drain_until is None
    left = task.drain_seconds if is_waiting else (task.drain_until or context.now) - context.now
    return f"drains for {seconds(left)} before it is told to stop" if left > 0 else ""
