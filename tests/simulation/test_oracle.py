"""Which launches the oracle takes for a second task in a slot: it is as strict as the rule, and no stricter."""

from __future__ import annotations

from typing import cast

import pytest

from framework.core.commands import Accept, Launch
from framework.core.model import Task
from specs.ids import GroupId, OfferId
from specs.model.resources import Resources
from specs.states import Goal, TaskState
from tests.kit.front import WEB, a_task
from tests.simulation.oracle import Broken, Oracle
from tests.simulation.scheduler import SchedulerProcess
from tests.simulation.zookeeper import Tree

GROUP = GroupId(stack="blog", service="db")
FIRST = a_task(GROUP, serial=1, state=TaskState.KILLING, goal=Goal.STOP)
SECOND = a_task(GROUP, serial=2, state=TaskState.KILLING)
THIRD = a_task(GROUP, serial=3, state=TaskState.INTENT)


def arrives(said: Task, *stored: Task) -> None:
    """A launch is said, and arrives when this is stored."""
    tree = Tree()
    oracle = Oracle(tree)
    tree.tasks = {task.id: task for task in stored}
    tree.last_words = dict(tree.tasks)
    launch = Launch(task=said, container=WEB, resources=Resources())
    oracle.said(Accept(offer_ids=(OfferId("offer-1"),), launches=(launch,), refuse_seconds=0.0))
    oracle.launch_arrived({"task_id": {"value": said.id}}, cast(SchedulerProcess, None))


def beside(task: Task) -> Task:
    return a_task(GROUP, serial=3, state=TaskState.INTENT, beside=task.id)


def test_a_successor_may_come_though_whom_it_follows_has_followed_one_that_is_being_stopped() -> None:
    arrives(beside(SECOND), FIRST, SECOND, beside(SECOND))


def test_it_may_come_also_when_whom_it_follows_has_ended_meanwhile() -> None:
    """Then it is stored that it holds the slot, while the first one still takes its time to stop (seed 179)."""
    ended = a_task(GROUP, serial=2, state=TaskState.KILLED)
    arrives(beside(SECOND), FIRST, ended, THIRD)


@pytest.mark.parametrize(
    "said, stays",
    [
        pytest.param(THIRD, FIRST, id="it follows nobody"),
        pytest.param(beside(FIRST), FIRST, id="it has taken over before it came"),
        pytest.param(beside(SECOND), a_task(GROUP, serial=1), id="the other one is to run"),
    ],
)
def test_another_may_not(said: Task, stays: Task) -> None:
    with pytest.raises(Broken, match="two in a slot"):
        arrives(said, stays, THIRD)
