"""How tasks come to their end, by our will or by themselves: signal, grace, KILL, removal."""

from __future__ import annotations

from executor import commands as do
from executor import events as on
from executor.context import Context
from executor.task import Phase, Task, Verdict, ending
from specs.states import TaskState

REMOVE_AGAIN_SECONDS = 5.0
KILL_AGAIN_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 10.0


def stop(context: Context, task: Task, verdict: Verdict, grace_seconds: float | None) -> None:
    """Brings a task to its end from whatever phase it is in; a second call can only shorten the grace."""
    if task.phase in (Phase.REMOVING, Phase.ENDED):
        return
    if task.verdict is not None:
        if grace_seconds is not None and task.kill_at is not None:
            task.kill_at = context.alarm(task, min(task.kill_at, context.now + grace_seconds))
        return
    task.verdict = verdict
    if task.phase is Phase.PULLING:
        context.do(do.CancelPull(order=task.order))
        context.end(task, verdict)
        return
    if verdict.state is TaskState.KILLED and not context.settings.is_noop:
        context.say(task, TaskState.KILLING)
    if task.phase is Phase.RUNNING:
        signal(context, task, grace_seconds)


def signal(context: Context, task: Task, grace_seconds: float | None) -> None:
    """Tells the task to stop; `grace_seconds` replaces its own grace."""
    settings = task.order.container.stop
    grace = settings.grace_seconds if grace_seconds is None else grace_seconds
    task.phase = Phase.STOPPING
    task.check_at = None
    task.kill_at = context.alarm(task, context.now + (grace if grace > 0 else KILL_AGAIN_SECONDS))
    context.do(do.Signal(order=task.order, signal=settings.signal if grace > 0 else "SIGKILL"))


def signal_failed(context: Context, task: Task, is_temporary: bool) -> None:
    """Where the engine was away KILL follows soon; where it refuses the signal, after the grace."""
    if task.phase is Phase.STOPPING and is_temporary:
        task.kill_at = context.alarm(task, context.now + REMOVE_AGAIN_SECONDS)


def exited(context: Context, task: Task, event: on.Exited) -> None:
    """It has ended: removed at once, or when the operation under way is answered."""
    if task.has_exited:
        return
    task.has_exited = True
    task.exit_code = event.exit_code
    task.is_out_of_memory = event.is_out_of_memory
    if task.phase in (Phase.RUNNING, Phase.STOPPING):
        note_exit(context, task)


def note_exit(context: Context, task: Task) -> None:
    """It has ended and no operation is under way."""
    task.ended_at = context.now
    remove(context, task)


def remove(context: Context, task: Task) -> None:
    """Has whatever is left of it removed, running or not."""
    task.phase = Phase.REMOVING
    task.kill_at = task.check_at = task.remove_at = task.judge = None
    context.do(do.Remove(order=task.order))


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


def ring(context: Context, task: Task) -> None:
    """Does what is due."""
    if task.kill_at is not None and task.kill_at <= context.now:
        task.kill_at = context.alarm(task, context.now + KILL_AGAIN_SECONDS)
        context.do(do.Signal(order=task.order, signal="SIGKILL"))
    if task.remove_at is not None and task.remove_at <= context.now:
        remove(context, task)
