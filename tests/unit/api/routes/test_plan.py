"""A plan says what would change, where it would go, what would not fit, and what may be a mistake."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from framework.api.answers.plans import PlanAnswer
from framework.core.views import GroupState, Waiting
from framework.core.volatile import Connection
from specs.file.load import stack_to_json
from specs.ids import group_id
from specs.model.constraints import STICKY_ALWAYS, Constraint, Mode, Neighbour, Rules, Selector
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import CheckKind, Container, Dependency, Group, HealthCheck, OnChange, Restart, Stack, Stop
from specs.states import Goal, TaskState
from tests.kit.front import AGENT, NOW, SMALL, FakeFront, a_group, a_spec, a_stack, a_task, a_view, an_agent
from tests.kit.shapes import held_to

WEB, AUTH, OTHER = group_id("shop", "web"), group_id("shop", "auth"), group_id("other", "redis")
LARGE = Resources(cpus_milli=3000, mem_mib=128)
OLD = Container(image="acme/web:1.3")
TAKEN = replace(AGENT, cpus_milli=900)
"""Free resources of an agent on which LARGE and the executor run."""


def _plan(client: TestClient, *groups: Group) -> dict[str, Any]:
    stack = Stack(name="shop", groups=tuple(sorted(groups, key=lambda group: group.id)))
    answer = client.post("/v1/stacks/shop/plan", json=stack_to_json(stack))
    assert answer.status_code == 200, answer.text
    held_to(PlanAnswer, answer.json())
    plan: dict[str, Any] = answer.json()
    return plan


def _places(line: dict[str, Any]) -> dict[int, str]:
    return {one["slot"]: one["agent"] for one in line["placements"]}


def test_a_new_stack_is_placed_and_what_does_not_fit_is_told(client: TestClient, front: FakeFront) -> None:
    front.view = a_view(agents=[an_agent(1), an_agent(2)])
    plan = _plan(client, a_spec(WEB, instances=3, resources=LARGE))
    (web,) = plan["groups"]
    assert (web["change"], web["wanted"], web["kept"]) == ("added", 3, 0)
    assert sorted(_places(web).values()) == ["agent1", "agent2"]
    assert all(31000 <= port <= 32000 for one in web["placements"] for port in one["host_ports"])
    assert web["unplaced"]["slots"] == [2]
    assert web["unplaced"]["sentence"].startswith("0/2 agents fit: 2 cpus (wanted 3")
    assert web["unplaced"]["cures"]
    assert (plan["index"], plan["warnings"], plan["problem"]) == (0, [], "")


def test_what_is_offered_counts_before_what_was_free(client: TestClient, front: FakeFront) -> None:
    front.view = a_view(agents=[an_agent(1, offered=SMALL), an_agent(2, free=TAKEN, offered=AGENT)])
    (web,) = _plan(client, a_spec(WEB, resources=LARGE))["groups"]
    assert _places(web) == {0: "agent2"}


def test_tasks_of_an_unchanged_group_stay_and_missing_ones_are_placed(client: TestClient, front: FakeFront) -> None:
    group = a_group(
        WEB,
        instances=3,
        state=GroupState.WAITING,
        tasks=[a_task(WEB, 0, 1, agent=1), a_task(WEB, 2, 3, agent=2)],
        waiting=[Waiting(slot=1, cause="waits for offers")],
    )
    front.view = a_view([a_stack("shop", [group], index=7)], agents=[an_agent(1), an_agent(2), an_agent(3)])
    plan = _plan(client, a_spec(WEB, instances=3))
    assert (plan["changes"], plan["index"]) == ([], 7)
    (web,) = plan["groups"]
    assert (web["change"], web["wanted"], web["kept"], _places(web)) == ("unchanged", 3, 2, {1: "agent3"})


def test_replaced_tasks_give_their_room_to_the_new_ones(client: TestClient, front: FakeFront) -> None:
    tasks = [a_task(WEB, slot, slot + 1, agent=slot + 1, container=OLD) for slot in range(2)]
    group = a_group(WEB, instances=2, tasks=tasks, container=OLD, resources=LARGE)
    agents = [an_agent(1, free=TAKEN), an_agent(2, free=TAKEN)]
    front.view = a_view([a_stack("shop", [group])], agents=agents)
    (web,) = _plan(client, a_spec(WEB, instances=2, resources=LARGE))["groups"]
    assert (web["change"], web["kept"], web["unplaced"]) == ("replaced", 0, None)
    assert sorted(_places(web).values()) == ["agent1", "agent2"]


def test_another_care_is_applied_and_tasks_stay(client: TestClient, front: FakeFront) -> None:
    group = a_group(WEB, instances=1, tasks=[a_task(WEB, 0, 1, agent=1)])
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1)])
    plan = _plan(client, a_spec(WEB, container=replace(group.container, stop=Stop(drain_seconds=5.0))))
    (web,) = plan["groups"]
    assert (web["change"], web["kept"], web["placements"]) == ("applied", 1, [])
    assert [field["path"] for field in plan["changes"][0]["fields"]] == ["stop"]


def test_tasks_that_break_a_changed_rule_move(client: TestClient, front: FakeFront) -> None:
    not_first = Rules(constraints=(Constraint(operator=Operator.NOT_EQUAL, field="hostname", values=("agent1",)),))
    tasks = [a_task(WEB, 0, 1, agent=1), a_task(WEB, 1, 2, agent=2)]
    front.view = a_view([a_stack("shop", [a_group(WEB, instances=2, tasks=tasks)])], agents=[an_agent(1), an_agent(2)])
    (web,) = _plan(client, a_spec(WEB, instances=2, rules=not_first))["groups"]
    assert (web["change"], web["kept"], _places(web)) == ("metadata", 1, {0: "agent2"})
    assert web["moves"] == ["agent agent1 breaks the rule hostname != agent1"]


@pytest.mark.parametrize("check", [HealthCheck(kind=CheckKind.TCP, port="http"), None])
def test_another_check_for_tasks_that_run_is_told_of(
    client: TestClient, front: FakeFront, check: HealthCheck | None
) -> None:
    group = a_group(WEB, instances=1, tasks=[a_task(WEB, 0, 1, agent=1)])
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1)])
    plan = _plan(client, a_spec(WEB, container=replace(group.container, health=check)))
    assert ["serve until they have passed the new health check" in warning for warning in plan["warnings"]] == [True][
        : bool(check)
    ]
    more = replace(group.container.health, interval_seconds=2.0) if group.container.health else None
    assert not _plan(client, a_spec(WEB, container=replace(group.container, health=more)))["warnings"]


@pytest.mark.parametrize(
    ("need", "kept", "follows"),
    [
        (Dependency(service="auth", on_change=OnChange.RESTART), 0, "is restarted, as shop/auth is changed"),
        (
            Dependency(service="auth", on_change=OnChange.SIGNAL, signal="SIGHUP"),
            1,
            "gets SIGHUP once shop/auth is changed",
        ),
        (Dependency(service="auth"), 1, ""),
    ],
)
def test_what_follows_a_change_is_told(
    client: TestClient, front: FakeFront, need: Dependency, kept: int, follows: str
) -> None:
    auth = a_group(AUTH, tasks=[a_task(AUTH, 0, 1, agent=1, container=OLD)], container=OLD)
    web = a_group(WEB, tasks=[a_task(WEB, 0, 2, agent=2)])
    web = replace(web, spec=replace(web.spec, dependencies=(need,)))
    front.view = a_view([a_stack("shop", [auth, web])], agents=[an_agent(1), an_agent(2)])
    plan = _plan(client, a_spec(AUTH), replace(a_spec(WEB), dependencies=(need,)))
    line = next(line for line in plan["groups"] if line["group"] == "shop/web")
    assert (line["change"], line["kept"], line["follows"]) == ("unchanged", kept, follows)


def test_what_is_removed_or_scaled_down_gives_its_room_too(client: TestClient, front: FakeFront) -> None:
    groups = [
        a_group(WEB, instances=2, tasks=[a_task(WEB, 0, 1, agent=1), a_task(WEB, 1, 2, agent=2)], resources=LARGE),
        a_group(AUTH, tasks=[a_task(AUTH, 0, 3, agent=3)], resources=LARGE),
    ]
    groups[0] = replace(groups[0], tasks=tuple(replace(t, version=groups[0].spec.version) for t in groups[0].tasks))
    agents = [an_agent(number, free=TAKEN) for number in (1, 2, 3)]
    front.view = a_view([a_stack("shop", groups)], agents=agents)
    new = group_id("shop", "new")
    plan = _plan(client, a_spec(WEB, instances=1, resources=LARGE), a_spec(new, instances=2, resources=LARGE))
    lines = {line["group"]: line for line in plan["groups"]}
    assert sorted(_places(lines["shop/new"]).values()) == ["agent2", "agent3"]
    assert (lines["shop/web"]["change"], lines["shop/web"]["kept"]) == ("scaled", 1)
    assert {change["group"]: change["change"] for change in plan["changes"]}["shop/auth"] == "removed"


def test_the_room_of_other_stacks_is_theirs(client: TestClient, front: FakeFront) -> None:
    other = a_group(OTHER, tasks=[a_task(OTHER, agent=1)], resources=LARGE)
    front.view = a_view([a_stack("other", [other])], agents=[an_agent(1, free=TAKEN)])
    (web,) = _plan(client, a_spec(WEB, resources=LARGE))["groups"]
    assert web["unplaced"]["slots"] == [0]


def test_a_stopped_group_stays_stopped(client: TestClient, front: FakeFront) -> None:
    group = a_group(WEB, instances=2, is_stopped=True, state=GroupState.STOPPED)
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1)])
    (web,) = _plan(client, a_spec(WEB, instances=4))["groups"]
    assert (web["placements"], web["unplaced"]) == ([], None)
    assert web["note"] == "is stopped: `framework start shop/web` starts it"


def test_slots_that_have_finished_are_not_placed_again(client: TestClient, front: FakeFront) -> None:
    done = a_task(WEB, 0, 1, state=TaskState.FINISHED, ended_at=NOW)
    group = a_group(WEB, instances=1, restart=Restart.ON_FAILURE, ended=[done], state=GroupState.FINISHED)
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1)])
    (web,) = _plan(client, a_spec(WEB, instances=2, restart=Restart.ON_FAILURE))["groups"]
    assert (web["kept"], _places(web)) == (1, {1: "agent1"})


def test_a_global_group_comes_to_agents_that_have_none(client: TestClient, front: FakeFront) -> None:
    group = a_group(WEB, mode=Mode.GLOBAL, wanted=1, tasks=[a_task(WEB, 0, 1, agent=2)])
    agents = [an_agent(1), an_agent(2), an_agent(3), an_agent(4, unavailable="is draining")]
    front.view = a_view([a_stack("shop", [group])], agents=agents)
    (web,) = _plan(client, a_spec(WEB, mode=Mode.GLOBAL))["groups"]
    assert (web["change"], web["wanted"], web["kept"], _places(web)) == (
        "unchanged",
        3,
        1,
        {1: "agent1", 2: "agent3"},
    )


def test_the_past_of_a_group_counts(client: TestClient, front: FakeFront) -> None:
    agents = [an_agent(1, free=TAKEN, penalties={WEB: 40}), an_agent(2, free=TAKEN), an_agent(3)]
    front.view = a_view([a_stack("shop", [a_group(WEB)])], agents=agents)
    (web,) = _plan(client, a_spec(WEB, instances=2))["groups"]
    assert _places(web) == {0: "agent3", 1: "agent2"}
    rules = Rules(sticky=True, sticky_wait_seconds=STICKY_ALWAYS)
    ended = a_task(WEB, 0, 1, agent=1, state=TaskState.FAILED, goal=Goal.STOP, ended_at=NOW)
    front.view = a_view([a_stack("shop", [a_group(WEB, ended=[ended], rules=rules)])], agents=agents)
    (web,) = _plan(client, a_spec(WEB, rules=rules))["groups"]
    assert _places(web) == {0: "agent1"}


def test_labels_of_marathon_lb_that_mean_nothing_here_are_warned_of(client: TestClient) -> None:
    labels = (("HAPROXY_0_BACKEND_HEAD", "x"), ("HAPROXY_0_VHOST", "a.org"), ("HAPROXY_TCP", "x"))
    assert _plan(client, a_spec(WEB, metadata=labels))["warnings"] == [], "they are nobody's without a group"
    answer = _plan(client, a_spec(WEB, metadata=(("HAPROXY_GROUP", "external"), *labels)))
    assert answer["warnings"] == [
        "shop/web: HAPROXY_0_BACKEND_HEAD, HAPROXY_TCP mean nothing here; docs/balancers.md has the labels that do"
    ]


@pytest.mark.parametrize(
    ("rules", "warning"),
    [
        (
            Rules(near=(Neighbour(to=Selector(stack="cache", service="redis")),)),
            "shop/web: near cache/redis: no group is there now; it waits until one has a task",
        ),
        (
            Rules(apart=(Neighbour(to=Selector(stack="*", service="batch", labels=("heavy",))),)),
            "shop/web: apart */batch[heavy]: no group is there now; it means nothing until one is",
        ),
        (
            Rules(constraints=(Constraint(operator=Operator.IS, field="rack", values=("r9",)),)),
            "shop/web: none of the 1 agents that are known meets its constraints (rack IS r9)",
        ),
        (Rules(near=(Neighbour(to=Selector(stack="other", service="re*"), weight=10),)), ""),
        (Rules(apart=(Neighbour(to=Selector(service="web")),)), ""),
        (Rules(constraints=(Constraint(operator=Operator.UNIQUE, field="hostname"),)), ""),
    ],
)
def test_warnings_of_plan_and_of_submit(client: TestClient, front: FakeFront, rules: Rules, warning: str) -> None:
    front.view = a_view([a_stack("other", [a_group(OTHER)])], agents=[an_agent(1, attributes=(("rack", "r1"),))])
    group = a_spec(WEB, rules=rules)
    expected = [warning] if warning else []
    assert _plan(client, group)["warnings"] == expected
    answer = client.put("/v1/stacks/shop", json=stack_to_json(Stack(name="shop", groups=(group,))))
    assert answer.json()["warnings"] == expected


def test_what_keeps_everything_from_being_placed_is_told(client: TestClient, front: FakeFront) -> None:
    front.view = a_view(connection=Connection.CONNECTING, problem="No master at 10.0.0.1:5050; trying again.")
    assert _plan(client, a_spec(WEB))["problem"] == "No master at 10.0.0.1:5050; trying again."
    front.view = a_view(agents_problem="The master did not tell its agents.")
    plan = _plan(client, a_spec(WEB))
    assert plan["problem"] == "The master did not tell its agents."
    assert plan["groups"][0]["unplaced"]["sentence"] == "0/0 agents fit: no agent is known"


def test_a_stack_that_is_being_removed_is_planned_as_a_new_one(client: TestClient, front: FakeFront) -> None:
    group = a_group(WEB, tasks=[a_task(WEB, goal=Goal.STOP)], resources=LARGE)
    front.view = a_view([a_stack("shop", [group], index=9, is_removed=True)], agents=[an_agent(1, free=TAKEN)])
    plan = _plan(client, a_spec(WEB, resources=LARGE))
    assert (plan["is_new"], plan["index"], plan["groups"][0]["unplaced"]) == (True, 9, None)


def test_items_of_a_set_come_back_with_the_task_that_had_them(client: TestClient, front: FakeFront) -> None:
    want = replace(SMALL, scalars=(("bandwidth", 50_000), ("fpga", 2000)))
    total = replace(AGENT, scalars=(("bandwidth", 60_000),), sets=(("fpga", ("a", "b")),))
    free = replace(AGENT, scalars=(("bandwidth", 10_000),))
    group = a_group(WEB, tasks=[a_task(WEB, container=OLD)], container=OLD, resources=want)
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1, total=total, free=free)])
    (web,) = _plan(client, a_spec(WEB, resources=want))["groups"]
    assert (web["change"], _places(web)) == ("replaced", {0: "agent1"})
