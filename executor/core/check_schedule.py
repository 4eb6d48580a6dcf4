"""Watching over tasks that run: their first commands, their checks, and what follows from what was found."""

from __future__ import annotations

from executor.core import commands as do
from executor.core import events as on
from executor.core import readiness, stopping
from executor.core.context import Context
from executor.core.events import Purpose
from executor.core.health import HealthChange, Judge
from executor.core.task import CHECKED, LAUNCH_FAILED, UNHEALTHY, Phase, Task, Verdict
from specs.model.in_place import Care
from specs.model.stack import HealthCheck
from specs.states import TaskState

SERVES_ON = "it serves as before, and has never passed this new check"


def begin(context: Context, task: Task) -> None:
    """The task runs, since `task.started_at`."""
    container = task.order.container
    if container.health is not None:
        task.health = _judge(context, task, container.health)
    if container.post_start and not (task.was_adopted and task.order.is_prepared):
        stopping.run_hook(context, task, container.post_start[0])
    else:
        _prepared(context, task)


def hook_ended(context: Context, task: Task, event: on.HookEnded) -> None:
    """A command of post_start is done, or has failed."""
    hooks = task.order.container.post_start
    if not event.is_done:
        verdict = Verdict(state=TaskState.FAILED, message=f"post_start failed: {event.message}", reason=LAUNCH_FAILED)
        stopping.stop(context, task, verdict, None)
        return
    task.hooks_done += 1
    if task.hooks_done < len(hooks):
        stopping.run_hook(context, task, hooks[task.hooks_done])
        return
    _prepared(context, task)
    context.report(task, TaskState.RUNNING, f"post_start is done: {event.message}", CHECKED)


def checked(context: Context, task: Task, event: on.CheckReported) -> None:
    """A check was done."""
    judge = task.health if event.purpose is Purpose.HEALTH else task.readiness
    if judge is None or task.phase is not Phase.RUNNING or event.serial != judge.serial:
        return
    judge.code = event.code
    finding = judge.report(event.is_healthy, context.now)
    readiness.review(context, task)
    is_end = event.purpose is Purpose.HEALTH and _is_condemned(task, judge)
    if event.purpose is Purpose.HEALTH:
        said = f"{event.message}; is being stopped, as {judge.failures} checks failed in a row"
        _tell(context, task, judge, finding, said if is_end else event.message, ("healthy", UNHEALTHY))
    else:
        _tell(context, task, judge, finding, event.message, ("ready", CHECKED))
    if is_end:
        message = f"unhealthy: {judge.failures} checks failed in a row, the last: {event.message}"
        stopping.stop(context, task, Verdict(state=TaskState.FAILED, message=message, reason=UNHEALTHY), None)
    if task.phase is Phase.RUNNING:
        judge.due_at = context.alarm(task, judge.next_at(context.now, context.chance(), finding))


def ring(context: Context, task: Task) -> None:
    """Does what is due."""
    for purpose, judge in ((Purpose.HEALTH, task.health), (Purpose.READY, task.readiness)):
        if judge is None or judge.due_at is None or judge.due_at > context.now or task.phase is not Phase.RUNNING:
            continue
        judge.begin(context.now)
        context.emit(do.Check(order=task.order, purpose=purpose, serial=judge.serial, due_at=judge.began_at))


def watch_otherwise(context: Context, task: Task, before: Care) -> None:
    """The task runs on with other checks than before, each with its own grace from now on. Nothing is said of its
    health, or readiness, before the new check has found something; one that was ready goes on serving meanwhile."""
    container = task.order.container
    if container.health != before.health:
        task.health = _judge_anew(context, task, container.health, task.health)
    if task.is_prepared and container.ready != before.ready:
        task.readiness = _judge_anew(context, task, container.ready, task.readiness)
    readiness.review(context, task)


def _judge_anew(context: Context, task: Task, check: HealthCheck | None, old: Judge | None) -> Judge | None:
    if check is None:
        return None
    was_well = old.lets_serve if old is not None else task.is_ready
    serial = old.serial if old is not None else 0
    judge = Judge(check=check, started_at=context.now, serial=serial, is_on_probation=was_well)
    judge.due_at = context.alarm(task, judge.first_at(context.now, context.chance(), is_known=True))
    return judge


def _is_condemned(task: Task, judge: Judge) -> bool:
    """Whether a task is stopped for its health check. One that serves on probation is not: the scheduler replaces it,
    at the pace of its group, as the check may be what is wrong."""
    is_spared = judge.is_on_probation and task.is_ready
    return judge.is_healthy is False and judge.check.failures > 0 and not is_spared


def _prepared(context: Context, task: Task) -> None:
    task.is_prepared = True
    check = task.order.container.ready
    if check is not None:
        task.readiness = _judge(context, task, check)
    readiness.review(context, task)


def _judge(context: Context, task: Task, check: HealthCheck) -> Judge:
    judge = Judge(check=check, started_at=task.started_at if task.started_at is not None else context.now)
    first_at = judge.first_at(context.now, context.chance(), is_known=task.was_adopted)
    judge.due_at = context.alarm(task, first_at)
    return judge


def _tell(context: Context, task: Task, judge: Judge, finding: HealthChange, said: str, about: tuple[str, str]) -> None:
    """Tells what changed, and what keeps a task from becoming healthy, or ready."""
    word, reason = about
    if finding is HealthChange.HEALTHY:
        words = f"{word}: {said}"
    else:
        words = f"unhealthy: {said}" if judge.is_healthy is False and word == "healthy" else f"not {word}: {said}"
        if judge.is_on_probation and task.is_ready:
            words = f"{words if judge.is_healthy is False else said}; {SERVES_ON}"
        if finding is HealthChange.NOTHING and (judge.has_succeeded or not judge.is_news(words, context.now)):
            return
    judge.tell(words, context.now)
    context.report(task, TaskState.RUNNING, words, reason)
