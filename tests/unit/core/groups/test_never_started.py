"""Launches that never reached their executor cost nothing, unless there is one after the other."""

from __future__ import annotations

import pytest

from framework.core.groups.never_started import MOST_NEVER_STARTED
from framework.core.model import Task
from specs.model.stack import Restart
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, launched, stack

WAYS = [
    pytest.param(TaskState.FAILED, "REASON_EXECUTOR_TERMINATED", id="its executor ended before it had registered"),
    pytest.param(TaskState.DROPPED, "REASON_EXECUTOR_TERMINATED", id="its executor was just ending"),
    pytest.param(TaskState.FAILED, "REASON_CONTAINER_LAUNCH_FAILED", id="the archive could not be fetched"),
    pytest.param(TaskState.FAILED, "REASON_EXECUTOR_REGISTRATION_TIMEOUT", id="its executor did not register"),
]


def desired(restart: Restart = Restart.ALWAYS, instances: int = 1) -> tuple[Conversation, list[Task]]:
    """A group that was launched, and of which no executor has spoken."""
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(restart=restart, instances=instances)))
    return talk, launched(talk.offers())


@pytest.mark.parametrize(("state", "reason"), WAYS)
def test_the_first_is_launched_again_at_once_and_nobody_is_blamed(state: TaskState, reason: str) -> None:
    talk, (task,) = desired()
    talk.status(task, state, reason=reason)
    assert not talk.scheduler.context.state.backoffs
    assert not talk.scheduler.context.state.agent_failures
    assert len(launched(talk.offers())) == 1


@pytest.mark.parametrize(("state", "reason"), WAYS)
def test_the_second_in_a_row_speaks_against_its_agent(state: TaskState, reason: str) -> None:
    talk, (task,) = desired()
    talk.status(task, state, reason=reason)
    (task,) = launched(talk.offers())
    talk.status(task, state, reason=reason)
    assert not talk.scheduler.context.state.backoffs
    assert list(talk.scheduler.context.state.agent_failures[task.group]) == [task.agent_id]
    (again,) = launched(talk.offers())
    assert again.agent_id != task.agent_id


@pytest.mark.parametrize(("state", "reason"), WAYS)
def test_one_after_the_other_they_begin_a_back_off(state: TaskState, reason: str) -> None:
    talk, (task,) = desired()
    for _ in range(MOST_NEVER_STARTED - 1):
        talk.status(task, state, reason=reason)
        (task,) = launched(talk.offers())
    talk.status(task, state, reason=reason)
    assert talk.scheduler.context.state.backoffs
    assert launched(talk.offers()) == []
    talk.wait(2)
    (task,) = launched(talk.offers())
    talk.status(task, state, reason=reason)
    assert launched(talk.offers()) == [], "each one more counts"


def test_one_that_came_to_its_executor_ends_the_row() -> None:
    talk, (task,) = desired()
    for _ in range(MOST_NEVER_STARTED):
        talk.status(task, TaskState.FAILED, reason="REASON_EXECUTOR_TERMINATED")
        (task,) = launched(talk.offers())
        talk.status(task, TaskState.STARTING, sandbox="/tmp")
        talk.status(task, TaskState.RUNNING, sandbox="/tmp")
        talk.status(task, TaskState.GONE)
        (task,) = launched(talk.offers())
    assert not talk.scheduler.context.state.backoffs


def test_slots_are_counted_each_for_itself() -> None:
    talk, tasks = desired(instances=2 * MOST_NEVER_STARTED)
    for task in tasks:
        talk.status(task, TaskState.FAILED, reason="REASON_EXECUTOR_TERMINATED")
    assert not talk.scheduler.context.state.backoffs
    assert len(launched(talk.offers())) == 2 * MOST_NEVER_STARTED


def test_one_of_which_its_executor_sent_a_status_has_started() -> None:
    talk, (task,) = desired()
    reason = "REASON_CONTAINER_LAUNCH_FAILED"
    talk.status(task, TaskState.FAILED, reason=reason, sandbox="/tmp", message="no such image")
    assert talk.scheduler.context.state.backoffs


@pytest.mark.parametrize("restart", [Restart.NEVER, Restart.ON_FAILURE])
def test_a_job_that_never_began_is_not_done(restart: Restart) -> None:
    talk, (task,) = desired(restart)
    for _ in range(MOST_NEVER_STARTED):
        talk.status(task, TaskState.FAILED, reason="REASON_EXECUTOR_TERMINATED")
        talk.wait(2)
        (task,) = launched(talk.offers())


def test_it_is_forgotten_with_its_group() -> None:
    talk, (task,) = desired()
    talk.status(task, TaskState.FAILED, reason="REASON_EXECUTOR_TERMINATED")
    assert talk.scheduler.context.never_started
    talk.remove()
    assert not talk.scheduler.context.never_started


def test_a_dropped_launch_is_tried_again_without_back_off() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.offers()
    talk.status(talk.tasks[0], TaskState.DROPPED, uuid="", reason="INVALID_OFFERS")
    talk.wait(1.1)
    assert [task.attempt for task in launched(talk.offers())] == [2]
