"""No status is acknowledged, and nothing killed, before what it rests on is stored, whatever happens meanwhile."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Halt, HaltCause, PutFramework, Save
from framework.core.events import Saved, SaveFailed, StackRemoved, StatusReceived
from framework.core.model import Status
from specs.ids import AgentId, TaskId
from specs.messages import MAX_MESSAGE_LENGTH
from specs.states import TaskState
from tests.kit.conversation import Conversation, acknowledged, group, killed, stack

UNKNOWN_TASK = Status(task_id=TaskId("shop.web.7.99"), state=TaskState.RUNNING, agent_id=AgentId("agent-1"))


def test_a_status_told_again_while_it_is_being_saved_waits_for_that_save() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    talk.holds_saves = True
    assert acknowledged(talk.status(task, TaskState.FINISHED)) == []
    assert acknowledged(talk.status(task, TaskState.FINISHED)) == []
    (save, *_) = talk.held
    assert acknowledged(talk.say(Saved(ticket=save.ticket))) == [task.id, task.id]


def test_the_end_of_a_task_whose_record_is_being_deleted_waits_too() -> None:
    talk = Conversation()
    talk.up(group(instances=1))
    (task,) = talk.tasks
    talk.remove()
    talk.holds_saves = True
    talk.status(task, TaskState.KILLED)
    assert acknowledged(talk.status(task, TaskState.KILLED)) == []
    assert acknowledged(talk.release()) == [task.id, task.id]


def test_where_nothing_is_being_saved_it_is_acknowledged_at_once() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    assert acknowledged(talk.status(task, TaskState.RUNNING)) == [task.id]


def test_one_that_came_back_is_killed_whatever_the_store_does() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    talk.status(task, TaskState.GONE)
    talk.holds_saves = True
    assert killed(talk.status(task, TaskState.RUNNING)) == [], "many may have come back"
    assert killed(talk.wait(2)) == [task.id]


def test_what_the_store_does_not_know_is_neither_acknowledged_nor_killed_before_a_save_shows_who_leads() -> None:
    talk = Conversation()
    talk.up(group())
    talk.holds_saves = True
    heard = talk.say(StatusReceived(status=replace(UNKNOWN_TASK, uuid="1")))
    assert acknowledged(heard) == []
    (save,) = talk.held
    assert [type(write) for write in save.writes] == [PutFramework], "as it is stored already"
    assert acknowledged(talk.release()) == [UNKNOWN_TASK.task_id]
    talk.holds_saves = True
    assert killed(talk.wait(5)) == []
    assert killed(talk.release()) == [UNKNOWN_TASK.task_id]
    assert talk.say(StatusReceived(status=replace(UNKNOWN_TASK, state=TaskState.KILLED))) == [], "an answer needs none"


def test_a_kill_waits_for_its_goal_to_be_stored_also_after_a_new_subscription() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    talk.holds_saves = True
    talk.say(StackRemoved(request_id=7, name="shop"))
    (spec,) = talk.held
    talk.held = []
    talk.shelf.write(spec)
    assert killed(talk.say(Saved(ticket=spec.ticket))) == []
    assert killed(talk.subscribe()) == []
    assert killed(talk.wait(30)) == []
    assert task.id in killed(talk.release())


def test_a_message_is_stored_no_longer_than_it_may_be() -> None:
    talk = Conversation()
    talk.up(group())
    (task,) = talk.tasks
    said = Status(
        task_id=task.id, state=TaskState.RUNNING, agent_id=task.agent_id, uuid="1", message="why" + "x" * 1_000_000
    )
    talk.say(StatusReceived(status=said))
    message = talk.shelf.tasks[task.id].message
    assert len(message) == MAX_MESSAGE_LENGTH and message.startswith("why")
    stored = len(talk.heard)
    talk.say(StatusReceived(status=said))
    assert not [command for command in talk.heard[stored:] if isinstance(command, Save)], "it is the same again"


def test_statuses_are_acknowledged_only_after_they_are_stored() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group()))
    talk.offers()
    (task,) = talk.tasks
    talk.holds_saves = True
    assert acknowledged(talk.status(task, TaskState.RUNNING)) == []
    assert acknowledged(talk.release()) == [task.id]
    assert talk.shelf.tasks[task.id].state is TaskState.RUNNING


def test_a_status_that_cannot_be_stored_halts() -> None:
    talk = Conversation()
    talk.up(group())
    talk.holds_saves = True
    talk.status(talk.tasks[0], TaskState.FAILED)
    heard = talk.say(SaveFailed(ticket=talk.held[0].ticket, problem="no"))
    assert [command.cause for command in heard if isinstance(command, Halt)] == [HaltCause.STORE_REFUSED]
