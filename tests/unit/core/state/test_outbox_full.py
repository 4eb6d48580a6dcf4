"""An outbox at its limit: statuses and requests are refused until the store has caught up."""

from __future__ import annotations

from framework.core.commands import Acknowledge, Done, Reconcile, Refused, Save
from framework.core.events import StackSubmitted, StoreReported
from specs.states import TaskState
from tests.kit.conversation import Conversation, acknowledged, announced, group, launched, outcome, stack


def lagging(most: int = 8) -> Conversation:
    """Ten tasks start, and the store answers no more: the outbox is full after some of their statuses."""
    talk = Conversation()
    talk.subscribe()
    assert isinstance(talk.submit(stack(group(instances=10))), Done)
    talk.offers()
    talk.scheduler.context.outbox.most = most
    talk.holds_saves = True
    return talk


def test_statuses_are_not_taken_while_too_much_waits_and_are_asked_for_afterwards() -> None:
    talk = lagging()
    tasks = talk.tasks
    heard = [command for task in tasks for command in talk.status(task, TaskState.STARTING)]
    assert acknowledged(heard) == []
    states = [task.state for task in talk.tasks]
    taken = states.count(TaskState.STARTING)
    assert 0 < taken < 10
    assert announced(heard) == ["StoreLags"], "told once"
    assert len(talk.held) == taken, "nothing of what was not taken waits"
    heard = talk.release()
    assert len(acknowledged(heard)) == taken
    assert [command for command in heard if isinstance(command, Reconcile)][-1] == Reconcile()
    assert announced(heard).count("StoreLags") == 1
    # The agents tell the others again.
    heard = [command for task in tasks for command in talk.status(task, TaskState.STARTING)]
    assert len({command.task_id for command in heard if isinstance(command, Acknowledge)}) == 10
    assert {task.state for task in talk.tasks} == {TaskState.STARTING}


def test_what_users_ask_is_refused_with_the_reason() -> None:
    talk = lagging()
    talk.say(StoreReported(problem="ZooKeeper cannot be reached: 10.0.0.7:2181"))
    for task in talk.tasks:
        talk.status(task, TaskState.STARTING)
    heard = talk.say(StackSubmitted(request_id=77, stack=stack(group(image="busybox:2"))))
    assert outcome(heard, 77) == Refused(kind="unavailable", message="ZooKeeper cannot be reached: 10.0.0.7:2181")
    assert not [command for command in heard if isinstance(command, Save)]
    talk.release()
    assert isinstance(talk.submit(stack(group(image="busybox:2"))), Done)


def test_nothing_is_launched_until_there_is_room() -> None:
    talk = lagging(most=4)

    talk.holds_saves = False
    assert isinstance(talk.submit(stack(group(instances=10), group("shop/more", instances=3))), Done)
    talk.holds_saves = True
    for task in talk.tasks:
        talk.status(task, TaskState.STARTING)
    assert talk.scheduler.context.outbox.is_full
    assert launched(talk.offers()) == []
    assert len(talk.tasks) == 10
    pending = talk.scheduler.context.placing.causes[stack(group("shop/more")).groups[0].id].text
    assert pending == "waits for ZooKeeper: too much waits to be stored already"
    talk.release()
    assert len(launched(talk.offers())) == 3


def test_room_comes_back_at_half_of_the_limit() -> None:
    talk = lagging()
    for task in talk.tasks:
        talk.status(task, TaskState.STARTING)
    outbox = talk.scheduler.context.outbox
    assert outbox.is_full
    while outbox.is_full:
        save = talk.held.pop(0)
        talk.held, held = [save], talk.held
        talk.release()
        talk.held, talk.holds_saves = [*held, *talk.held], True
    assert talk.held, "there is room before all of it is stored"
