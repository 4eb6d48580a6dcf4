"""Tasks whose agent cannot be reached: how long their slot waits, and who stays when they are back."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from framework.core.commands import Done
from framework.core.model import Task
from framework.core.state.lifecycle import Back, back
from specs.model.stack import Group, Keep, Unreachable
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, killed, launched, stack


def desired(replace_after: float = 0.0, keep: Keep = Keep.REPLACEMENT, **more: object) -> Group:
    plain = group(**more)  # type: ignore[arg-type]
    return replace(plain, unreachable=Unreachable(replace_after_seconds=replace_after, keep=keep))


def cut_off(one: Group) -> tuple[Conversation, Task]:
    """One task of the group runs, and its agent cannot be reached."""
    talk = Conversation()
    talk.up(one)
    old = talk.tasks[0]
    talk.status(old, TaskState.UNREACHABLE)
    talk.wait(0.1)
    return talk, old


def replaced(one: Group) -> tuple[Conversation, Task, Task]:
    """It was given up, and its replacement runs."""
    talk, old = cut_off(one)
    talk.wait(one.unreachable.replace_after_seconds)
    (new,) = launched(talk.offers())
    talk.run(new)
    return talk, old, new


def by_id(talk: Conversation, task: Task) -> Task:
    return talk.scheduler.context.state.tasks[task.id]


@pytest.mark.parametrize(
    ("goal", "said", "is_replaced", "is_desired"),
    list(product(Goal, [state for state in TaskState if state.is_lively], (False, True), (False, True))),
)
def test_every_cell_of_what_becomes_of_one_that_is_back(
    goal: Goal, said: TaskState, is_replaced: bool, is_desired: bool
) -> None:
    wanted = Back.STOPS
    if goal is Goal.RUN and not is_replaced:
        wanted = Back.GOES_ON
    elif goal is Goal.RUN and said is TaskState.RUNNING and is_desired:
        wanted = Back.TAKES_OVER
    assert back(goal, said, is_replaced=is_replaced, is_desired=is_desired) is wanted


def test_another_takes_its_slot_at_once_and_stays() -> None:
    talk, old, new = replaced(desired())
    assert killed(talk.heard) == []
    assert old.id in killed(talk.status(old, TaskState.RUNNING))
    talk.status(old, TaskState.KILLED)
    assert [task.id for task in talk.tasks] == [new.id]


def test_its_slot_waits_for_it() -> None:
    talk, old = cut_off(desired(replace_after=60.0))
    talk.wait(59.0)
    assert launched(talk.offers()) == []
    assert killed(talk.status(old, TaskState.RUNNING)) == []
    talk.wait(600.0)
    assert [task.id for task in launched(talk.heard)] == [old.id]
    assert [(task.id, task.state, task.goal) for task in talk.tasks] == [(old.id, TaskState.RUNNING, Goal.RUN)]


def test_its_slot_does_not_wait_longer() -> None:
    talk, old = cut_off(desired(replace_after=60.0))
    talk.wait(60.0)
    (new,) = launched(talk.offers())
    assert new.slot == old.slot


def test_the_wait_goes_on_with_another_leader() -> None:
    talk, old = cut_off(desired(replace_after=60.0))
    talk.wait(30.0)
    next_one = Conversation(shelf=talk.shelf)
    next_one.now = talk.now
    next_one.subscribe()
    next_one.status(old, TaskState.UNREACHABLE)
    next_one.wait(29.0)
    assert launched(next_one.offers()) == []
    next_one.wait(2.0)
    assert launched(next_one.offers())


def test_a_wait_that_is_shortened_ends() -> None:
    talk, _ = cut_off(desired(replace_after=3600.0))
    talk.wait(60.0)
    assert isinstance(talk.submit(stack(desired(replace_after=30.0))), Done)
    assert launched(talk.offers())


def test_the_original_stays_where_it_shall() -> None:
    talk, old, new = replaced(desired(replace_after=10.0, keep=Keep.ORIGINAL))
    heard = talk.status(old, TaskState.RUNNING)
    assert killed(heard) == [new.id]
    assert by_id(talk, old).goal is Goal.RUN
    talk.status(new, TaskState.KILLED)
    talk.wait(60.0)
    assert [(task.id, task.goal) for task in talk.tasks] == [(old.id, Goal.RUN)]
    assert launched(talk.offers()) == []


def test_the_original_stays_with_another_leader_too() -> None:
    talk, old, new = replaced(desired(keep=Keep.ORIGINAL))
    next_one = Conversation(shelf=talk.shelf)
    next_one.now = talk.now
    next_one.subscribe()
    next_one.status(new, TaskState.RUNNING)
    assert killed(next_one.status(old, TaskState.RUNNING)) == [new.id]
    last = Conversation(shelf=talk.shelf)
    last.now = talk.now
    last.subscribe()
    last.status(new, TaskState.KILLED)
    last.wait(60.0)
    assert [(task.id, task.goal) for task in last.tasks] == [(old.id, Goal.RUN)]


def test_an_original_without_a_replacement_yet_goes_on() -> None:
    talk, old = cut_off(desired(keep=Keep.ORIGINAL))
    assert killed(talk.status(old, TaskState.RUNNING)) == []
    talk.wait(1.0)
    assert launched(talk.offers()) == []
    assert [task.id for task in talk.tasks] == [old.id]
    talk.status(old, TaskState.FAILED)
    talk.wait(2.0)
    assert launched(talk.offers())


def test_an_original_that_is_not_desired_any_more_is_stopped() -> None:
    for change in ("version", "scaled", "removed", "not running"):
        talk, old, new = replaced(desired(keep=Keep.ORIGINAL))
        if change == "version":
            talk.submit(stack(desired(keep=Keep.ORIGINAL, image="busybox:2")))
        elif change == "scaled":
            talk.submit(stack(desired(keep=Keep.ORIGINAL, instances=0)))
        elif change == "removed":
            talk.remove()
        said = TaskState.STARTING if change == "not running" else TaskState.RUNNING
        assert old.id in killed(talk.status(old, said)), change
        assert (by_id(talk, new).goal is Goal.RUN) is (change in ("not running", "version")), change


def test_an_original_that_is_gone_for_good_changes_nothing() -> None:
    talk, old, new = replaced(desired(keep=Keep.ORIGINAL))
    talk.status(old, TaskState.GONE)
    talk.wait(60.0)
    assert [task.id for task in talk.tasks] == [new.id]
    assert [task for task in launched(talk.offers()) if not task.sweeps] == []


def test_it_may_be_cut_off_again() -> None:
    talk, old, new = replaced(desired(keep=Keep.ORIGINAL))
    talk.status(old, TaskState.RUNNING)
    talk.status(new, TaskState.KILLED)
    talk.status(old, TaskState.UNREACHABLE)
    talk.wait(0.1)
    (third,) = launched(talk.offers())
    talk.run(third)
    assert killed(talk.status(old, TaskState.RUNNING)) == [third.id]


def test_one_that_is_waited_for_gives_its_slot_up_when_another_version_is_desired() -> None:
    talk, old = cut_off(desired(replace_after=3600.0))
    assert launched(talk.offers()) == []
    changed = desired(replace_after=3600.0, image="acme/web:2")
    assert isinstance(talk.submit(stack(changed)), Done)
    (new,) = launched(talk.offers())
    assert (new.slot, new.version != old.version) == (old.slot, True)
    assert by_id(talk, old).goal is Goal.STOP


def test_an_unreachable_task_is_replaced_and_stopped_when_it_returns() -> None:
    talk = Conversation()
    talk.up(group())
    (old,) = talk.tasks
    talk.status(old, TaskState.UNREACHABLE, uuid="")
    talk.wait(2)
    (new,) = launched(talk.offers(talk.offer(2)))
    assert new.slot == old.slot
    talk.run(new)
    heard = talk.status(old, TaskState.RUNNING, uuid="")
    assert killed(heard) == [old.id]
    talk.status(old, TaskState.KILLED)
    assert [task.id for task in talk.tasks] == [new.id]


def test_a_task_that_came_back_holds_its_slot_again_when_its_replacement_has_ended_first() -> None:
    talk = Conversation()
    talk.up(group())
    (old,) = talk.tasks
    talk.status(old, TaskState.UNREACHABLE, uuid="")
    talk.wait(2)
    (new,) = launched(talk.offers(talk.offer(2)))
    talk.run(new)
    talk.status(old, TaskState.RUNNING, uuid="")
    talk.status(new, TaskState.FAILED)
    talk.wait(2)
    assert launched(talk.offers()) == [], "the old one is still being stopped"
    talk.status(old, TaskState.KILLED)
    talk.wait(2)
    assert len(launched(talk.offers())) == 1


def test_a_task_that_was_given_up_as_gone_and_returns_is_stopped() -> None:
    talk = Conversation()
    talk.up(group())
    (old,) = talk.tasks
    talk.status(old, TaskState.GONE)
    assert killed(talk.status(old, TaskState.RUNNING) + talk.wait(2)) == [old.id]
