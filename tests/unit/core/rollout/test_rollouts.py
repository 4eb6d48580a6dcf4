"""Rollouts: their pace, their guard, how they fail, and how they end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from framework.core.commands import AnswerInverse, Done, Refused, Retire
from framework.core.events import (
    InverseOffersReceived,
    KillRequested,
    RestartRequested,
    RolloutAction,
    ScaleRequested,
)
from framework.core.groups.pace import WHAT_MOVES_IT
from framework.core.model import RolloutKind, RolloutState
from placement.agent import AgentState
from specs.ids import AgentId, OfferId
from specs.model.constraints import Constraint, Operator, Rules, Spread
from specs.model.stack import Dependency, Port, Restart, Retry, Stack
from specs.model.update import OnFailure, Order, Share, Step, Update
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, killed, launched, stack
from tests.kit.rollouts import ALL, ONE, PROMPT, STOP_FIRST, TWO, Play, ask, change, is_new, playing, waiting, web

BY_RACK = Rules(constraints=(Constraint(operator=Operator.GROUP_BY, field="rack"),))
SPREAD_RACK = Rules(spread=(Spread(over="rack"),))


class TestPace:
    def test_start_first_one_at_a_time(self) -> None:
        play = change(playing())
        assert play.images() == ["busybox:2"] * 3, play.facts()
        assert play.order == ["+0", "-0", "+1", "-1", "+2", "-2"]
        assert (play.most, play.least) == (4, 3)
        assert play.past == [RolloutState.DONE] and play.rollout is None

    def test_stop_first_one_at_a_time(self) -> None:
        play = change(playing(update=STOP_FIRST), update=STOP_FIRST)
        assert play.order == ["-0", "+0", "-1", "+1", "-2", "+2"], play.facts()
        assert (play.most, play.least) == (3, 2)

    @pytest.mark.parametrize(
        ("parallelism", "surge", "most"),
        [
            (Share(count=2), Share(count=4), 10),
            (Share(count=4), Share(count=2), 10),
            (Share(percent=50), ALL, 12),
            (Share(), ALL, 16),
            (Share(percent=30), ALL, 11),
            (ALL, Share(percent=30), 10),
        ],
    )
    def test_as_many_at_a_time_as_parallelism_and_surge_allow(
        self, parallelism: Share, surge: Share, most: int
    ) -> None:
        """8 instances: 30 % are 2.4, of parallelism 3, of surge 2."""
        update = replace(PROMPT, parallelism=parallelism, max_surge=surge, order=Order.START_FIRST)
        play = change(playing(8, update), instances=8, update=update)
        assert play.images() == ["busybox:2"] * 8
        assert (play.most, play.least) == (most, 8), play.facts()

    @pytest.mark.parametrize(("least", "ready"), [(Share(count=5), 5), (Share(percent=60), 5), (Share(percent=50), 4)])
    def test_never_fewer_ready_than_min_healthy(self, least: Share, ready: int) -> None:
        update = replace(STOP_FIRST, parallelism=ALL, min_healthy=least)
        play = change(playing(8, update), instances=8, update=update)
        assert play.images() == ["busybox:2"] * 8
        assert play.least == ready

    @pytest.mark.parametrize("order", Order)
    def test_what_has_finished_need_not_be_ready(self, order: Order) -> None:
        update = replace(PROMPT, min_healthy=ALL if order is Order.START_FIRST else None, order=order)
        play = playing(3, update, restart=Restart.ON_FAILURE)
        left, *others = play.talk.tasks
        for task in others:
            play.talk.status(task, TaskState.FINISHED)
        there = Constraint(operator=Operator.NOT_EQUAL, field="hostname", values=(left.hostname,))
        elsewhere = Rules(constraints=(there,))
        change(play, image="busybox:1", update=update, restart=Restart.ON_FAILURE, rules=elsewhere)
        (moved,) = play.talk.tasks
        assert moved.hostname != left.hostname and play.past == [RolloutState.DONE], play.facts()

    def test_all_of_one_instance_is_started_first(self) -> None:
        update = Update(min_healthy=ALL, monitor_seconds=0.0)
        play = change(playing(1, update), instances=1, update=update)
        assert play.order == ["+0", "-0"]

    def test_a_new_task_counts_after_it_was_ready_for_a_while(self) -> None:
        update = replace(PROMPT, wait_seconds=10.0)
        play = change(playing(update=update), seconds=5, update=update)
        assert play.order == ["+0"], "it has not taken the place yet"
        play.on(60)
        assert play.order == ["+0", "-0", "+1", "-1", "+2", "-2"]

    def test_a_long_wait_is_no_lack_of_progress(self) -> None:
        update = replace(PROMPT, wait_seconds=40.0, deadline_seconds=60.0)
        play = change(playing(update=update), seconds=200, update=update)
        assert play.images() == ["busybox:2"] * 3 and play.past == [RolloutState.DONE], play.facts()

    def test_one_that_nobody_checks_has_to_live_for_a_second_first(self) -> None:
        update = replace(PROMPT, monitor_seconds=5.0, on_failure=OnFailure.ROLLBACK)
        play = playing(update=update)
        talk = play.talk
        talk.heard.clear()
        talk.submit(stack(web(image="busybox:2", update=update)))
        talk.wait(1)  # agents 2 and 3 might make an offer too, and are waited for
        (new,) = launched(talk.offers(talk.offer(1)))
        talk.run(new)
        assert killed(talk.wait(0.5)) == [], "it may be one that ends at once"
        play.on(30, *talk.status(new, TaskState.FAILED, message="exit code 1"))
        assert play.images() == ["busybox:1"] * 3 and play.least == 3

    def test_one_that_would_want_the_same_port_waits_until_the_old_one_has_gone(self) -> None:
        ports = (Port(name="http", container_port=80, host_port=31005),)
        play = change(playing(2, ports=ports), instances=2, ports=ports)
        assert play.order == ["-0", "+0", "-1", "+1"]

    def test_where_a_successor_finds_no_place_the_old_one_makes_room(self) -> None:
        unique = Rules(constraints=(Constraint(field="hostname", operator=Operator.UNIQUE),))
        play = change(playing(3, rules=unique), rules=unique)
        assert play.images() == ["busybox:2"] * 3, play.facts()
        assert play.order == ["-0", "+0", "-1", "+1", "-2", "+2"]

    def test_but_not_where_the_order_was_asked_for(self) -> None:
        unique = Rules(constraints=(Constraint(field="hostname", operator=Operator.UNIQUE),))
        update = replace(PROMPT, order=Order.START_FIRST, deadline_seconds=30)
        play = change(playing(3, update, rules=unique), update=update, rules=unique)
        assert play.images() == ["busybox:1"] * 3
        assert play.rollout is not None and play.rollout.state is RolloutState.FAILED
        assert "no progress for 30 s" in play.rollout.groups[0].problem
        assert "hostname (wanted UNIQUE)" in play.rollout.groups[0].problem

    @pytest.mark.parametrize(
        ("update", "cause"),
        [
            (Update(min_healthy=ALL, deadline_seconds=20), "min_healthy is 100%"),
            (replace(PROMPT, order=Order.START_FIRST, deadline_seconds=20), "order is start-first"),
        ],
    )
    def test_what_keeps_old_tasks_from_making_room_is_said_too(self, update: Update, cause: str) -> None:
        rules = Rules(constraints=(Constraint(operator=Operator.UNIQUE, field="hostname"),))
        play = change(playing(update=update, rules=rules), update=update, rules=rules)
        assert play.images() == ["busybox:1"] * 3 and play.rollout is not None
        said = f"0/3 agents fit: 3 hostname (wanted UNIQUE); no old task may make room, as {cause}"
        assert play.rollout.groups[0].problem.endswith(said)

    def test_min_healthy_that_can_never_move_fails_with_its_sentence(self) -> None:
        update = replace(STOP_FIRST, min_healthy=ALL, deadline_seconds=20)
        play = change(playing(update=update), update=update)
        assert play.images() == ["busybox:1"] * 3 and play.order == []
        assert play.rollout is not None
        assert play.rollout.groups[0].problem.endswith(f"3 of 3 are ready, and 3 must stay so: {WHAT_MOVES_IT}")

    def test_restart_with_a_wait_between_tasks(self) -> None:
        play = playing()
        play.on(20, *play.talk.say(RestartRequested(request_id=9, pattern="shop", wait_seconds=30.0)))
        assert play.rollout is not None and play.rollout.kind is RolloutKind.RESTART
        assert play.order == ["+0"]
        play.on(100)
        assert play.order == ["+0", "-0", "+1", "-1", "+2", "-2"] and play.past == [RolloutState.DONE]

    def test_restart_all_at_once(self) -> None:
        play = playing()
        play.on(5, *play.talk.say(RestartRequested(request_id=9, pattern="shop", is_all_at_once=True)))
        assert play.order == ["-0", "-1", "-2", "+0", "+1", "+2"]

    @pytest.mark.parametrize("rules", [BY_RACK, SPREAD_RACK], ids=["group by", "spread"])
    @pytest.mark.parametrize("order", [Order.START_FIRST, Order.STOP_FIRST])
    def test_an_even_group_is_even_when_it_is_changed(self, order: Order, rules: Rules) -> None:
        update = Update(parallelism=TWO, max_surge=TWO, monitor_seconds=0.0, order=order)
        play = Play(Conversation(), offered=6)
        play.talk.attributes = {number: {"rack": f"r{(number + 1) // 2}"} for number in range(1, 7)}
        play.talk.subscribe(*(play.talk.agent(number) for number in play.talk.attributes))
        play.talk.submit(stack(web(6, update=update, rules=rules)))
        play.on(2)
        for image in ("busybox:2", "busybox:3", "busybox:4"):
            change(play, image=image, instances=6, update=update, rules=rules)
            assert play.images() == [image] * 6
            hosts = [int(task.hostname.removeprefix("agent")) for task in play.talk.tasks]
            assert sorted((number + 1) // 2 for number in hosts) == [1, 1, 2, 2, 3, 3]


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


class TestMoving:
    def test_a_rule_that_changed_moves_what_breaks_it_and_nothing_else(self) -> None:
        talk = Conversation()
        talk.attributes = {1: {"rack": "a"}, 2: {"rack": "b"}, 3: {"rack": "c"}}
        play = Play(talk)
        talk.subscribe(*(talk.agent(n, attributes=(("rack", "abc"[n - 1]),)) for n in (1, 2, 3)))
        talk.submit(stack(web(3)))
        play.on(2)
        before = {str(task.agent_id): task.id for task in talk.tasks}
        play.least = 3
        rule = Rules(constraints=(Constraint(field="rack", operator=Operator.UNLIKE, values=("a",)),))
        talk.submit(stack(web(3, rules=rule)))
        play.on(30)
        after = {task.id for task in talk.tasks}
        assert {task.agent_id for task in talk.tasks} == {"agent-2", "agent-3"}
        assert len(talk.tasks) == 3 and before["agent-2"] in after and before["agent-3"] in after
        assert play.least == 3 and play.past == [RolloutState.DONE]

    def test_agents_whose_maintenance_begins_soon_are_left_with_the_replacement_first(self) -> None:
        play = playing(3, replace(PROMPT, parallelism=ALL))
        talk = play.talk
        kept = [task.id for task in talk.tasks if task.agent_id != "agent-2"]
        window = (talk.now + 300, talk.now + 4000)
        talk.report(talk.agent(1), talk.agent(2, window=window), talk.agent(3))
        play.offered = 3
        play.on(30, *talk.heard)
        assert all(task.agent_id != "agent-2" for task in talk.tasks), play.facts()
        assert set(kept) <= {task.id for task in talk.tasks} and len(talk.tasks) == 3
        assert (play.least, play.most) == (3, 4)
        assert play.rollout is None, "nobody has changed anything"

    def test_an_executor_that_is_left_on_a_draining_agent_is_told_to_end(self) -> None:
        play = playing(3)
        talk = play.talk
        task = next(task for task in talk.tasks if task.agent_id == "agent-2")
        heard = talk.report(talk.agent(1), talk.agent(2, state=AgentState.DRAINING), talk.agent(3))
        assert not [each for each in heard if isinstance(each, Retire)], "it has a task"
        heard = talk.status(task, TaskState.KILLED)
        assert [each for each in heard if isinstance(each, Retire)] == [
            Retire(agent_id=task.agent_id, executor_id=task.executor_id)
        ]

    def test_mesos_is_told_when_a_maintained_agent_is_left(self) -> None:
        play = playing(3)
        talk = play.talk
        asked = InverseOffersReceived(offers=((OfferId("i1"), AgentId("agent-1")), (OfferId("i2"), AgentId("agent-9"))))
        answers = [each for each in talk.say(asked) if isinstance(each, AnswerInverse)]
        assert [(each.offer_ids, each.has_left) for each in answers] == [(("i1",), False), (("i2",), True)]

    def test_what_mesos_ends_where_it_drains_is_followed_at_once(self) -> None:
        play = playing(3)
        talk = play.talk
        task = next(task for task in talk.tasks if task.agent_id == "agent-2")
        play.stubborn = True
        play.offered = 1  # the master offers nothing of an agent that drains, and has not told us of it yet
        play.on(10, *talk.status(task, TaskState.KILLING, reason="REASON_AGENT_DRAINING"))
        assert sum(each.is_ready for each in talk.tasks) == 3, "before the old one has ended"
        play.on(5, *talk.status(task, TaskState.KILLED))
        assert len(talk.tasks) == 3 and all(each.agent_id != "agent-2" for each in talk.tasks)

    def test_dependants_are_changed_after_what_they_depend_on(self) -> None:
        talk = Conversation()
        play = Play(talk)
        talk.subscribe()

        def both(image: str) -> Stack:
            return stack(
                replace(group("shop/db", image=image), update=PROMPT),
                replace(group("shop/web", image=image, dependencies=(Dependency(service="db"),)), update=PROMPT),
            )

        talk.submit(both("busybox:1"))
        play.on(3)
        play.launched.clear()
        talk.submit(both("busybox:2"))
        play.on(30)
        assert [task.group.service for task in play.launched] == ["db", "web"]
        assert play.past == [RolloutState.DONE]
