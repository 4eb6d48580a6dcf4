"""Failures as the scheduler takes them: what waits, which slots are given up, what survives, and a new beginning."""

from __future__ import annotations

from dataclasses import replace

import pytest

from framework.core.commands import Command, Done, Outcome, PublishEvent, Refused, Revive
from framework.core.events import BackoffResetRequested
from framework.core.model import Task
from framework.core.views import GroupState, GroupView
from specs.model.constraints import Mode
from specs.model.stack import Restart, Retry
from specs.permanence import Permanent
from specs.states import TaskState
from tests.kit.conversation import Conversation, group, launched, only_view, outcome, stack

FEW = Retry(attempts=2, window_seconds=60)


def seen(talk: Conversation) -> GroupView:
    (view,) = talk.scheduler.view(talk.now).stacks["shop"].groups
    return view


def fail(talk: Conversation, task: Task, message: str = "exit code 1", **more: object) -> list[Command]:
    """Lets a task start and fail."""
    if task.state is not TaskState.RUNNING and "permanent" not in more:
        talk.run(task)
    return talk.status(task, TaskState.FAILED, message=message, **more)


def fail_next(talk: Conversation, message: str = "exit code 1", **more: object) -> Task:
    """Waits for the end of the back-off, and lets what is launched then fail."""
    backoffs = talk.scheduler.context.state.backoffs.values()
    talk.wait(max((one.until for one in backoffs), default=talk.now) - talk.now + 1)
    (task,) = launched(talk.offers())
    fail(talk, task, message, **more)
    return task


def reset(talk: Conversation, pattern: str = "shop") -> Outcome:
    return outcome(talk.say(BackoffResetRequested(request_id=77, pattern=pattern)), 77)


def kinds(talk: Conversation) -> list[str]:
    return [one.kind for one in talk.heard if isinstance(one, PublishEvent)]


class TestWaits:
    def test_it_survives_the_leader_with_its_countdown(self) -> None:
        talk = Conversation()
        talk.up(group())
        fail(talk, talk.tasks[0])
        for _ in range(7):
            fail_next(talk)
        before = seen(talk).waiting
        assert before[0].backoff is not None and before[0].backoff.failures == 8
        again = Conversation(shelf=talk.shelf)
        again.now = talk.now
        again.subscribe()
        assert seen(again).waiting == before
        assert launched(again.offers()) == []
        again.wait(before[0].until - again.now + 0.1)
        assert len(launched(again.offers())) == 1

    def test_the_end_of_a_wait_that_was_stored_wakes_the_next_leader(self) -> None:
        talk = Conversation()
        talk.up(group(retry=Retry(delay_seconds=3)))
        fail(talk, talk.tasks[0])
        again = Conversation(shelf=talk.shelf)
        again.now = talk.now
        again.subscribe()
        again.offers()
        assert Revive() in again.wait(4), "nobody else said anything"

    def test_a_failure_within_a_wait_stores_no_other_wait(self) -> None:
        talk = Conversation()
        talk.up(group(instances=3))
        for task in talk.tasks:
            fail(talk, task)
        carriers = [task for task in talk.shelf.tasks.values() if task.backoff is not None]
        assert len(carriers) == 1 and carriers[0].failures == 1
        assert {task.failures for task in talk.shelf.tasks.values()} == {1}

    def test_the_task_that_carries_the_wait_is_kept_however_many_end_after_it(self) -> None:
        talk = Conversation()
        talk.up(group(instances=12, retry=Retry(delay_seconds=50)))
        first, *others = talk.tasks
        fail(talk, first)
        for task in others:
            talk.status(task, TaskState.KILLED)
        assert first.id in talk.shelf.tasks
        assert len(seen(talk).ended) == talk.scheduler.context.settings.history_per_group
        assert all(waiting.backoff is not None for waiting in seen(talk).waiting)

    def test_old_and_new_versions_wait_each_for_itself(self) -> None:
        talk = Conversation()
        talk.up(group(instances=2))
        fail(talk, talk.tasks[0])
        talk.submit(stack(group(instances=2, image="busybox:2")))
        talk.wait(0.1)
        (new,) = [task for task in launched(talk.offers()) if task.slot == 0]
        talk.run(new)
        assert all(one.backoff is None for one in seen(talk).waiting)
        fail(talk, new)
        assert len(talk.scheduler.context.state.backoffs) == 2
        (waiting,) = [one for one in seen(talk).waiting if one.slot == 0]
        assert waiting.backoff is not None and waiting.backoff.failures == 1

    def test_the_settings_replace_no_task(self) -> None:
        talk = Conversation()
        talk.up(group())
        assert isinstance(talk.submit(stack(group(retry=FEW))), Done)
        assert seen(talk).spec.retry == FEW and seen(talk).outdated == 0
        assert talk.tasks[0].state is TaskState.RUNNING

    def test_an_agent_that_fails_the_group_is_avoided(self) -> None:
        talk = Conversation()
        talk.up(group())
        agent = talk.tasks[0].agent_id
        fail(talk, talk.tasks[0])
        talk.wait(2)
        (task,) = launched(talk.offers())
        assert task.agent_id != agent
        penalties = talk.scheduler.view(talk.now).agents[agent].penalties
        assert list(penalties) == [task.group] and penalties[task.group] > 0


