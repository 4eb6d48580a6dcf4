"""The checks of running tasks: when they begin, how their outcomes are reported, and when a task is stopped for
them."""

from __future__ import annotations

from executor.core import commands as do
from executor.core import events as on
from executor.core import readiness, stopping
from executor.core.context import Context
from executor.core.events import Purpose
from executor.core.health import HealthChange, Judge
from executor.core.task import CHECKED, LAUNCH_FAILED, UNHEALTHY, Phase, Task, Verdict
from specs.model.in_place import InPlaceSettings
from specs.model.stack import HealthCheck
from specs.states import TaskState

SERVES_ON = "it serves as before, and has never passed this new check"


def begin(context: Context, task: Task) -> None:
    """Starts post_start or the checks of a task that runs since `task.started_at`."""
    container = task.order.container
    if container.health is not None:
        task.health = _judge(context, task, container.health)
    if container.post_start and not (task.was_adopted and task.order.is_prepared):
        stopping.run_hook(context, task, container.post_start[0])
    else:
        _prepared(context, task)


def hook_ended(context: Context, task: Task, event: on.HookEnded) -> None:
    """Handles the end of a post_start command: the next one, the checks, or a failed task."""
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
    """Handles the outcome of a check."""
    judge = task.health if event.purpose is Purpose.HEALTH else task.readiness
    if judge is None or task.phase is not Phase.RUNNING or event.serial != judge.serial:
        return
    judge.code = event.code
    change = judge.record(event.is_healthy, context.now)
    readiness.review(context, task)
    is_end = event.purpose is Purpose.HEALTH and _is_condemned(task, judge)
    if event.purpose is Purpose.HEALTH:
        words = f"{event.message}; is being stopped, as {judge.failures} checks failed in a row"
        _report(context, task, judge, change, words if is_end else event.message, ("healthy", UNHEALTHY))
    else:
        _report(context, task, judge, change, event.message, ("ready", CHECKED))
    if is_end:
        message = f"unhealthy: {judge.failures} checks failed in a row, the last: {event.message}"
        stopping.stop(context, task, Verdict(state=TaskState.FAILED, message=message, reason=UNHEALTHY), None)
    if task.phase is Phase.RUNNING:
        judge.due_at = context.alarm(task, judge.next_at(context.now, context.chance(), change))


def ring(context: Context, task: Task) -> None:
    """Begins the checks that are due."""
    for purpose, judge in ((Purpose.HEALTH, task.health), (Purpose.READY, task.readiness)):
        if judge is None or judge.due_at is None or judge.due_at > context.now or task.phase is not Phase.RUNNING:
            continue
        judge.begin(context.now)
        context.emit(do.Check(order=task.order, purpose=purpose, serial=judge.serial, due_at=judge.began_at))


def replace_checks(context: Context, task: Task, before: InPlaceSettings) -> None:
    """Gives a running task the checks of its new settings, each with a new grace. Its health and readiness are unknown
    until the new checks have an outcome; a task that was ready goes on serving meanwhile."""
    container = task.order.container
    if container.health != before.health:
        task.health = _judge_again(context, task, container.health, task.health)
    if task.is_prepared and container.ready != before.ready:
        task.readiness = _judge_again(context, task, container.ready, task.readiness)
    readiness.review(context, task)


def _judge_again(context: Context, task: Task, check: HealthCheck | None, old: Judge | None) -> Judge | None:
    if check is None:
        return None
    was_well = old.lets_serve if old is not None else task.is_ready
    serial = old.serial if old is not None else 0
    judge = Judge(check=check, started_at=context.now, serial=serial, is_on_probation=was_well)
    judge.due_at = context.alarm(task, judge.first_at(context.now, context.chance(), is_known=True))
    return judge


def _is_condemned(task: Task, judge: Judge) -> bool:
    """Whether a task is stopped for its health check. A task that serves on probation is not: the scheduler replaces it
    at the pace of its group, because the check itself can be wrong."""
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


def _report(
    context: Context, task: Task, judge: Judge, change: HealthChange, outcome: str, about: tuple[str, str]
) -> None:
    """Reports a change, and the reason why a task does not become healthy or ready."""
    word, reason = about
    if change is HealthChange.HEALTHY:
        words = f"{word}: {outcome}"
    else:
        words = f"unhealthy: {outcome}" if judge.is_healthy is False and word == "healthy" else f"not {word}: {outcome}"
        if judge.is_on_probation and task.is_ready:
            words = f"{words if judge.is_healthy is False else outcome}; {SERVES_ON}"
        if change is HealthChange.NOTHING and (judge.has_succeeded or not judge.is_news(words, context.now)):
            return
    judge.note_reported(words, context.now)
    context.report(task, TaskState.RUNNING, words, reason)
