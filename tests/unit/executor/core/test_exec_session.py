"""A call about a command: the core says whether there is a task to run it beside."""

from __future__ import annotations

import base64

from executor.codec import events_of
from executor.core import commands as do
from executor.core import events as on
from framework.adapters.mesos_messages import attach_message
from specs.ids import TaskId
from tests.kit.executor_talk import Talk, only, order

TASK = order().task_id
URL = "http://10.0.0.9:8080"


def attach(talk: Talk, task_id: TaskId = TASK) -> do.StartExec:
    (said,) = only(do.StartExec, talk.tell(on.StartExecReceived(task_id=task_id, url=URL, key="k")))
    return said


def test_a_running_task_has_the_command_run() -> None:
    talk = Talk()
    talk.run()
    assert attach(talk) == do.StartExec(order=order(), url=URL, key="k")


def test_of_another_task_and_one_that_does_not_run_yet_the_scheduler_is_told_so() -> None:
    talk = Talk()
    talk.launch()
    assert (attach(talk).order, attach(talk).refusal) == (None, f"{TASK} does not run: it is creating")
    assert attach(talk, TaskId("other")).refusal == "the executor has no task other (any more)"


def test_the_schedulers_message_is_understood() -> None:
    message = {"type": "MESSAGE", "message": {"data": attach_message(TASK, URL, "k")}}
    assert events_of(message) == (on.StartExecReceived(task_id=TASK, url=URL, key="k"),)
    later = {"type": "MESSAGE", "message": {"data": base64.b64encode(b"\x9a\x3f\x00").decode()}}
    assert events_of(later) == ()
