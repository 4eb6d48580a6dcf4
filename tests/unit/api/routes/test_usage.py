"""The usage of tasks, over HTTP."""

from __future__ import annotations

from dataclasses import replace

from framework.api.answers.usage import UsageAnswer
from framework.core.volatile import Scaling
from specs.ids import GroupId
from specs.model.autoscale import Autoscale
from specs.states import TaskState
from tests.kit.front import NOW, FakeFront, a_group, a_stack, a_task, a_view
from tests.kit.shapes import held_to
from tests.kit.usage import FakeUsage, figures
from tests.unit.api.conftest import MakeClient

WEB = GroupId("shop", "web", ())


def test_running_tasks_and_who_is_silent(make_client: MakeClient, front: FakeFront) -> None:
    told, left = a_task(WEB, 0, 1), a_task(WEB, 1, 2, agent=2)
    starting = a_task(WEB, 2, 3, state=TaskState.STARTING, agent=3)
    front.view = a_view([a_stack("shop", [a_group(WEB, instances=3, tasks=[told, left, starting])])])
    usage = FakeUsage(figures(told.id, cpus=0.25, metrics={"queued": 2.0}), silent={left.agent_id: "no answer"})
    answer = make_client(usage=usage).get("/v1/usage", params={"pattern": "shop/*"}).json()
    held_to(UsageAnswer, answer)
    (line,) = answer["tasks"]
    assert (line["task"], line["cpus"], line["cpus_wanted"], line["metrics"]) == (told.id, 0.25, 0.1, {"queued": 2.0})
    (silent,) = answer["silent"]
    assert (silent["agent"], silent["tasks"], silent["why"]) == (left.hostname, 1, "no answer")
    assert len(usage.asked) == 2


def test_where_executors_do_not_say_where_they_are(make_client: MakeClient, front: FakeFront) -> None:
    front.view = a_view([a_stack("shop", [a_group(WEB, tasks=[a_task(WEB)])])])
    answer = make_client().get("/v1/usage").json()
    assert answer["silent"][0]["why"].startswith("executors do not say where they answer")


def test_what_was_thought_of_a_number(make_client: MakeClient, front: FakeFront) -> None:
    bounds = Autoscale(min=2, max=10, cpu_percent=60)
    group = a_group(WEB, instances=4, autoscale=bounds)
    front.view = a_view([a_stack("shop", [group])])
    client = make_client()
    assert client.get("/v1/groups").json()["groups"][0]["autoscale"]["sentence"] == "was not measured yet"
    group = replace(group, scaling=Scaling(at=NOW, wants=6, sentence="6 are wanted"))
    front.view = a_view([a_stack("shop", [group])])
    (line,) = client.get("/v1/tasks").json()["scaling"]
    assert line == {
        "group": "shop/web",
        "min": 2,
        "max": 10,
        "targets": "2 to 10 tasks, cpu 60 %",
        "at": NOW,
        "wants": 6,
        "sentence": "6 are wanted",
    }