class TestAttempts:
    def given_up(self, **more: object) -> Conversation:
        talk = Conversation()
        talk.up(group(retry=FEW, **more))  # type: ignore[arg-type]
        fail(talk, talk.tasks[0])
        fail_next(talk)
        assert seen(talk).state is GroupState.WAITING
        fail_next(talk)
        return talk

    def test_a_slot_is_given_up_after_so_many(self) -> None:
        talk = self.given_up()
        view = seen(talk)
        assert (view.state, [one.is_final for one in view.waiting]) == (GroupState.FAILED, [True])
        assert view.waiting[0].cause == (
            "failed: 3 attempts, none of which ran for 60 s; the last: exit code 1; submit it mended, or"
            " `framework reset-backoff 'shop/web'`"
        )
        talk.wait(1_000)
        assert launched(talk.offers()) == []
        assert kinds(talk).count("SlotGivenUp") == 1

    def test_it_stays_so_under_the_next_leader(self) -> None:
        talk = self.given_up()
        again = Conversation(shelf=talk.shelf)
        again.now = talk.now + 1_000
        again.subscribe()
        assert launched(again.offers()) == []
        assert seen(again).waiting == seen(talk).waiting and seen(again).state is GroupState.FAILED

    def test_a_task_that_ran_for_a_window_begins_the_count_anew(self) -> None:
        talk = Conversation()
        talk.up(group(retry=FEW))
        for _ in range(6):
            talk.wait(61)
            fail(talk, talk.tasks[0])
            talk.wait(2)
            talk.run(*launched(talk.offers()))
        assert seen(talk).state is GroupState.RUNNING
        assert talk.tasks[0].failures == 1

    def test_others_go_on_and_count_for_themselves(self) -> None:
        talk = Conversation()
        talk.up(group(retry=FEW, instances=2))
        fail(talk, talk.tasks[0])
        fail_next(talk)
        fail_next(talk)
        assert (seen(talk).state, seen(talk).ready) == (GroupState.FAILED, 1)
        fail(talk, talk.tasks[0])
        talk.wait(30)
        (task,) = launched(talk.offers())
        assert (task.slot, task.failures) == (1, 1)

    @pytest.mark.parametrize("restart", [Restart.ALWAYS, Restart.ON_FAILURE])
    def test_a_new_version_a_restart_and_more_attempts_begin_anew(self, restart: Restart) -> None:
        for change in ({"image": "busybox:2"}, {"retry": Retry(attempts=9)}):
            talk = self.given_up(restart=restart)
            talk.submit(stack(group(**{"retry": FEW, "restart": restart, **change})))  # type: ignore[arg-type]
            talk.wait(400)
            assert len(launched(talk.offers())) == 1, change

    def test_global_groups_give_up_agent_by_agent(self) -> None:
        talk = Conversation()
        talk.up(group(mode=Mode.GLOBAL, retry=FEW))
        slot = talk.tasks[0].slot
        for _ in range(3):
            fail(talk, next(task for task in talk.tasks if task.slot == slot))
            talk.wait(10)
            talk.run(*launched(talk.offers()))
        assert (seen(talk).state, seen(talk).ready) == (GroupState.FAILED, 2)

    def test_an_end_that_is_no_fault_counts_nothing(self) -> None:
        talk = Conversation()
        talk.up(group(retry=FEW))
        for _ in range(5):
            talk.status(talk.tasks[0], TaskState.KILLED)
            talk.run(*launched(talk.offers()))
        assert seen(talk).state is GroupState.RUNNING


