"""A request with a key is one change, however often it is tried and whoever leads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from framework.core.commands import Done, Outcome, PutAnswer, PutStack, Refused, Reply, Save
from framework.core.events import (
    BackoffResetRequested,
    ChangeRequest,
    KillRequested,
    RestartRequested,
    RollbackRequested,
    RolloutAction,
    RolloutActionRequested,
    SaveFailed,
    ScaleRequested,
    StackRemoved,
    StackSubmitted,
    StartRequested,
    StopRequested,
)
from framework.core.model import RequestKey
from framework.core.stacks.repeated_requests import FORGOTTEN_AT_ONCE, KEPT_SECONDS, MOST_ANSWERS
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, outcome, stack

KEY = RequestKey(text="4f1a", digest="of this request")
ONE_MORE = ScaleRequested(request_id=71, pattern="shop/web", delta=1, request_key=KEY)


def up(instances: int = 2) -> Conversation:
    talk = Conversation()
    talk.up(group(instances=instances))
    return talk


def said(talk: Conversation, ask: Any, number: int = 71) -> Outcome:
    return outcome(talk.say(replace(ask, request_id=number)), number)


def next_leader(talk: Conversation) -> Conversation:
    """Another scheduler over what the first one has stored, at the same time."""
    after = Conversation(shelf=talk.shelf)
    after.now = talk.now
    after.subscribe()
    return after


def test_another_try_of_the_same_leader_changes_nothing_and_gets_the_same_answer() -> None:
    talk = up()
    first = said(talk, ONE_MORE)
    assert first == Done(changed=("shop/web",), index=2)
    assert said(talk, ONE_MORE, 72) == first
    assert talk.shelf.stacks["shop"].groups[0].instances == 3


def test_another_try_after_a_change_of_leaders_is_the_same_change() -> None:
    talk = up()
    first = said(talk, ONE_MORE)
    after = next_leader(talk)
    assert said(after, ONE_MORE) == first
    assert after.shelf.stacks["shop"].groups[0].instances == 3
    assert said(after, replace(ONE_MORE, request_key=None)) == Done(changed=("shop/web",), index=3)


def test_the_answer_is_stored_with_the_change_or_neither_is() -> None:
    talk = up()
    talk.holds_saves = True
    (save,) = [command for command in talk.say(ONE_MORE) if isinstance(command, Save)]
    assert {PutStack, PutAnswer} <= {type(write) for write in save.writes}
    lost = next_leader(talk)
    assert said(lost, ONE_MORE) == Done(changed=("shop/web",), index=2), "nothing was stored: it is done now"
    assert lost.shelf.stacks["shop"].groups[0].instances == 3


def test_a_try_that_comes_while_the_first_is_being_stored_waits_for_its_answer() -> None:
    talk = up()
    talk.holds_saves = True
    heard = talk.say(ONE_MORE, replace(ONE_MORE, request_id=72))
    assert not [command for command in heard if isinstance(command, Reply)]
    heard = talk.release()
    assert outcome(heard, 71) == outcome(heard, 72) == Done(changed=("shop/web",), index=2)
    assert talk.shelf.stacks["shop"].groups[0].instances == 3


def test_of_a_change_that_was_not_stored_nothing_is_remembered() -> None:
    talk = up()
    talk.holds_saves = True
    (save,) = [command for command in talk.say(ONE_MORE) if isinstance(command, Save)]
    talk.holds_saves, talk.held = False, []
    refused = outcome(talk.say(SaveFailed(ticket=save.ticket, problem="too large")), 71)
    assert isinstance(refused, Refused)
    assert said(talk, ONE_MORE) == Done(changed=("shop/web",), index=2)


def test_a_refusal_is_not_remembered() -> None:
    talk = up()
    ask = ScaleRequested(request_id=71, pattern="shop/db", delta=1, request_key=KEY)
    assert isinstance(said(talk, ask), Refused)
    talk.submit(stack(group(instances=2), group("shop/db")))
    assert isinstance(said(talk, ask), Done)


def test_one_key_for_two_requests_is_a_mistake() -> None:
    talk = up()
    said(talk, ONE_MORE)
    other = StopRequested(request_id=71, pattern="shop/web", request_key=RequestKey(text=KEY.text, digest="of another"))
    refused = said(talk, other)
    assert isinstance(refused, Refused) and refused.kind == "invalid"
    assert refused.message.startswith("the key 4f1a was given to a different request before; nothing was changed")
    assert not talk.shelf.stacks["shop"].groups[0].is_stopped


ASKS: list[ChangeRequest] = [
    StackSubmitted(request_id=71, stack=stack(group(instances=5)), if_index=1),
    StackRemoved(request_id=71, name="shop"),
    RestartRequested(request_id=71, pattern="shop/web"),
    StopRequested(request_id=71, pattern="shop/web"),
]


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: type(ask).__name__)
def test_every_change_of_a_stack_is_one(ask: ChangeRequest) -> None:
    talk = up()
    ask = replace(ask, request_key=KEY)
    first = said(talk, ask)
    assert isinstance(first, Done) and first.changed
    after = next_leader(talk)
    stored = after.shelf.stacks["shop"]
    assert said(after, ask) == first
    assert after.shelf.stacks["shop"] == stored


def test_start_and_rollback_too() -> None:
    talk = up()
    said(talk, StopRequested(request_id=71, pattern="shop/web"))
    for ask in (
        StartRequested(request_id=71, pattern="shop/web", request_key=RequestKey(text="a", digest="a")),
        StackSubmitted(request_id=71, stack=stack(group(instances=2, image="acme/web:2"))),
        RollbackRequested(request_id=71, name="shop", to=1, if_index=4, request_key=RequestKey(text="b", digest="b")),
    ):
        first = said(talk, ask)
        assert isinstance(first, Done) and first.changed
        if ask.request_key:
            after = next_leader(talk)
            assert said(after, ask) == first
            assert after.shelf.stacks == talk.shelf.stacks


def test_a_rollout_that_goes_on_to_its_next_step_goes_on_by_one() -> None:
    talk = up()
    said(talk, RestartRequested(request_id=71, pattern="shop/web"))
    promote = RolloutActionRequested(
        request_id=71, stack="shop", action=RolloutAction.PROMOTE, asked_by="eve", request_key=KEY
    )
    first = said(talk, promote)
    after = next_leader(talk)
    before = after.shelf.rollouts["shop"].current
    assert isinstance(first, Done) and before is not None
    assert said(after, promote) == first
    current = after.shelf.rollouts["shop"].current
    assert current is not None and [part.step for part in current.groups] == [part.step for part in before.groups]


def test_a_kill_whose_task_is_gone_meanwhile() -> None:
    talk = up()
    task = talk.tasks[0]
    kill = KillRequested(request_id=71, tasks=(task.id,), request_key=KEY)
    first = said(talk, kill)
    talk.status(task, TaskState.KILLED)
    after = next_leader(talk)
    assert said(after, kill) == first == Done(changed=("shop/web",), message="stopping; others take their places")
    assert sum(task.goal is Goal.STOP for task in after.tasks) == 0


def test_failures_that_are_forgotten_once() -> None:
    talk = up()
    talk.status(talk.tasks[0], TaskState.FAILED)
    reset = BackoffResetRequested(request_id=71, pattern="shop/web", request_key=KEY)
    first = said(talk, reset)
    assert isinstance(first, Done) and first.changed
    assert said(next_leader(talk), reset) == first


def test_the_oldest_are_forgotten() -> None:
    talk = up(1)
    total = MOST_ANSWERS + FORGOTTEN_AT_ONCE
    for number in range(total):
        key = RequestKey(text=f"{number}", digest="x")
        talk.say(ScaleRequested(request_id=0, pattern="shop/web", instances=number % 2, request_key=key))
    answers = talk.scheduler.context.state.answers
    assert len(answers) == MOST_ANSWERS
    assert next(iter(answers)) == f"{FORGOTTEN_AT_ONCE}"


def test_one_of_yesterday_is_forgotten_and_may_be_given_again() -> None:
    talk = up()
    said(talk, ONE_MORE)
    talk.now += KEPT_SECONDS + 1
    assert said(talk, ONE_MORE) == Done(changed=("shop/web",), index=3)
    assert len(talk.shelf.answers) == 1
    assert said(next_leader(talk), ONE_MORE) == Done(changed=("shop/web",), index=3)


def test_an_answer_that_names_thousands_of_groups_is_kept_with_some_of_them() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(*(group(f"shop/service{number:04}") for number in range(600))))
    first = said(talk, StopRequested(request_id=71, pattern="*", request_key=KEY))
    again = said(talk, StopRequested(request_id=71, pattern="*", request_key=KEY), 72)
    assert isinstance(first, Done) and isinstance(again, Done)
    assert len(first.changed) == 600
    assert again == replace(first, changed=first.changed[: len(again.changed)])
    assert 0 < len(again.changed) < 600
