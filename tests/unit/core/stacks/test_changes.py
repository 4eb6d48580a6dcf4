"""Requests of users and what they make of a stack: submit, scale, stop, start, remove."""

from __future__ import annotations

from framework.core.commands import Done, Refused, Revive
from framework.core.events import ScaleRequested, StackSubmitted, StartRequested, StopRequested
from framework.core.views import GroupState
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, killed, launched, only_view, outcome, stack


def test_a_group_scaled_up_revives_and_launches_only_what_is_missing() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    heard = talk.say(ScaleRequested(request_id=90, pattern="shop/web", delta=2))
    assert outcome(heard, 90) == Done(changed=("shop/web",), index=2)
    assert Revive() in talk.wait(2)
    assert sorted(task.slot for task in launched(talk.offers())) == [2, 3]


def test_scaling_refuses_what_cannot_be() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    refused = outcome(talk.say(ScaleRequested(request_id=90, pattern="shop/web", delta=-3)), 90)
    assert isinstance(refused, Refused) and refused.kind == "invalid" and "-1 instances" in refused.message
    missing = outcome(talk.say(ScaleRequested(request_id=91, pattern="shop/wbe", instances=1)), 91)
    assert isinstance(missing, Refused) and missing.kind == "not_found"
    assert outcome(talk.say(ScaleRequested(request_id=92, pattern="shop", factor=2.0)), 92) == Done(
        changed=("shop/web",), index=2
    )


def test_the_same_stack_again_is_unchanged_and_touches_nothing() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    assert talk.submit(stack(group(instances=2))) == Done(changed=(), index=1, message="unchanged")
    assert killed(talk.wait(60)) == []


def test_a_submit_with_the_index_of_yesterday_is_refused() -> None:
    talk = Conversation()
    talk.up(group())

    heard = talk.say(StackSubmitted(request_id=7, stack=stack(group(instances=5)), if_index=9))
    refused = outcome(heard, 7)
    assert isinstance(refused, Refused) and refused.kind == "conflict" and "index 1, not 9" in refused.message
    assert len(talk.tasks) == 1


def test_stop_keeps_the_definition_and_start_brings_it_back() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    talk.say(StopRequested(request_id=5, pattern="shop"))
    for task in talk.tasks:
        talk.status(task, TaskState.KILLED)
    assert talk.tasks == []
    assert only_view(talk).state is GroupState.STOPPED
    talk.say(StartRequested(request_id=6, pattern="shop"))
    talk.wait(2)
    assert len(launched(talk.offers())) == 2


def test_a_stack_submitted_while_it_is_removed_comes_back() -> None:
    talk = Conversation()
    talk.up(group())
    (old,) = talk.tasks
    talk.remove()
    talk.submit(stack(group()))
    assert launched(talk.offers()) == [], "the slot is still held by the task that is ending"
    talk.status(old, TaskState.KILLED)
    talk.wait(2)
    assert [task.slot for task in launched(talk.offers())] == [0]


def test_a_group_taken_out_of_the_file_is_stopped() -> None:
    talk = Conversation()
    talk.up(group(), group("shop/redis"))
    talk.submit(stack(group("shop/redis")))
    (task,) = [task for task in talk.tasks if task.goal is Goal.STOP]
    assert (task.group.service, task.stop_cause) == ("web", "the group was taken out of the stack")
    talk.status(task, TaskState.KILLED)
    assert [str(view.spec.id) for view in talk.scheduler.view(talk.now).stacks["shop"].groups] == ["shop/redis"]
