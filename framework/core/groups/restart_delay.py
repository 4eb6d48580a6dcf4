"""Ends that were not desired: how long their group waits, which slots use up their retries, and how an operator resets
that."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Done, Outcome, PublishEvent, Refused
from framework.core.events import BackoffResetRequested
from framework.core.groups.completion import has_used_up_retries
from framework.core.model import Backoff, GroupSpec, Task
from framework.core.state.backoff import after_failure, is_permanently_failed, is_waiting, seconds
from framework.core.state.context import Context
from framework.core.state.timers import Timer
from specs.ids import GroupId, VersionId


def count_failure(context: Context, task: Task, spec: GroupSpec) -> None:
    """A task that should have run on has ended, and is so in the state. Its group waits, its slot counts the failure,
    and its agent is avoided. All of that is stored with the task."""
    ran = context.now - task.running_since if task.running_since else 0.0
    before = context.state.backoffs.get((task.group, task.version))
    backoff = after_failure(
        before, task=task, ran_seconds=ran, cause=end_cause(task), now=context.now, retry=spec.retry
    )
    failures = 1 if ran >= spec.retry.window_seconds else task.failures + 1
    ended = replace(task, failures=failures, backoff=None if backoff is before else backoff)
    context.put(ended)
    if backoff is not before:
        _announce(context, ended, backoff)
        _schedule(context, task.group, task.version, backoff)
    if has_used_up_retries(ended, spec):
        context.publish_task("SlotGivenUp", ended, f"{task.group}, slot {task.slot}: {retries_used_up(ended, spec)}")
    context.blame(task)


def _announce(context: Context, task: Task, backoff: Backoff) -> None:
    version = f"{task.group}, version {task.version}"
    if is_permanently_failed(backoff):
        context.publish_task(
            "GroupGaveUp", task, f"{version} gave up after {backoff.failures} attempts: {backoff.cause}"
        )
    elif backoff.failures > 1 or backoff.tries:
        text = f"{version} waits {seconds(backoff.delay_seconds)}: {backoff.failures} failures"
        context.publish_task("GroupBackedOff", task, text)


def _schedule(context: Context, group: GroupId, version: VersionId, backoff: Backoff) -> None:
    """Sets the timer for the end of a wait: placement looks at the group again."""
    if is_waiting(backoff, context.now):
        context.timers.set(Timer.RESTART_DELAY, f"{group} {version}", backoff.until)


def schedule_all(context: Context) -> None:
    """After a start: sets the timers of all waits that the store holds."""
    for group, version in sorted(context.state.backoffs):
        _schedule(context, group, version, context.state.backoffs[group, version])


def end_cause(task: Task) -> str:
    """The cause of a task's end, for people."""
    return task.message or task.reason or task.state.value


def retries_used_up(task: Task, spec: GroupSpec) -> str:
    """Why a slot gets no more tasks, and what to do, for people."""
    window = seconds(spec.retry.window_seconds)
    return (
        f"failed: {task.failures} attempts, none of which ran for {window}; the last: {end_cause(task)}; submit it"
        f" mended, or `framework reset-backoff '{spec.id}'`"
    )


def reset(context: Context, request: BackoffResetRequested) -> tuple[Outcome, tuple[GroupId, ...]]:
    """Forgets the failures of the groups that match: their waits, and the retries of their slots. Returns the answer,
    and the groups that changed and must be reviewed."""
    state, pattern = context.state, request.pattern
    matching = [group for group in sorted(state.specs) if group.matches(pattern)]
    if not matching:
        message = f"no group matches {pattern}; `framework ps` names those there are"
        return Refused(kind="not_found", message=message), ()
    asked = _requested(request)
    changed = tuple(group for group in matching if _forget(context, group, asked))
    for group in changed:
        text = f"{group}: its failures are forgotten, and it is tried again at once; {asked}"
        context.after_save(PublishEvent(kind="BackoffReset", text=text, stack=group.stack, group=str(group)))
    return Done(changed=tuple(map(str, changed)), message="" if changed else "unchanged"), changed


def _requested(request: BackoffResetRequested) -> str:
    who = f"{request.by} asked for it" if request.by else "an operator asked for it"
    return f"{who}: {request.message}" if request.message else who


def _forget(context: Context, group: GroupId, asked: str) -> bool:
    state, index = context.state, context.state.group(group)
    tasks = [state.tasks[id] for id in (*index.holders.values(), *index.outgoing, *index.ended)]
    carriers = [task for task in tasks if task.backoff is not None or task.failures]
    for task in carriers:
        context.put(replace(task, backoff=None, failures=0))
        context.stories.note(task.id, "BackoffReset", f"its failure is forgotten; {asked}", context.now)
    return bool(carriers)
