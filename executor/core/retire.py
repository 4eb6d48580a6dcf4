"""How an executor retires: it ends, and its containers run on for another executor to adopt. It retires when the
scheduler says so, or when its agent is no more."""

from __future__ import annotations

from executor.core import stopping
from executor.core.context import Context
from executor.core.task import SHUT_DOWN, Phase, Verdict
from specs.states import TaskState

RETIRE_SECONDS = 30.0
"""Time-out for operations under way and for acknowledgements. Then it ends all the same: the next executor finds
half-made containers as after a crash."""
REPLACED = "its executor is replaced by a newer one: a process, unlike a container, cannot outlive it"
SUPERSEDED = "its agent is no more, and its executor ends: a process, unlike a container, cannot outlive it"


_BEGUN = frozenset({Phase.PULLING, Phase.CREATING, Phase.STARTING})


def begin(context: Context, cause: str) -> None:
    """Stops the plain processes, which end with the executor. If its agent is no more, also stops containers that do
    not run yet: their tasks have ended for everybody, and an adopting executor could look for them before they are
    created."""
    verdict = Verdict(state=TaskState.KILLED, message=cause, reason=SHUT_DOWN)
    for task in list(context.tasks.values()):
        if task.order.is_process or (cause == SUPERSEDED and task.phase in _BEGUN):
            stopping.stop(context, task, verdict, None)


def may_end(context: Context) -> bool:
    """Whether nothing is under way: every container runs with its post_start done, or is gone."""
    return all(
        task.phase is Phase.ENDED or (task.phase is Phase.RUNNING and task.is_prepared)
        for task in context.tasks.values()
    )
