"""Slots of a group: which are filled, and which end when it is scaled down."""

from __future__ import annotations

import pytest

from framework.core.commands import Kill, Save
from framework.core.events import ScaleRequested
from specs.model.stack import CheckKind, Container, HealthCheck, KillOrder
from specs.states import Goal, TaskState
from tests.kit.conversation import Conversation, group, killed, launched, scale, stack
from tests.kit.kills import kill, left, running
from tests.kit.racks import RACKS, SPREAD_RACK, in_racks, rack_of


def test_scaled_down_the_highest_slots_stop_after_that_is_stored() -> None:
    talk = Conversation()
    talk.up(group(instances=4))
    heard = talk.say(ScaleRequested(request_id=90, pattern="shop/web", instances=2))
    kinds = [type(command) for command in heard if isinstance(command, Save | Kill)]
    assert kinds == [Save, Save, Kill, Kill], "the spec, then the goals, then the kills"
    assert sorted(talk.scheduler.context.state.tasks[id].slot for id in killed(heard)) == [2, 3]


class TestSlots:
    def test_scaling_down_keeps_the_spread_and_scaling_up_fills_the_gaps(self) -> None:
        talk = in_racks(SPREAD_RACK, 6)
        by_rack = sorted(rack_of(task) for task in talk.tasks)
        assert by_rack == ["a", "a", "b", "b", "c", "c"]
        scale(talk, 3)
        left = [task for task in talk.tasks if task.goal is Goal.RUN]
        assert sorted(rack_of(task) for task in left) == ["a", "b", "c"]
        for task in talk.tasks:
            if task.goal is Goal.STOP:
                talk.status(task, TaskState.KILLED)
        scale(talk, 5)
        talk.wait(2)
        new = launched(talk.offers(*(talk.offer(number) for number in RACKS)))
        assert [task.slot for task in new] == [n for n in range(6) if n not in {task.slot for task in left}][:2]

    def test_gaps_survive_a_restart_as_long_as_their_tasks_run(self) -> None:
        talk = Conversation()
        talk.up(group(instances=4))
        talk.status(talk.tasks[1], TaskState.FAILED)
        scale(talk, 3)
        assert [task.slot for task in talk.tasks] == [0, 2, 3], "the slot without a task is given up first"
        again = Conversation(shelf=talk.shelf)
        again.subscribe()
        assert [task.slot for task in again.tasks] == [0, 2, 3] and killed(again.heard) == []
        scale(again, 4)
        again.wait(2)
        assert [task.slot for task in launched(again.offers())] == [1]

    def test_what_is_not_ready_is_given_up_before_what_is(self) -> None:
        talk = Conversation()
        talk.subscribe()
        talk.submit(stack(group(instances=3)))
        talk.offers()
        talk.run(*talk.tasks[1:])
        scale(talk, 2)
        assert [task.slot for task in talk.tasks if task.goal is Goal.STOP] == [0]


class TestFewer:
    @pytest.mark.parametrize(
        ("order", "slots"), [(None, [0, 1]), (KillOrder.YOUNGEST, [0, 1]), (KillOrder.OLDEST, [1, 2])]
    )
    def test_the_youngest_go_or_the_oldest(self, order: KillOrder | None, slots: list[int]) -> None:
        talk = running()
        talk.say(ScaleRequested(request_id=9, pattern="shop", instances=2, order=order))
        assert left(talk) == slots
        assert talk.scheduler.context.kill_orders == {}

    def test_unhealthy_ones_go_first_then_those_that_start(self) -> None:
        talk = running(4, container=Container(image="busybox:1", health=HealthCheck(kind=CheckKind.TCP, port="http")))
        oldest, _, third, _ = talk.tasks
        talk.status(oldest, TaskState.RUNNING, is_healthy=False)
        kill(talk, third.id)
        talk.status(third, TaskState.KILLED)
        assert [task.slot for task in launched(talk.offers())] == [2]
        talk.say(ScaleRequested(request_id=9, pattern="shop", instances=3))
        assert left(talk) == [1, 2, 3]
        talk.say(ScaleRequested(request_id=10, pattern="shop", instances=2))
        assert left(talk) == [1, 3]
