"""Watching over tasks that run: when they are checked, and what follows from what was found."""

from __future__ import annotations

from executor import commands as do
from executor import events as on
from executor import stopping
from executor.context import Context
from executor.health import Finding, Judge
from executor.task import UNHEALTHY, Phase, Task, Verdict
from specs.states import TaskState


def begin(context: Context, task: Task) -> None:
    """The task runs, since `task.started_at`."""
    check = task.order.container.health
    if check is None or task.started_at is None:
        return
    task.judge = Judge(check=check, started_at=task.started_at)
    task.check_at = context.alarm(task, context.now if task.was_adopted else task.judge.next_at(context.now))


def reported(context: Context, task: Task, event: on.HealthReported) -> None:
    """A check was done."""
    judge = task.judge
    if judge is None or task.phase is not Phase.RUNNING or event.serial != judge.serial:
        return
    finding = judge.report(event.is_healthy, context.now)
    if finding is Finding.HOPELESS:
        context.say(task, TaskState.RUNNING, f"unhealthy: {event.message}", UNHEALTHY)
        message = f"unhealthy: {judge.failures} checks failed in a row, the last: {event.message}"
        stopping.stop(context, task, Verdict(state=TaskState.FAILED, message=message, reason=UNHEALTHY), None)
        return
    if finding is Finding.UNHEALTHY:
        context.say(task, TaskState.RUNNING, f"unhealthy: {event.message}", UNHEALTHY)
    elif finding is Finding.HEALTHY:
        context.say(task, TaskState.RUNNING, f"healthy: {event.message}", UNHEALTHY)
    task.check_at = context.alarm(task, judge.next_at(context.now))


def ring(context: Context, task: Task) -> None:
    """Does what is due."""
    if task.check_at is not None and task.check_at <= context.now and task.judge is not None:
        task.check_at = None
        task.judge.serial += 1
        context.do(do.Check(order=task.order, serial=task.judge.serial))
