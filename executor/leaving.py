"""An executor that is told to leave: it ends, and its containers run on, for the next executor to adopt them."""

from __future__ import annotations

from executor import stopping
from executor.context import Context
from executor.task import SHUT_DOWN, Phase, Verdict
from specs.states import TaskState

LEAVE_SECONDS = 30.0
"""So long it waits for what is under way, and for acknowledgements; then it ends all the same: what is half made is
found by the next executor, as after a crash."""


def begin(context: Context) -> None:
    """Stops the plain processes: Mesos would kill them with the executor."""
    verdict = Verdict(
        state=TaskState.KILLED,
        message="its executor is replaced by a newer one: a process, unlike a container, cannot outlive it",
        reason=SHUT_DOWN,
    )
    for task in list(context.tasks.values()):
        if task.order.is_process:
            stopping.stop(context, task, verdict, None)


def may_end(context: Context) -> bool:
    """Whether nothing is under way: every container just runs, its post_start done, and all that was said is
    acknowledged."""
    return not len(context.outbox) and all(
        task.phase is Phase.RUNNING and task.is_prepared for task in context.tasks.values()
    )
