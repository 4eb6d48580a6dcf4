"""The progress of a rollout as readers see it: how far it is, and the reason it waits."""

from __future__ import annotations

from dataclasses import replace

from framework.core.events import RolloutAction
from framework.core.groups.pace import WHAT_MOVES_IT
from framework.core.model import RolloutState
from framework.core.read.plan import stack_of
from framework.core.views import GroupProgress, GroupState, GroupView, StackView
from specs.model.update import OnFailure, Share, Update
from specs.states import Goal
from tests.kit.conversation import stack
from tests.kit.rollouts import PROMPT, STEPS, STOP_FIRST, Play, ask, change, is_new, playing, web


def seen(play: Play) -> StackView:
    return play.talk.scheduler.view(play.talk.now).stacks["shop"]


def of(play: Play) -> tuple[GroupView, GroupProgress]:
    (group,) = seen(play).groups
    assert group.progress is not None
    return group, group.progress


def test_a_stack_at_rest_has_none() -> None:
    (group,) = seen(playing()).groups
    assert (group.state, group.progress, group.stall) == (GroupState.RUNNING, None, "")


def test_a_task_that_starts_is_named_and_the_one_that_it_replaces() -> None:
    play = playing()
    play.fault = lambda task: "hangs" if is_new(task) else ""
    group, progress = of(change(play, 10))
    assert (group.state, progress.state, progress.changed, progress.total) == (
        GroupState.CHANGING,
        RolloutState.RUNNING,
        0,
        3,
    )
    (coming,) = [task for task in group.tasks if task.beside]
    assert coming.id in progress.cause and "is not ready" in progress.cause
    assert coming.beside == next(task.id for task in group.tasks if task.slot == coming.slot and not task.beside)
    assert progress.deadline_at > play.talk.now


def test_steps_and_their_pauses_have_a_number_a_sentence_and_an_end() -> None:
    play = change(playing(update=STEPS), 5, update=STEPS)
    _, progress = of(play)
    assert (progress.step, progress.steps[1], progress.changed) == (2, "pause 30s", 1)
    assert "holds for 30 s" in progress.cause
    assert 0 < progress.until - play.talk.now <= 30
    assert progress.deadline_at == 0.0, "a pause is not a lack of progress"
    play.on(60)
    _, progress = of(play)
    assert (progress.step, progress.changed, progress.until) == (4, 2, 0.0)
    assert "waits for `framework rollout promote`" in progress.cause
    ask(play, RolloutAction.PROMOTE)
    play.on(10)
    (group,) = seen(play).groups
    assert (group.state, group.progress) == (GroupState.RUNNING, None)


def test_a_wait_for_new_tasks_to_prove_themselves_has_its_end() -> None:
    play = change(playing(update=replace(PROMPT, wait_seconds=20.0)), 5, update=replace(PROMPT, wait_seconds=20.0))
    _, progress = of(play)
    assert "watched" in progress.cause
    assert 0 < progress.until - play.talk.now <= 20


def test_old_tasks_that_end_are_named_and_nothing_else_is_said_to_be_stopped() -> None:
    play = playing(update=STOP_FIRST)
    play.stubborn = True
    _, progress = of(change(play, 0, update=STOP_FIRST))
    said = f"1 of 3 are being changed, as many as may be at a time; {play.talk.tasks[0].id} is being stopped"
    assert progress.cause == said
    play = change(playing(), 0)
    _, progress = of(play)
    assert [task.goal for task in play.talk.tasks] == [Goal.RUN] * 3
    assert "being stopped" not in progress.cause, progress.cause


def test_who_paused_it_why_it_failed_and_who_aborted_it_are_said() -> None:
    play = playing(update=STOP_FIRST)
    play.fault = lambda task: "no such image" if is_new(task) else ""
    _, progress = of(change(play, 20, update=STOP_FIRST))
    assert (progress.state, progress.failures, progress.on_failure) == (RolloutState.FAILED, 1, OnFailure.PAUSE)
    assert "no such image" in progress.problem and progress.problem in progress.cause
    ask(play, RolloutAction.ABORT)
    _, progress = of(play)
    assert (progress.state, progress.cause) == (RolloutState.ABORTED, "the rollout is aborted: aborted by ann")
    play = change(playing(update=STEPS), 5, update=STEPS)
    ask(play, RolloutAction.PAUSE)
    _, progress = of(play)
    assert (progress.state, progress.cause) == (RolloutState.PAUSED, "paused by ann")


def test_the_stall_says_which_number_keeps_it() -> None:
    play = playing(update=Update(min_healthy=Share(percent=100), max_surge=Share(), order=STOP_FIRST.order))
    group, progress = of(change(play, 5, update=seen(play).groups[0].spec.update))
    assert group.stall == f"3 of 3 are ready, and 3 must stay so: {WHAT_MOVES_IT}"
    assert progress.cause == group.stall
    assert all(task.goal is Goal.RUN for task in group.tasks)


def test_the_same_file_again_shows_no_difference_of_pace() -> None:
    play = playing(update=STEPS)
    assert stack_of(seen(play)) == stack(web(3, update=STEPS))
