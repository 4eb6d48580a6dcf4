"""Rollouts: their pace, their guard, how they fail, and how they end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from framework.core.commands import Done
from framework.core.events import KillRequested, RolloutAction, ScaleRequested
from framework.core.model import RolloutKind, RolloutState
from specs.model.stack import Retry
from specs.model.update import OnFailure, Order, Share, Step
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, launched
from tests.kit.rollouts import ALL, ONE, PROMPT, STOP_FIRST, Play, ask, change, is_new, playing, waiting


class TestFailure:
    def test_a_version_that_crashes_harms_nobody_and_stands_still(self) -> None:
        play = playing()
        play.fault = lambda task: "exit code 1" if is_new(task) else ""
        change(play)
        assert play.images() == ["busybox:1"] * 3 and play.least == 3
        assert play.rollout is not None and play.rollout.state is RolloutState.FAILED
        assert "exit code 1" in play.rollout.groups[0].problem
        assert len(play.launched) == 1, "it is not tried again and again"

    def test_so_many_failures_as_are_allowed(self) -> None:
        update = replace(PROMPT, max_failures=Share(count=2))
        play = playing(update=update)
        play.fault = lambda task: "exit code 1" if is_new(task) and len(play.launched) < 3 else ""
        change(play, update=update)
        assert play.images() == ["busybox:2"] * 3 and play.past == [RolloutState.DONE]

    def test_going_back_keeps_what_is_left_of_the_old(self) -> None:
        update = replace(PROMPT, on_failure=OnFailure.ROLLBACK)
        play = playing(update=update)
        play.fault = lambda task: "exit code 1" if len(play.launched) == 2 and is_new(task) else ""
        before = [task.id for task in play.talk.tasks]
        change(play, update=update)
        assert play.images() == ["busybox:1"] * 3, play.facts()
        assert [task.id for task in play.talk.tasks][1:] == before[1:], "the old ones that ran still run"
        assert play.past == [RolloutState.DONE, RolloutState.ROLLED_BACK]
        assert play.least == 3
        spec = play.talk.scheduler.context.state.stacks["shop"]
        assert spec.message.startswith("rollback of 2: shop/web: a new task failed")

    def test_going_back_that_fails_stands_still(self) -> None:
        update = replace(STOP_FIRST, on_failure=OnFailure.ROLLBACK)
        play = playing(update=update)
        play.fault = lambda task: "no disk" if is_new(task) else ""
        change(play, update=update)
        assert play.rollout is not None and play.rollout.kind is RolloutKind.ROLLBACK
        assert play.rollout.state is RolloutState.FAILED
        assert play.images() == ["busybox:1"] * 2, "the third waits"

    def test_continue_goes_on(self) -> None:
        update = replace(PROMPT, on_failure=OnFailure.CONTINUE)
        play = playing(update=update)
        play.fault = lambda task: "exit code 1" if is_new(task) and len(play.launched) < 4 else ""
        change(play, seconds=200, update=update)
        assert play.images() == ["busybox:2"] * 3 and play.past == [RolloutState.DONE]

    def test_continue_outlasts_its_deadline(self) -> None:
        update = replace(PROMPT, deadline_seconds=20, on_failure=OnFailure.CONTINUE)
        play = playing(update=update)
        play.fault = lambda task: "hangs" if is_new(task) else ""
        change(play, seconds=100, update=update)
        assert play.rollout is not None and "no progress" in play.rollout.groups[0].problem
        play.fault = lambda _task: ""
        play.on(100, *play.talk.run(*(task for task in play.talk.tasks if not task.is_ready)))
        assert play.images() == ["busybox:2"] * 3 and play.past == [RolloutState.DONE]

    def test_no_deadline_at_all(self) -> None:
        update = replace(PROMPT, deadline_seconds=0)
        play = playing(update=update)
        play.fault = lambda task: "hangs" if is_new(task) else ""
        change(play, seconds=2000, update=update)
        assert play.rollout is not None and play.rollout.state is RolloutState.RUNNING

    def test_one_that_fails_within_the_time_it_is_watched(self) -> None:
        update = replace(PROMPT, monitor_seconds=30.0, on_failure=OnFailure.ROLLBACK)
        play = playing(update=update)
        change(play, seconds=15, update=update)
        assert play.images() == ["busybox:2"] * 3 and play.rollout is not None, "watched still"
        play.on(60, *play.talk.status(play.talk.tasks[0], TaskState.FAILED, message="crashed after 20 s"))
        assert play.images() == ["busybox:1"] * 3
        assert play.past == [RolloutState.DONE, RolloutState.ROLLED_BACK]

    def test_one_that_hangs_ends_at_the_deadline(self) -> None:
        update = replace(PROMPT, deadline_seconds=60, on_failure=OnFailure.ROLLBACK)
        play = playing(update=update)
        play.fault = lambda task: "hangs" if is_new(task) else ""
        change(play, seconds=50, update=update)
        assert play.rollout is not None and play.rollout.state is RolloutState.RUNNING
        play.on(30)
        assert play.images() == ["busybox:1"] * 3 and play.least == 3
        assert play.past == [RolloutState.DONE, RolloutState.ROLLED_BACK]

    def test_a_crash_of_the_old_is_no_failure_of_the_new(self) -> None:
        update = replace(PROMPT, steps=(Step(until=ONE), Step()))
        play = playing(update=update)
        change(play, update=update)
        old = play.talk.tasks[2]
        play.on(30, *play.talk.status(old, TaskState.FAILED, message="old and weary"))
        assert play.rollout is not None and play.rollout.state is RolloutState.RUNNING


class TestSteps:
    STEPS = (Step(until=ONE), Step(hold_seconds=60.0), Step(until=Share(percent=50)), Step(), Step(until=ALL))

    def test_one_then_a_pause_then_half_then_somebody_says_so(self) -> None:
        update = replace(PROMPT, parallelism=ALL, max_surge=ALL, steps=self.STEPS)
        play = playing(4, update)
        change(play, seconds=30, instances=4, update=update)
        assert play.images().count("busybox:2") == 1
        play.on(60)
        assert play.images().count("busybox:2") == 2
        play.on(700)
        assert play.images().count("busybox:2") == 2, "it waits for somebody, without a deadline"
        assert ask(play, RolloutAction.PROMOTE) == Done(changed=("shop/web",), index=2, message="promoted")
        play.on(10)
        assert play.images() == ["busybox:2"] * 4 and play.past == [RolloutState.DONE]

    def test_what_is_not_changed_yet_stays_what_it_was_when_it_crashes(self) -> None:
        update = replace(PROMPT, steps=(Step(until=ONE), Step()))
        play = playing(update=update)
        change(play, update=update)
        assert play.images() == ["busybox:2", "busybox:1", "busybox:1"]
        play.on(30, *play.talk.status(play.talk.tasks[1], TaskState.FAILED))
        assert play.images() == ["busybox:2", "busybox:1", "busybox:1"], "the old one follows an old one"
        play.on(30, *play.talk.status(play.talk.tasks[0], TaskState.FAILED))
        assert play.images() == ["busybox:2", "busybox:1", "busybox:1"], "and a new one a new one"

    @pytest.mark.parametrize(("first", "then"), [("busybox:1", "busybox:2"), ("busybox:2", "busybox:1")])
    def test_old_and_new_wait_each_after_its_own_failures(self, first: str, then: str) -> None:
        update = replace(PROMPT, steps=(Step(until=ONE), Step()), on_failure=OnFailure.CONTINUE)
        slow = Retry(delay_seconds=100.0)
        play = playing(update=update, retry=slow)
        change(play, update=update, retry=slow)
        failing = {"busybox:2": play.talk.tasks[0], "busybox:1": play.talk.tasks[1]}
        play.on(60, *play.talk.status(failing[first], TaskState.FAILED))
        assert len(play.images()) == 2
        play.on(50, *play.talk.status(failing[then], TaskState.FAILED))
        images = play.images()
        assert len(images) == 2 and images.count("busybox:1") == (2 if first == "busybox:1" else 1), images
        assert [one.backoff.delay_seconds for one in waiting(play) if one.backoff] == [100.0]
        play.on(60)
        assert sorted(play.images()) == ["busybox:1", "busybox:1", "busybox:2"]

    @pytest.mark.parametrize("order", [Order.START_FIRST, Order.STOP_FIRST])
    def test_what_is_not_changed_yet_stays_what_it_was_when_it_is_killed(self, order: Order) -> None:
        update = replace(PROMPT, order=order, steps=(Step(until=ONE), Step()))
        play = playing(update=update)
        change(play, update=update)
        assert play.images() == ["busybox:2", "busybox:1", "busybox:1"]
        play.on(30, *play.talk.say(KillRequested(request_id=7, tasks=tuple(task.id for task in play.talk.tasks))))
        assert play.images() == ["busybox:2", "busybox:1", "busybox:1"]
        ask(play, RolloutAction.PROMOTE)
        play.on(60)
        assert play.images() == ["busybox:2"] * 3

    def test_what_leaves_an_agent_by_stopping_first_stays_what_it_was_too(self) -> None:
        update = replace(STOP_FIRST, steps=(Step(until=ONE), Step()))
        play = playing(update=update)
        change(play, update=update)
        old = next(task for task in play.talk.tasks if task.slot == 2)
        number = int(old.agent_id.rpartition("-")[2])
        others = [play.talk.agent(n) for n in (1, 2, 3) if n != number]
        heard = play.talk.report(*others, play.talk.agent(number, window=(play.talk.now + 300, play.talk.now + 4000)))
        play.on(60, *heard)
        assert play.images() == ["busybox:2", "busybox:1", "busybox:1"] and old.id not in {
            task.id for task in play.talk.tasks
        }

    def test_old_and_new_find_their_places_in_one_look(self) -> None:
        update = replace(PROMPT, steps=(Step(until=ONE), Step()))
        play = playing(update=update)
        change(play, update=update)
        for task in play.talk.tasks[:2]:
            play.talk.status(task, TaskState.FAILED)
        play.talk.wait(5)
        heard = play.talk.offers(play.talk.offer(1, cpus=4.0), play.talk.offer(2, cpus=4.0))
        assert sorted(task.slot for task in launched(heard)) == [0, 1]

    def test_scaling_up_meanwhile_adds_what_it_was(self) -> None:
        update = replace(PROMPT, steps=(Step(until=ONE), Step()))
        play = playing(update=update)
        change(play, update=update)
        play.on(30, *play.talk.say(ScaleRequested(request_id=5, pattern="shop/web", instances=5)))
        assert sorted(play.images()) == ["busybox:1"] * 4 + ["busybox:2"]
        ask(play, RolloutAction.PROMOTE)
        play.on(60)
        assert play.images() == ["busybox:2"] * 5


class TestFailover:
    @pytest.mark.parametrize("after", [0.6, 1.2, 2.4, 3.6, 5.0])
    def test_another_leader_goes_on_in_the_middle(self, after: float) -> None:
        play = playing()
        change(play, seconds=after)
        talk = Conversation(stored=play.talk.shelf.stored)
        talk.shelf = play.talk.shelf
        talk.now = play.talk.now + 10
        other = Play(talk)
        talk.subscribe()
        for task in talk.tasks:
            if task.goal is Goal.RUN:
                talk.run(task)
        other.on(120, *talk.heard)
        assert other.images() == ["busybox:2"] * 3, other.facts()
        assert other.rollout is None

    def test_a_failure_that_was_stored_is_gone_back_from_by_the_next_leader(self) -> None:
        update = replace(PROMPT, on_failure=OnFailure.ROLLBACK)
        play = playing(update=update)
        play.fault = lambda task: "hangs" if is_new(task) else ""
        change(play, seconds=3, update=update)
        talk = play.talk
        talk.holds_saves = True
        talk.status(play.launched[-1], TaskState.FAILED, message="exit code 1")
        failed = talk.held[0]
        talk.shelf.write(failed)  # and the leader dies before it can ask to go back
        rollouts = talk.shelf.rollouts["shop"]
        assert rollouts.current is not None and rollouts.current.groups[0].problem
        after = Conversation(stored=talk.shelf.stored)
        after.shelf, after.now = talk.shelf, talk.now + 10
        other = Play(after)
        after.subscribe()
        other.on(60, *after.heard)
        assert other.images() == ["busybox:1"] * 3, other.facts()
        assert other.past == [RolloutState.DONE, RolloutState.ROLLED_BACK]
