"""Exec: commands that run where a task runs. The task's executor is requested to call this scheduler.

Nothing of it is stored, and the rest of the core does not know of it. The streams of a command go between the executor
and the API, and end with the connection of either.
"""

from __future__ import annotations

from framework.core.commands import Done, Outcome, Refused, Reply, StartExec
from framework.core.events import ExecRequested
from framework.core.state.context import Context
from framework.core.volatile import Connection
from specs.states import TaskState

_RUNS = (TaskState.RUNNING, TaskState.KILLING)


def attach(context: Context, event: ExecRequested) -> None:
    """Requests the executor to call, where one can receive that."""
    context.emit(Reply(request_id=event.request_id, outcome=_attach(context, event)))


def _attach(context: Context, event: ExecRequested) -> Outcome:
    if context.connection is not Connection.SUBSCRIBED:
        problem = context.problem or "the scheduler is not subscribed to a Mesos master; try again in a moment"
        return Refused(kind="unavailable", message=problem)
    task = context.state.tasks.get(event.task_id)
    if task is None:
        return Refused(kind="not_found", message=f"there is no task {event.task_id}")
    if task.state not in _RUNS:
        message = f"{task.id} is {task.state.shown}: a command can run only where a task runs"
        return Refused(kind="conflict", message=message)
    context.emit(
        StartExec(agent_id=task.agent_id, executor_id=task.executor_id, task_id=task.id, url=event.url, key=event.key)
    )
    return Done(message=f"the executor on {task.hostname} is called")
