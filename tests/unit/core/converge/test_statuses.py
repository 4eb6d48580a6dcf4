"""Statuses of Mesos: how they are acknowledged, when a task counts as ready, and how long it is given to stop."""

from __future__ import annotations

import pytest

from framework.core.commands import Acknowledge, Kill, PublishEvent
from framework.core.converge.statuses import RECONCILED
from framework.core.views import GroupState
from specs.model.stack import CheckKind, Container, HealthCheck, Hook, Port, Stop
from specs.states import Health, Readiness, TaskState
from tests.kit.conversation import Conversation, acknowledged, announced, group, killed, only_view

PORTS = (Port(name="http", container_port=80),)
CHECK = HealthCheck(kind=CheckKind.HTTP, port="http")
READY = Container(image="a:1", ports=PORTS, health=CHECK, ready=CHECK)


def test_a_task_is_ready_when_both_checks_say_so() -> None:
    talk = Conversation()
    talk.up(group(container=READY))
    (task,) = talk.tasks
    assert (task.health, task.readiness, only_view(talk).state) == (
        Health.UNKNOWN,
        Readiness.UNKNOWN,
        GroupState.WAITING,
    )
    talk.status(task, TaskState.RUNNING, is_healthy=True)
    assert only_view(talk).ready == 0
    assert "TaskReady" in announced(talk.status(task, TaskState.RUNNING, is_healthy=True, is_ready=True))
    assert only_view(talk).state is GroupState.RUNNING
    said = talk.status(task, TaskState.RUNNING, is_healthy=True, is_ready=False, message="not ready: 503")
    assert "TaskNotReady" in announced(said)
    assert [each.text for each in said if isinstance(each, PublishEvent)] == [f"{task.id} is not ready: 503"]
    assert (only_view(talk).ready, talk.tasks[0].message) == (0, "not ready: 503")
    talk.status(task, TaskState.RUNNING, is_healthy=True)
    assert talk.tasks[0].readiness is Readiness.NOT_READY
    words = {"message": "Reconciliation: Latest task state", "reason": RECONCILED}
    talk.status(task, TaskState.RUNNING, is_healthy=True, **words)
    assert talk.tasks[0].message == "not ready: 503", "what the executor said stays"


@pytest.mark.parametrize(
    ("container", "wanted"),
    [
        (Container(image="a:1"), Readiness.NONE),
        (Container(image="a:1", ports=PORTS, health=CHECK), Readiness.NONE),
        (Container(image="a:1", post_start=(Hook(command=("a",)),)), Readiness.UNKNOWN),
    ],
)
def test_readiness_is_asked_for_only_where_there_is_more_than_health(container: Container, wanted: Readiness) -> None:
    talk = Conversation()
    talk.up(group(container=container))
    assert talk.tasks[0].readiness is wanted
    talk.status(talk.tasks[0], TaskState.RUNNING, is_healthy=True, is_ready=True)
    assert talk.tasks[0].is_ready


def test_a_kill_is_repeated_only_when_drain_and_grace_are_over() -> None:
    talk = Conversation()
    stop = Stop(drain_seconds=30.0, grace_seconds=20.0)
    talk.up(group(container=Container(image="a:1", stop=stop)))
    talk.remove()
    assert [command.grace_seconds for command in talk.heard if isinstance(command, Kill)] == [20.0]
    assert not killed(talk.wait(59))
    assert killed(talk.wait(2))


def test_health_decides_over_readiness() -> None:
    health = HealthCheck(kind=CheckKind.HTTP, port="http")
    container = Container(image="a:1", ports=(Port(name="http", container_port=80),), health=health)
    talk = Conversation()
    talk.up(group(container=container))
    (task,) = talk.tasks
    assert (task.health, only_view(talk).state) == (Health.UNKNOWN, GroupState.WAITING)
    talk.status(task, TaskState.RUNNING, is_healthy=True)
    assert only_view(talk).state is GroupState.RUNNING
    assert "TaskUnhealthy" in announced(talk.status(task, TaskState.RUNNING, is_healthy=False, message="503"))
    assert only_view(talk).ready == 0


def test_a_repeated_status_is_acknowledged_without_a_save() -> None:
    talk = Conversation()
    talk.up(group())
    heard = talk.status(talk.tasks[0], TaskState.RUNNING)
    assert [type(command) for command in heard] == [Acknowledge]


def test_a_status_without_uuid_is_not_acknowledged() -> None:
    talk = Conversation()
    talk.up(group())
    assert acknowledged(talk.status(talk.tasks[0], TaskState.FAILED, uuid="")) == []