class TestPermanent:
    def given_up(self) -> Conversation:
        talk = Conversation()
        talk.up(group(instances=2))
        fail(talk, talk.tasks[0], "no such image", permanent=Permanent.IMAGE_NOT_FOUND)
        for _ in range(4):
            fail_next(talk, message="no such image", permanent=Permanent.IMAGE_NOT_FOUND)
        return talk

    def test_the_group_gives_up_and_says_so(self) -> None:
        talk = self.given_up()
        view = seen(talk)
        assert (view.state, view.ready) == (GroupState.FAILED, 1)
        assert view.waiting[0].cause.startswith("gave up after 5 attempts on 2 agents; it will not mend by itself: no")
        talk.wait(10_000)
        assert launched(talk.offers()) == []
        assert "GroupGaveUp" in kinds(talk)
        again = Conversation(shelf=talk.shelf)
        again.now = talk.now
        again.subscribe()
        assert launched(again.offers()) == [] and seen(again).state is GroupState.FAILED

    def test_what_only_some_agents_have_is_soon_where_it_can_run(self) -> None:
        """Even where that is not even: it cannot run on the others."""
        talk = Conversation()
        talk.up(group(instances=2))
        good = talk.tasks[1].agent_id
        fail(talk, talk.tasks[0], "wrong platform", permanent=Permanent.WRONG_PLATFORM)
        fail_next(talk, message="wrong platform", permanent=Permanent.WRONG_PLATFORM)
        talk.wait(40)
        assert [task.agent_id for task in launched(talk.offers())] == [good]

    def test_a_task_of_it_that_ran_and_fails_later_is_started_again(self) -> None:
        talk = self.given_up()
        talk.wait(1)
        fail(talk, talk.tasks[0])
        talk.wait(2)
        assert len(launched(talk.offers())) == 2

    def test_a_new_version_begins_anew(self) -> None:
        talk = self.given_up()
        talk.submit(stack(group(instances=2, image="busybox:2")))
        talk.wait(0.1)
        assert launched(talk.offers()) != []


