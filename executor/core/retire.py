"""An executor that is told to leave, or whose agent is no more: it ends, and its containers run on, for another
executor to adopt them."""

from __future__ import annotations

from executor.core import stopping
from executor.core.context import Context
from executor.core.task import SHUT_DOWN, Phase, Verdict
from specs.states import TaskState

RETIRE_SECONDS = 30.0
"""So long it waits for what is under way, and for acknowledgements; then it ends all the same: what is half made is
found by the next executor, as after a crash."""
REPLACED = "its executor is replaced by a newer one: a process, unlike a container, cannot outlive it"
SUPERSEDED = "its agent is no more, and its executor ends: a process, unlike a container, cannot outlive it"


_BEGUN = frozenset({Phase.PULLING, Phase.CREATING, Phase.STARTING})


def begin(context: Context, cause: str) -> None:
    """Stops the plain processes: they end with the executor. Where its agent is no more it also stops the containers
    that do not run yet: their tasks have ended for everybody, and who adopts may look for them before they are made."""
    verdict = Verdict(state=TaskState.KILLED, message=cause, reason=SHUT_DOWN)
    for task in list(context.tasks.values()):
        if task.order.is_process or (cause == SUPERSEDED and task.phase in _BEGUN):
            stopping.stop(context, task, verdict, None)


def may_end(context: Context) -> bool:
    """Whether nothing is under way: every container just runs, its post_start done, or is gone."""
    return all(
        task.phase is Phase.ENDED or (task.phase is Phase.RUNNING and task.is_prepared)
        for task in context.tasks.values()
    )
