"""Requests about a rollout: pause, resume, abort, roll back, and what is refused."""

from __future__ import annotations

from dataclasses import replace

from framework.core.commands import Done, Refused
from framework.core.events import RolloutAction
from framework.core.model import RolloutState
from tests.kit.conversation import stack
from tests.kit.rollouts import PROMPT, ask, change, playing, web


class TestAsked:
    def test_a_pause_is_told_also_while_a_task_is_being_changed(self) -> None:
        update = replace(PROMPT, wait_seconds=10)
        play = playing(update=update)
        change(play, seconds=5, update=update)
        group_index = play.talk.scheduler.context.state.groups[play.talk.tasks[0].group]
        assert group_index.surge and "are being changed" in group_index.stall
        assert isinstance(ask(play, RolloutAction.PAUSE), Done)
        assert group_index.surge and group_index.stall == "paused by ann"

    def test_pause_and_resume(self) -> None:
        update = replace(PROMPT, wait_seconds=10)
        play = playing(update=update)
        change(play, seconds=12, update=update)
        assert isinstance(ask(play, RolloutAction.PAUSE), Done)
        assert play.rollout is not None and play.rollout.state is RolloutState.PAUSED
        play.on(2000)
        paused = play.images()
        assert paused.count("busybox:2") < 3 and play.rollout is not None, "a pause has no deadline"
        assert play.talk.scheduler.context.state.groups[play.talk.tasks[0].group].stall == "paused by ann"
        assert isinstance(ask(play, RolloutAction.RESUME), Done)
        play.on(60)
        assert play.images() == ["busybox:2"] * 3 and play.past == [RolloutState.DONE]

    def test_abort_leaves_it_as_it_is(self) -> None:
        update = replace(PROMPT, wait_seconds=10)
        play = playing(update=update)
        change(play, seconds=12, update=update)
        assert isinstance(ask(play, RolloutAction.ABORT), Done)
        play.on(100)
        assert play.rollout is not None and play.rollout.state is RolloutState.ABORTED
        assert play.order == ["+0", "-0", "+1", "-1"], "what was being changed is; and no more"
        assert isinstance(ask(play, RolloutAction.RESUME), Done)
        play.on(60)
        assert play.images() == ["busybox:2"] * 3

    def test_rollback_by_hand_and_again_forward(self) -> None:
        update = replace(PROMPT, wait_seconds=10)
        play = playing(update=update)
        change(play, seconds=12, update=update)
        assert isinstance(ask(play, RolloutAction.ROLLBACK), Done)
        play.on(60)
        assert play.images() == ["busybox:1"] * 3
        assert play.past == [RolloutState.DONE, RolloutState.ROLLED_BACK]
        change(play, seconds=100, update=update)
        assert play.images() == ["busybox:2"] * 3

    def test_what_is_so_already_changes_nothing_and_is_said(self) -> None:
        play = playing(update=replace(PROMPT, wait_seconds=100))
        change(play, seconds=2, update=replace(PROMPT, wait_seconds=100))
        nothing = "; nothing changes"
        assert ask(play, RolloutAction.RESUME) == Done(index=2, message=f"neither paused nor failed{nothing}")
        assert ask(play, RolloutAction.PROMOTE) == Done(
            index=2, message=f"it is in no step that could be ended{nothing}"
        )
        ask(play, RolloutAction.PAUSE)
        assert ask(play, RolloutAction.PAUSE) == Done(index=2, message=f"paused by ann already{nothing}")
        ask(play, RolloutAction.RESUME)
        ask(play, RolloutAction.ABORT)
        assert ask(play, RolloutAction.ABORT) == Done(index=2, message=f"rollout 2 is aborted already{nothing}")

    def test_what_is_refused(self) -> None:
        play = playing()
        for action in RolloutAction:
            answer = ask(play, action)
            assert isinstance(answer, Refused) and answer.kind == "not_found", action
        update = replace(PROMPT, wait_seconds=100)
        change(play, seconds=2, update=update)
        assert isinstance(ask(play, RolloutAction.PAUSE, service="nobody"), Refused)
        assert isinstance(ask(play, RolloutAction.PAUSE, number=1), Refused)
        assert isinstance(ask(play, RolloutAction.ABORT, service="web"), Refused)

    def test_a_newer_submit_supersedes_and_may_go_back_to_the_last_that_was_whole(self) -> None:
        update = replace(PROMPT, wait_seconds=10)
        play = playing(update=update)
        change(play, seconds=12, update=update)
        change(play, seconds=12, update=update, image="busybox:3")
        assert play.past == [RolloutState.SUPERSEDED]
        assert play.rollout is not None and play.rollout.number == 3
        ask(play, RolloutAction.ROLLBACK)
        play.on(100)
        assert play.images() == ["busybox:1"] * 3
        assert play.least >= 3

    def test_the_same_file_again_changes_nothing(self) -> None:
        play = playing()
        change(play)
        assert play.talk.submit(stack(web(image="busybox:2"))).message == "unchanged"
        assert play.rollout is None
