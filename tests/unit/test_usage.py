"""Usage that executors report: its form, when it is requested, and how the core gets it."""

from __future__ import annotations

import json

import pytest

from framework.collector import Collector
from framework.core.events import Event, UsageMeasured
from framework.core.model import TaskUsage
from framework.core.views import View
from framework.core.volatile import Connection
from framework.usage import figures_from_json
from specs.ids import AgentId, ExecutorId, GroupId, TaskId
from specs.model.autoscale import Autoscale, MetricTarget
from specs.states import TaskState
from tests.kit.front import a_group, a_stack, a_task, a_view
from tests.kit.usage import FakeUsage, figures

WEB = GroupId("shop", "web", ())
DB = GroupId("shop", "db", ())
OWN = (AgentId("agent-1"), ExecutorId("executor-1"))


def test_the_form_of_an_answer() -> None:
    task = {
        "task": "shop.web.0.1",
        "cpus": None,
        "mem_bytes": 5,
        "metrics": {"queued": 3, "odd": float("nan"), "huge": 1e300, "long": 10**400},
    }
    answer = {"at": 1.0, "agent": OWN[0], "executor": OWN[1], "tasks": [task]}
    (told,) = figures_from_json(json.dumps(answer).encode(), OWN)
    assert (told.task, told.cpus, told.mem_bytes, told.net_rx_bytes, told.oom_kills) == (
        "shop.web.0.1",
        None,
        5,
        None,
        0,
    )
    assert told.metrics == {"queued": 3.0}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"<html>", "its answer is not that of an executor of ours"),
        (b'{"agent": "agent-1", "executor": "executor-1", "tasks": [{}]}', "its answer is not that of an executor"),
        (b'{"agent": "agent-2", "executor": "executor-1", "tasks": []}', "another executor answers there"),
    ],
)
def test_what_is_no_answer(answer: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        figures_from_json(answer, OWN)


def _looked(view: View, usage: FakeUsage) -> list[Event]:
    posted: list[Event] = []
    Collector(lambda: view, usage, posted.append).look()
    return posted


def test_only_what_groups_are_scaled_by_is_asked_for_and_told() -> None:
    bounds = Autoscale(min=1, max=9, cpu_percent=60, metrics=(MetricTarget(name="queued", target=5),))
    ready, silent = a_task(WEB, 0, 1), a_task(WEB, 1, 2)
    starting = a_task(WEB, 2, 3, state=TaskState.STARTING)
    view = a_view(
        [
            a_stack(
                "shop",
                [
                    a_group(WEB, instances=3, tasks=[ready, silent, starting], autoscale=bounds),
                    a_group(DB, tasks=[a_task(DB, 0, 4, agent=2)]),
                ],
            )
        ]
    )
    usage = FakeUsage(figures(ready.id, cpus=0.2504, mem_bytes=9 << 20, metrics={"queued": 7.0, "other": 1.0}))
    (event,) = _looked(view, usage)
    told = TaskUsage(task_id=TaskId(ready.id), cpus_milli=250, metrics=(("queued", 7.0),))
    assert event == UsageMeasured(tasks=(told,))
    assert usage.asked == [(ready.agent_id, ready.executor_id)]


def test_nobody_is_asked_without_such_a_group_or_without_a_master() -> None:
    usage = FakeUsage()
    bounds = Autoscale(min=1, max=9, cpu_percent=60)
    plain = a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)])])])
    scaled = [a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)], autoscale=bounds)])]
    stopped = a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)], autoscale=bounds, is_stopped=True)])])
    away = a_view(scaled, connection=Connection.CONNECTING)
    assert [_looked(view, usage) for view in (plain, stopped, away)] == [[], [], []]
    assert usage.asked == []
