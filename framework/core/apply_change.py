"""Brings about changes that are stored, and requests that change no spec: kill and reset-backoff."""

from __future__ import annotations

from framework.core.commands import Done, Refused, Reply
from framework.core.converge import converge
from framework.core.events import BackoffResetRequested, KillRequested
from framework.core.groups import restart_delay
from framework.core.model import StackSpec
from framework.core.stacks import changes, repeated_requests
from framework.core.stacks.history import tidied
from framework.core.state.context import Context
from framework.core.state.stack_change import StackChange
from specs.ids import TaskId
from specs.states import Goal


def change(context: Context, change: StackChange) -> None:
    """Applies a stored change to the state: the stack's spec, its history, and the tasks that stop with it."""
    state, name = context.state, change.stack.name
    for version in change.versions:
        state.versions[version.stack, version.id] = version
    old = state.stacks.get(name)
    for id in change.killed:
        _stop_with_slot(context, change, id)
    state.put_stack(change.stack)
    if change.history is not None:
        state.put_history(change.history)
    for group in list(state.by_stack.get(name, {})):
        context.placing.slots_sought.pop(group, None)
        if change.order is not None:
            context.kill_orders[group] = change.order
        converge.review_group(context, group)
    context.kill_orders.clear()
    _publish_changed(context, change, is_new=old is None)
    _publish_scaled(context, change, old)
    context.collect_all(name)


def _stop_with_slot(context: Context, change: StackChange, id: TaskId) -> None:
    """Stops a task whose slot is not wanted any more."""
    task = context.state.tasks.get(id)
    if task is None or task.state.is_terminal:
        return
    index = context.state.group(task.group)
    if index.holders.get(task.slot) == id:
        index.wanted.pop(task.slot, None)
    context.stop(task, change.killed_because)


def _publish_changed(context: Context, change: StackChange, *, is_new: bool) -> None:
    stack = change.stack
    verb = "is to be removed" if stack.is_removed else "was submitted" if is_new else "was changed"
    text = f"stack {stack.name} {verb} (index {stack.index}): {', '.join(change.changed)}"
    context.publish("StackChanged", text, stack.name)


def _publish_scaled(context: Context, change: StackChange, old: StackSpec | None) -> None:
    """Publishes which groups were scaled: by whom, and why."""
    if old is None or old.is_removed or change.stack.is_removed:
        return
    made = change.history.revisions[-1] if change.history and change.history.revisions else None
    by = f" by {made.by}" if made and made.by else ""
    why = f": {made.message}" if made and made.message else ""
    before = {spec.id: spec.instances for spec in old.groups}
    for spec in change.stack.groups:
        was = before.get(spec.id, spec.instances)
        if was != spec.instances:
            text = f"{spec.id} is scaled from {was} to {spec.instances}{by}{why}"
            context.publish_group("GroupScaled", spec.id, text)


def kill(context: Context, request: KillRequested) -> None:
    """Stops tasks; their slots are filled again, as no spec changes."""
    tasks = changes.living(request.tasks, context.state)
    if isinstance(tasks, Refused):
        context.emit(Reply(request_id=request.request_id, outcome=tasks))
        return
    for task in tasks:
        context.stop(task, changes.kill_cause(request))
    changed = tuple(sorted({str(task.group) for task in tasks if task.goal is Goal.RUN}))
    message = "stopping; others take their places" if changed else "being stopped already"
    done = Done(changed=changed, message=message)
    repeated_requests.remember(context, request, done)
    context.after_all_saves(Reply(request_id=request.request_id, outcome=done))


def reset_backoff(context: Context, request: BackoffResetRequested) -> None:
    """Has groups that wait after failures, or have failed for good, tried again at once. No spec changes."""
    outcome, groups = restart_delay.reset(context, request)
    for group in groups:
        converge.review_group(context, group)
    context.place_soon()
    if isinstance(outcome, Done):
        repeated_requests.remember(context, request, outcome)
    context.after_save(Reply(request_id=request.request_id, outcome=outcome))


def tidy_histories(context: Context) -> None:
    """After a start: takes out of the histories what names nothing that is stored."""
    for history in list(context.state.histories.values()):
        clean = tidied(history, context.state.stacks.get(history.stack), context.state.versions)
        if clean is not history:
            context.put_history(clean)