class TestReset:
    def test_of_a_wait(self) -> None:
        talk = Conversation()
        talk.up(group(retry=Retry(delay_seconds=100)))
        fail(talk, talk.tasks[0])
        assert reset(talk, "shop/w*") == Done(changed=("shop/web",))
        assert not talk.scheduler.context.state.backoffs
        assert all(task.backoff is None and not task.failures for task in talk.shelf.tasks.values())
        talk.wait(0.1)
        assert len(launched(talk.offers())) == 1
        assert "BackoffReset" in kinds(talk)
        assert "BackoffReset" in [entry.kind for story in seen(talk).stories.values() for entry in story]

    def test_of_slots_that_were_given_up(self) -> None:
        talk = TestAttempts().given_up()
        reset(talk)
        talk.wait(0.1)
        (task,) = launched(talk.offers())
        assert task.failures == 0
        fail(talk, task)
        fail_next(talk)
        assert seen(talk).state is GroupState.WAITING

    def test_of_a_group_that_gave_up(self) -> None:
        talk = TestPermanent().given_up()
        reset(talk)
        talk.wait(0.1)
        assert len(launched(talk.offers())) == 1

    def test_it_holds_under_the_next_leader(self) -> None:
        talk = TestPermanent().given_up()
        reset(talk)
        again = Conversation(shelf=talk.shelf)
        again.now = talk.now
        again.subscribe()
        assert len(launched(again.offers())) == 1

    def test_tasks_that_live_forget_what_failed_before_them(self) -> None:
        talk = Conversation()
        talk.up(group(retry=FEW))
        fail(talk, talk.tasks[0])
        talk.wait(2)
        talk.run(*launched(talk.offers()))
        assert talk.tasks[0].failures == 1
        reset(talk)
        assert talk.tasks[0].failures == 0

    def test_where_there_is_nothing_to_forget(self) -> None:
        talk = Conversation()
        talk.up(group())
        assert reset(talk) == Done(message="unchanged")
        assert "BackoffReset" not in kinds(talk)

    def test_of_groups_that_are_not_there(self) -> None:
        talk = Conversation()
        talk.up(group())
        answer = reset(talk, "shop/nope")
        assert isinstance(answer, Refused) and answer.kind == "not_found"

    def test_the_answer_waits_for_the_store(self) -> None:
        talk = Conversation()
        talk.up(group())
        fail(talk, talk.tasks[0])
        talk.holds_saves = True
        assert not [
            one for one in talk.say(BackoffResetRequested(request_id=7, pattern="shop")) if hasattr(one, "outcome")
        ]
        assert outcome(talk.release(), 7) == Done(changed=("shop/web",))


def test_the_wait_is_known_from_the_newest_task_that_carries_one() -> None:
    talk = Conversation()
    talk.up(group())
    fail(talk, talk.tasks[0])
    task = fail_next(talk)
    state = talk.scheduler.context.state
    (backoff,) = state.backoffs.values()
    assert state.tasks[task.id].backoff == backoff and backoff.failures == 2
    state.drop_task(task.id)
    assert [one.failures for one in state.backoffs.values()] == [1], "that of the one before"
    state.put_task(replace(state.tasks[next(iter(state.tasks))], backoff=None))
    assert not state.backoffs


def test_ends_back_off_and_well_run_resets() -> None:
    talk = Conversation()
    talk.up(group())
    delays = []
    for _ in range(4):
        talk.status(talk.tasks[0], TaskState.FAILED, message="exit code 1")
        (waiting,) = only_view(talk).waiting
        delays.append(round(waiting.until - talk.now, 3))
        talk.wait(waiting.until - talk.now + 2)
        talk.run(*launched(talk.offers()))
    assert delays == [1.0, 1.15, 1.323, 1.521]
    talk.wait(301)
    talk.status(talk.tasks[0], TaskState.FINISHED)
    assert only_view(talk).waiting[0].until - talk.now == 1.0


def test_within_a_back_off_nothing_is_launched_and_the_cause_is_told() -> None:
    talk = Conversation()
    talk.up(group())
    talk.status(talk.tasks[0], TaskState.FAILED, message="exit code 3")
    assert launched(talk.offers()) == []
    assert only_view(talk).waiting[0].cause == "waits 1 s after: exit code 3"


def test_many_instances_that_fail_together_have_failed_once() -> None:
    talk = Conversation()
    talk.up(group(instances=6))
    for task in talk.tasks:
        talk.status(task, TaskState.FAILED)
    (backoff,) = talk.scheduler.context.state.backoffs.values()
    assert (backoff.delay_seconds, backoff.failures) == (1.0, 1)


def test_a_new_version_does_not_wait_for_the_back_off_of_the_old() -> None:
    talk = Conversation()
    talk.up(group())
    talk.status(talk.tasks[0], TaskState.FAILED)
    talk.submit(stack(group(image="busybox:2")))
    talk.wait(0.1)
    assert len(launched(talk.offers())) == 1
