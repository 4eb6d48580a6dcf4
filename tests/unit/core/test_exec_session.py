"""A command that is to run where a task runs: its executor is told to call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from framework.core.commands import Done, Refused, Save, StartExec
from framework.core.events import ExecRequested
from specs.ids import TaskId
from specs.model.stack import Container
from tests.kit.conversation import Conversation, group, outcome, stack

ASK = ExecRequested(request_id=7, task_id=TaskId("none"), url="http://10.0.0.9:8080", key="k")


@pytest.mark.parametrize("container", [Container(image="acme/web:1"), Container(command=("sleep", "9"))])
def test_the_executor_of_a_running_task_is_told_and_nothing_is_stored(container: Container) -> None:
    talk = Conversation()
    talk.up(group(container=container))
    (task,) = talk.tasks
    heard = talk.say(replace(ASK, task_id=task.id))
    told = StartExec(
        agent_id=task.agent_id, executor_id=task.executor_id, task_id=task.id, url="http://10.0.0.9:8080", key="k"
    )
    assert [each for each in heard if isinstance(each, StartExec)] == [told]
    assert isinstance(outcome(heard, 7), Done)
    assert not any(isinstance(each, Save) for each in heard)


def test_where_nothing_runs_it_is_refused() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.offers()
    (web,) = talk.tasks
    said = {}
    for id in (TaskId("none"), web.id):
        heard = talk.say(replace(ASK, task_id=id))
        assert not any(isinstance(each, StartExec) for each in heard)
        answer = outcome(heard, 7)
        assert isinstance(answer, Refused)
        said[id] = (answer.kind, answer.message.partition(":")[0])
    assert said == {
        "none": ("not_found", "there is no task none"),
        web.id: ("conflict", f"{web.id} is LAUNCHING"),
    }
