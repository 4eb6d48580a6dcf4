"""The start of a task: order, adoption, pull, creation, start."""

from __future__ import annotations

from executor.core import check_schedule, stopping, templating
from executor.core import commands as do
from executor.core import events as on
from executor.core.context import Context
from executor.core.stopping import LOOK_AGAIN_SECONDS
from executor.core.task import LAUNCH_FAILED, Phase, Task, Verdict, seconds
from specs.model.stack import Pull
from specs.permanence import Permanent
from specs.states import TaskState

PROGRESS_SECONDS = 1.0
"""Pause between two progress messages of a pull."""


def order(context: Context, task: Task) -> None:
    """Begins with a task that was ordered."""
    if not context.settings.is_noop:
        context.report(task, TaskState.STARTING)
    if task.order.predecessors:
        task.phase = Phase.ADOPTING
        # The engine may still be at what the dead executor asked of it.
        context.look_at(context.now + LOOK_AGAIN_SECONDS)
        context.emit(do.Adopt(order=task.order))
    else:
        _begin(context, task)


def adopted(context: Context, task: Task, event: on.Adopted) -> None:
    """The task has taken over a predecessor's container."""
    task.container_id = event.container_id
    task.was_adopted = True
    task.started_at = min(event.started_at - context.settings.epoch, context.now)
    _runs(context, task, event.addresses, f"runs on as container {event.container_id[:12]}, adopted")


def nothing_to_adopt(context: Context, task: Task) -> None:
    """There is nothing to adopt: the task starts, or has ended if it only sweeps."""
    if task.order.sweeps:
        message = f"removed what {task.order.predecessors[0]} had left, if anything"
        context.end(task, Verdict(state=TaskState.FINISHED, message=message))
    elif task.verdict is not None:
        context.end(task, task.verdict)
    else:
        _begin(context, task)


def pull_progressed(context: Context, task: Task, event: on.PullProgressed) -> None:
    """Sends the progress of a pull to the scheduler, once a second."""
    task.progress_bytes = (event.done_bytes, event.total_bytes)
    told_at = task.progress_sent_at
    if task.phase is not Phase.PULLING or (told_at is not None and context.now < told_at + PROGRESS_SECONDS):
        return
    task.progress_sent_at = context.now
    context.emit(
        do.SendProgress(
            task_id=event.task_id,
            stage=f"pulling {task.order.container.image}",
            done_bytes=event.done_bytes,
            total_bytes=event.total_bytes,
        )
    )


def pulled(context: Context, task: Task) -> None:
    """The image has been pulled."""
    task.phase, task.was_pulled, task.pull_until = Phase.CREATING, True, None
    context.emit(do.Create(order=task.order))


def image_missing(context: Context, task: Task) -> None:
    """The container was not created because its image is missing: pulls it, or ends the task."""
    image = task.order.container.image
    if task.verdict is not None:
        context.end(task, task.verdict)
    elif task.order.container.pull is Pull.NEVER:
        message = f"image {image} is not on this agent, and the service says never to pull it"
        context.end(task, _failure(message, Permanent.IMAGE_ABSENT))
    elif task.was_pulled:
        message = f"image {image} was pulled, and yet the engine does not have it"
        context.end(task, Verdict(state=TaskState.FAILED, message=message, reason=LAUNCH_FAILED))
    else:
        _pull(context, task)


def created(context: Context, task: Task, event: on.Created) -> None:
    """Starts what was created, unless the task is being stopped."""
    task.container_id = event.container_id
    if task.verdict is not None:
        stopping.remove(context, task)
        return
    task.phase = Phase.STARTING
    context.emit(do.Start(order=task.order))


def started(context: Context, task: Task, event: on.Started) -> None:
    """The task runs since now."""
    task.started_at = context.now
    task.pid = event.pid
    name = f"container {task.container_id[:12]}" if task.container_id else f"process {event.pid}"
    _runs(context, task, event.addresses, "" if context.settings.is_noop else f"runs as {name}")


def failed(context: Context, task: Task, message: str, permanent: str = "") -> None:
    """Adoption, creation or start has failed."""
    task.verdict = task.verdict or _failure(message, permanent)
    stopping.remove(context, task)


def pull_failed(context: Context, task: Task, message: str, permanent: str = "") -> None:
    """The image could not be pulled."""
    if task.phase is Phase.PULLING:
        context.end(task, _failure(message, permanent))


def _failure(message: str, permanent: str) -> Verdict:
    return Verdict(state=TaskState.FAILED, message=message, reason=LAUNCH_FAILED, permanent=permanent)


def ring(context: Context, task: Task) -> None:
    """Ends a pull that takes too long."""
    if task.pull_until is None or task.pull_until > context.now:
        return
    container = task.order.container
    message = (
        f"image {container.image} could not be pulled within {seconds(container.pull_timeout_seconds)}"
        f" (pull timeout): {task.progress_bytes[0]} of {task.progress_bytes[1]} bytes had come"
    )
    context.emit(do.CancelPull(order=task.order))
    context.end(task, Verdict(state=TaskState.FAILED, message=message, reason=LAUNCH_FAILED))


def _begin(context: Context, task: Task) -> None:
    if not task.order.is_process and task.order.container.pull is Pull.ALWAYS:
        _pull(context, task)
    else:
        task.phase = Phase.CREATING
        context.emit(do.Create(order=task.order))


def _pull(context: Context, task: Task) -> None:
    task.phase = Phase.PULLING
    task.pull_until = context.alarm(task, context.now + task.order.container.pull_timeout_seconds)
    context.emit(do.Pull(order=task.order))


def _runs(context: Context, task: Task, addresses: tuple[str, ...], message: str) -> None:
    """The task runs since `task.started_at`, unless it has ended already."""
    task.addresses = addresses
    task.phase = Phase.RUNNING
    if task.verdict is None:
        context.report(task, TaskState.RUNNING, message)
    if task.has_exited:
        stopping.note_exit(context, task)
    elif task.verdict is not None:
        stopping.signal(context, task)
    else:
        check_schedule.begin(context, task)
        templating.begin(context, task)
