"""Replacing the tasks of a group: which, in which order, and how many at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from framework.core.events import RestartRequested
from framework.core.groups.pace import WHAT_MOVES_IT
from framework.core.model import RolloutKind, RolloutState
from specs.ids import TaskId
from specs.model.constraints import Constraint, Rules
from specs.model.operators import Operator
from specs.model.stack import Port, Restart
from specs.model.update import OnFailure, Order, Share, Update
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, killed, launched, stack
from tests.kit.racks import BY_RACK, SPREAD_RACK
from tests.kit.rollouts import ALL, PROMPT, STOP_FIRST, TWO, Play, change, playing, web


def test_a_changed_image_replaces_one_ready_task_at_a_time() -> None:
    talk = Conversation()
    talk.up(group(instances=3))
    talk.submit(stack(group(instances=3, image="busybox:2")))
    assert [task.goal for task in talk.tasks] == [Goal.RUN] * 3
    (new,) = launched(talk.offers())
    assert (new.slot, new.attempt, new.beside) == (0, 2, "shop.web.0.1")
    assert killed(talk.wait(2)) == [], "the old one stays until the new one runs"
    assert killed(talk.run(new)) == [], "and has run for a moment"
    assert killed(talk.wait(1)) == ["shop.web.0.1"]
    assert launched(talk.offers()) == [], "the next only when the old one has ended"
    talk.status(TaskId("shop.web.0.1"), TaskState.KILLED)
    assert [task.slot for task in launched(talk.offers())] == [1]


def test_outdated_tasks_that_are_not_ready_are_replaced_at_once() -> None:
    talk = Conversation()
    talk.subscribe()
    talk.submit(stack(group(instances=3)))
    talk.offers()
    talk.submit(stack(group(instances=3, image="busybox:2")))
    assert all(task.goal is Goal.STOP for task in talk.tasks)


def test_restart_replaces_tasks_of_the_same_version() -> None:
    talk = Conversation()
    talk.up(group(instances=2))
    talk.say(RestartRequested(request_id=5, pattern="shop/web"))
    talk.run(*launched(talk.offers()))
    talk.wait(1)
    (stopping,) = [task for task in talk.tasks if task.goal is Goal.STOP]
    assert stopping.stop_cause == "restart asked: shop.web.0.3 has taken its place"
    talk.status(stopping, TaskState.KILLED)
    assert [task.generation for task in talk.tasks] == [1, 0]


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
        said = f"0/3 agents fit: 3 hostname (wanted UNIQUE); no old task is stopped for it, as {cause}"
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
