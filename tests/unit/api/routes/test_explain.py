"""Why a slot has no task, why a task is where it is, and what is known of agents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from framework.api.answers.agents import AgentsAnswer
from framework.api.answers.explanations import ExplainAnswer
from framework.api.errors import ErrorAnswer
from framework.core.views import GroupState, GroupView, Waiting
from framework.core.volatile import Connection
from placement.agent import AgentState
from specs.ids import group_id
from specs.model.constraints import Constraint, Mode, Preference, Rules
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.states import TaskState
from tests.kit.front import AGENT, NOW, FakeFront, a_group, a_stack, a_task, a_view, an_agent
from tests.kit.shapes import held_to

PROD, DEV = group_id("shop", "web", ["prod"]), group_id("shop", "web", ["dev"])
LARGE = Resources(cpus_milli=3000, mem_mib=128)
SSD = Rules(prefer=(Preference(rule=Constraint(operator=Operator.EQUAL, field="disk", values=("ssd",))),))
UNIQUE = Rules(constraints=(Constraint(operator=Operator.UNIQUE, field="hostname"),))


def _explain(client: TestClient, of: str, **more: str | int) -> dict[str, Any]:
    answer = client.get("/v1/explain", params={"of": of, **more})
    assert answer.status_code == 200, answer.text
    held_to(ExplainAnswer, answer.json())
    told: dict[str, Any] = answer.json()
    return told


def _waiting(
    cause: str = "0/2 agents fit: 2 cpus (wanted 3, best 0.9)", *, is_unplaced: bool = True, **group: object
) -> GroupView:
    return a_group(
        PROD,
        instances=2,
        state=GroupState.WAITING,
        tasks=[a_task(PROD, 0, 1)],
        waiting=[Waiting(slot=1, cause=cause, is_unplaced=is_unplaced)],
        resources=LARGE,
        **group,  # type: ignore[arg-type]
    )


@pytest.fixture
def scene(front: FakeFront) -> FakeFront:
    agents = [an_agent(1, free=replace(AGENT, cpus_milli=900)), an_agent(2, free=replace(AGENT, cpus_milli=2000))]
    front.view = a_view([a_stack("shop", [_waiting(), a_group(DEV)])], agents=agents)
    return front


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("of", ["shop/web[prod]", "shop/web[prod]/1", "sh*/web[prod]"])
def test_a_slot_that_waits_for_room(client: TestClient, of: str) -> None:
    told = _explain(client, of)
    assert (told["group"], told["slot"], told["task"], told["fits"]) == ("shop/web[prod]", 1, "", False)
    assert told["sentences"] == ["0/2 agents fit: 2 cpus (wanted 3, best 1.9)"]
    assert [(row["agent"], row["fits"], row["rank"], row["tasks"]) for row in told["rows"]] == [
        ("agent1", False, 0, 1),
        ("agent2", False, 0, 0),
    ]
    cpus = {row["agent"]: verdict for row in told["rows"] for verdict in row["verdicts"] if verdict["rule"] == "cpus"}
    assert cpus["agent2"] == {"rule": "cpus", "is_met": False, "wanted": "3", "got": "1.9"}
    assert {"text": "with cpus ≤ 1.9", "agents": 1, "slots": 1} in told["cures"]


@pytest.mark.parametrize(
    "cause", ["waits 2 s after: exit code 3", "waits for shop/redis to run", "waits for Mesos: no master"]
)
def test_another_cause_comes_first(client: TestClient, front: FakeFront, cause: str) -> None:
    front.view = a_view([a_stack("shop", [_waiting(cause, is_unplaced=False)])], agents=[an_agent(1), an_agent(2)])
    told = _explain(client, "shop/web")
    assert told["fits"]
    assert told["sentences"][0] == cause
    assert told["sentences"][1].startswith("2/2 agents fit now; the next is agent2: 0 tasks of the group, ")


def test_why_a_task_is_where_it_is(client: TestClient, front: FakeFront) -> None:
    group = a_group(PROD, tasks=[a_task(PROD, 0, 7, agent=2)], rules=SSD)
    agents = [
        an_agent(1, free=Resources(cpus_milli=200, mem_mib=4096, ports=AGENT.ports)),
        an_agent(2, attributes=(("disk", "ssd"),), free=replace(AGENT, cpus_milli=2900)),
        an_agent(3),
    ]
    front.view = a_view([a_stack("shop", [group])], agents=agents)
    for of in ("7", "shop.web.prod.0.7", "shop/web[prod]/0"):
        told = _explain(client, of)
        assert (told["slot"], told["task"], told["fits"]) == (0, "shop.web.prod.0.7", True)
        assert told["sentences"] == [
            "on agent2: the best of 3 agents that fit: 50 points (disk == ssd), 0 tasks of the group, 75 % free"
        ]
        assert tuple(told["rows"][0][name] for name in ("agent", "is_own", "points")) == ("agent2", True, 50)


def test_a_task_that_would_go_elsewhere_now(client: TestClient, front: FakeFront) -> None:
    group = a_group(PROD, tasks=[a_task(PROD, agent=1)], rules=SSD)
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1), an_agent(2, attributes=(("disk", "ssd"),))])
    sentences = _explain(client, "1")["sentences"]
    assert sentences[0].startswith("on agent1: it is number 2 of 2 agents that fit now: ")
    assert sentences[1].startswith("agent2 would be chosen now: 50 points (disk == ssd), ")


def test_a_task_where_its_rules_would_not_put_it_now(client: TestClient, front: FakeFront) -> None:
    tasks = [a_task(PROD, 0, 1, agent=1), a_task(PROD, 1, 2, agent=1)]
    front.view = a_view(
        [a_stack("shop", [a_group(PROD, instances=2, tasks=tasks, rules=UNIQUE)])],
        agents=[an_agent(1), an_agent(2)],
    )
    sentences = _explain(client, "2")["sentences"]
    assert sentences[0].startswith("on agent1, which would not be taken now: hostname (wanted UNIQUE, got ")
    assert sentences[1].startswith("agent2 would be chosen now: ")


def test_a_task_on_an_agent_of_which_nothing_is_known(client: TestClient, front: FakeFront) -> None:
    front.view = a_view([a_stack("shop", [a_group(PROD, tasks=[a_task(PROD, agent=9)])])], agents=[an_agent(1)])
    assert _explain(client, "1")["sentences"][0] == "on agent9, of which nothing is known now"


def test_a_group_that_waits_for_nothing_says_where_one_more_would_go(client: TestClient, front: FakeFront) -> None:
    group = a_group(PROD, instances=2, tasks=[a_task(PROD, 0, 1), a_task(PROD, 1, 2, agent=2)])
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1), an_agent(2), an_agent(3)])
    told = _explain(client, "shop/web[prod]")
    assert (told["slot"], told["fits"]) == (None, True)
    assert told["sentences"] == ["all its 2 slots have a task", "one more would go to agent3"]


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        (a_group(PROD, is_stopped=True, state=GroupState.STOPPED), "it is stopped: `framework start shop/web[prod]`"),
        (a_group(PROD, state=GroupState.REMOVING), "it is being removed"),
        (a_group(PROD, state=GroupState.FINISHED), "all its tasks have finished"),
        (a_group(PROD, instances=0), "it wants no task"),
    ],
)
def test_a_group_that_wants_nothing_says_so(
    client: TestClient, front: FakeFront, group: GroupView, sentence: str
) -> None:
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1)])
    told = _explain(client, "shop/web")
    assert told["fits"]
    assert told["sentences"][0].startswith(sentence)


def test_a_task_that_has_ended(client: TestClient, front: FakeFront) -> None:
    ended = a_task(PROD, 3, 8, state=TaskState.FAILED, message="exited with 1", ended_at=NOW)
    front.view = a_view([a_stack("shop", [a_group(PROD, tasks=[a_task(PROD)], ended=[ended])])], agents=[an_agent(1)])
    told = _explain(client, "8")
    assert told["sentences"][0] == "shop.web.prod.3.8 was the last in the slot; it is FAILED: exited with 1"


def test_a_global_group_waits_on_the_agent_that_has_none(client: TestClient, front: FakeFront) -> None:
    group = a_group(
        PROD,
        mode=Mode.GLOBAL,
        wanted=2,
        tasks=[a_task(PROD, 0, 1, agent=1)],
        waiting=[Waiting(slot=1, cause="0/2 agents fit: 1 cpus", is_unplaced=True)],
        state=GroupState.WAITING,
        resources=LARGE,
    )
    agents = [an_agent(1), an_agent(2, free=replace(AGENT, cpus_milli=100))]
    front.view = a_view([a_stack("shop", [group])], agents=agents)
    told = _explain(client, "shop/web[prod]")
    assert (told["slot"], told["fits"], told["fitting"]) == (1, False, 0)
    group = replace(group, tasks=(a_task(PROD, 0, 1, agent=1), a_task(PROD, 1, 2, agent=2)), waiting=())
    front.view = a_view([a_stack("shop", [group])], agents=agents)
    assert _explain(client, "shop/web[prod]")["sentences"][1] == "it has one on every agent on which it can run"


def test_a_global_group_that_can_run_nowhere(client: TestClient, front: FakeFront) -> None:
    rules = Rules(constraints=(Constraint(operator=Operator.IS, field="rack", values=("r9",)),))
    group = a_group(PROD, mode=Mode.GLOBAL, wanted=0, state=GroupState.WAITING, rules=rules)
    front.view = a_view([a_stack("shop", [group])], agents=[an_agent(1), an_agent(2)])
    told = _explain(client, "shop/web")
    assert (told["fits"], told["sentences"]) == (False, ["0/2 agents fit: 2 rack (wanted r9)"])


@pytest.mark.usefixtures("scene")
def test_rows_are_limited_and_chosen_and_the_own_one_is_always_there(client: TestClient) -> None:
    told = _explain(client, "shop/web[prod]", limit=1)
    assert ([row["agent"] for row in told["rows"]], told["rows_left"], told["agents"]) == (["agent1"], 1, 2)
    told = _explain(client, "shop/web[prod]", agent="*2")
    assert ([row["agent"] for row in told["rows"]], told["rows_left"]) == (["agent2"], 0)
    told = _explain(client, "1", limit=0)
    assert [row["agent"] for row in told["rows"]] == ["agent1"]


def test_what_keeps_everything_from_being_placed_is_told(client: TestClient, front: FakeFront) -> None:
    front.view = a_view([a_stack("shop", [_waiting()])], agents_problem="The master did not tell its agents: 401.")
    told = _explain(client, "shop/web")
    assert told["sentences"] == ["0/0 agents fit: no agent is known", "The master did not tell its agents: 401."]


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(
    ("of", "status", "sentence"),
    [
        ("shop/wbe", 404, "No group matches shop/wbe."),
        ("nope", 404, "No group matches nope. `framework ls` lists the stacks, `framework ps` their groups."),
        ("shop/web", 422, "shop/web matches 2 groups: shop/web[dev], shop/web[prod]. Name one of them."),
        ("shop/web[prod]/2", 404, "shop/web[prod] has no slot 2; it has the slots 0-1."),
        ("shop/web[dev]/0", 404, "shop/web[dev] has no slots now."),
        ("shop/web[prod]/x", 404, "No group matches shop/web[prod]/x."),
        ("17", 404, "There is no task 17"),
        ("shop.web.prod.0.99", 404, "There is no task shop.web.prod.0.99"),
        ("", 422, "The request is not as the API wants it"),
        ("x" * 501, 422, "The request is not as the API wants it"),
    ],
)
def test_what_cannot_be_explained(client: TestClient, of: str, status: int, sentence: str) -> None:
    answer = client.get("/v1/explain", params={"of": of})
    assert answer.status_code == status
    assert held_to(ErrorAnswer, answer.json())["message"].startswith(sentence)


@pytest.mark.parametrize("query", ["", "of=x&limit=-1", "of=x&limit=many", "of=x&agent=" + "y" * 201])
def test_wrong_parameters(client: TestClient, query: str) -> None:
    assert client.get(f"/v1/explain?{query}").status_code == 422


@pytest.mark.parametrize("path", ["/v1/explain?of=x", "/v1/agents"])
def test_nothing_is_said_before_the_store_is_read(client: TestClient, front: FakeFront, path: str) -> None:
    front.view = a_view(connection=Connection.LOADING)
    assert client.get(path).status_code == 503


def test_agents_with_all_that_is_known(client: TestClient, front: FakeFront) -> None:
    total = replace(AGENT, scalars=(("bandwidth", 100_000),), sets=(("fpga", ("a", "b")),))
    agents = [
        an_agent(2, total=None, state=AgentState.DRAINING, unavailable="is draining"),
        an_agent(
            1,
            total=total,
            free=replace(total, cpus_milli=2500),
            attributes=(("rack", "r1"),),
            region="eu",
            zone="eu-1",
            window=(NOW, float("inf")),
        ),
    ]
    lost = a_task(PROD, 2, 3, agent=1, state=TaskState.UNREACHABLE)
    group = a_group(PROD, instances=3, tasks=[a_task(PROD, 0, 1), a_task(PROD, 1, 2), lost])
    front.view = a_view([a_stack("shop", [group])], agents=agents, agents_problem="told late")
    answer = client.get("/v1/agents").json()
    held_to(AgentsAnswer, answer)
    assert (answer["agents_problem"], answer["executor"]["cpus"]) == ("told late", 0.1)
    one, two = answer["agents"]
    assert one["tasks"] == [{"group": "shop/web[prod]", "version": group.spec.version, "count": 2}]
    assert one["total"] == {
        "cpus": 4.0,
        "mem_mib": 4096,
        "disk_mib": 10_000,
        "gpus": 0,
        "ports": "31000-32000",
        "custom": {"bandwidth": 100.0, "fpga": ["a", "b"]},
    }
    assert (one["free"]["cpus"], one["offered"], one["attributes"]) == (2.5, None, {"rack": "r1"})
    assert (one["region"], one["zone"], one["maintenance"]) == ("eu", "eu-1", [NOW, None])
    assert (two["state"], two["unavailable"], two["total"], two["free"]) == ("draining", "is draining", None, None)
