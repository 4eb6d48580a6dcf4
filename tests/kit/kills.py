"""Groups whose tasks a user kills, or that are scaled down."""

from __future__ import annotations

from typing import Any

from framework.core.events import KillRequested
from specs.ids import TaskId
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, outcome, stack


def running(instances: int = 3, **more: Any) -> Conversation:
    """Tasks in slots 0, 1, ..., each a second younger than the one before."""
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(instances=instances, **more)))
    talk.offers()
    for task in talk.tasks:
        talk.now += 1
        talk.status(task, TaskState.RUNNING, is_healthy=True)
    return talk


def kill(talk: Conversation, *ids: TaskId, scale: bool = False, **more: Any) -> Any:
    talk.heard = []
    return outcome(talk.say(KillRequested(request_id=77, tasks=ids, scale=scale, **more)), 77)


def left(talk: Conversation) -> list[int]:
    """The slots in which a task shall run."""
    return [task.slot for task in talk.tasks if task.goal is Goal.RUN]
