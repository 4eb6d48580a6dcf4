"""The first step of a leader: it takes up what the store holds, or says why nobody may lead over that."""

from __future__ import annotations

from framework.core import agent_changes, apply_change
from framework.core.commands import Halt, HaltCause, Subscribe
from framework.core.converge import converge
from framework.core.groups import restart_delay
from framework.core.model import Stored
from framework.core.rollout import rollouts
from framework.core.state.context import Context
from framework.core.state.timers import Timer
from framework.core.volatile import Connection
from specs.states import TaskState


def begin(context: Context, stored: Stored) -> None:
    """Loads the state, brings what is derived from them up to date, and seeks Mesos; or halts."""
    if halt := _unfit(stored):
        context.emit(halt)
        return
    context.load(stored)
    context.connection = Connection.CONNECTING
    context.problem = "seeking the Mesos master"
    agent_changes.refresh(context)
    for group in sorted(context.state.groups):
        converge.review_group(context, group)
        rollouts.go_back_if_asked(context, group)
    restart_delay.schedule_all(context)
    apply_change.tidy_histories(context)
    for name in list(context.state.stacks):
        converge.forget_stack_if_over(context, name)
    for stack, id in list(context.state.versions):
        context.collect_versions(stack, {id: None})  # of a submit that broke off before its stack was stored
    for task in stored.tasks:
        if task.state in (TaskState.INTENT, TaskState.STAGING):
            context.timers.set(Timer.LAUNCH, task.id, context.now + context.settings.launch_timeout_seconds)
    context.after_save(Subscribe(framework_id=stored.framework_id))


def _unfit(stored: Stored) -> Halt | None:
    """Why nobody may lead over this store; None where somebody may."""
    lively = sum(task.state.is_lively for task in stored.tasks)
    if lively and stored.framework_id is None:
        return Halt(
            cause=HaltCause.TASKS_WITHOUT_FRAMEWORK_ID,
            message=f"the store holds {lively} tasks but no framework id: as a new framework they would"
            " all be started a second time; restore the framework id, or remove the tasks' records",
        )
    if missing := _missing_versions(stored):
        return Halt(cause=HaltCause.STORE_REFUSED, message=missing)
    return None


def _missing_versions(stored: Stored) -> str:
    """Which versions stacks name that the store does not hold, as a sentence; "" where it holds all of them."""
    there = {(version.stack, version.id) for version in stored.versions}
    missing = [
        f"{spec.version} of {spec.id}"
        for stack in stored.stacks
        for spec in stack.groups
        if (stack.name, spec.version) not in there
    ]
    if not missing:
        return ""
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return (
        f"the store lacks version {missing[0]}{more}: somebody has deleted it; restore a backup (`framework store"
        " check` lists what is wrong)"
    )
