"""Answers of all routes that read, in the shapes of the OpenAPI page."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from framework.api.answers.base import Shape
from framework.api.answers.groups import GroupsAnswer
from framework.api.answers.scheduler import InfoAnswer, ReadyAnswer
from framework.api.answers.stacks import StackAnswer, StacksAnswer
from framework.api.answers.tasks import EndpointsAnswer, TaskLine, TasksAnswer
from framework.core.views import GroupState, Waiting
from framework.core.volatile import Connection, Progress
from placement.agent import AgentState
from specs.file.load import stack_from_json
from specs.ids import GroupId, TaskId, group_id
from specs.model.stack import Condition, Container, Dependency, Keep, Port, Restart, Unreachable
from specs.states import Goal, Health, TaskState
from tests.kit.front import FRAMEWORK, NOW, FakeFront, a_group, a_stack, a_task, a_view, an_agent
from tests.kit.shapes import held_to

PROD = group_id("shop", "web", ["prod", "frontend"])
DEV = group_id("shop", "web", ["dev"])
JOB = group_id("batch", "job")


@pytest.fixture(autouse=True)
def scene(front: FakeFront) -> None:
    pulling = a_task(PROD, 1, 2, state=TaskState.STARTING, health=Health.UNKNOWN, agent=2)
    prod = a_group(
        PROD,
        instances=4,
        state=GroupState.WAITING,
        tasks=[a_task(PROD), pulling],
        ended=[
            a_task(PROD, 2, 3, state=TaskState.FAILED, message="exited with 1", exit_code=1, ended_at=NOW - 5),
        ],
        waiting=[Waiting(slot=2, cause="backs off", until=NOW + 9), Waiting(slot=3, cause="no offer has 4 cpus")],
    )
    dev = a_group(DEV, instances=1, generation=1, tasks=[a_task(DEV, 0, 9)], state=GroupState.STOPPED, is_stopped=True)
    failed = a_task(JOB, 0, 20, state=TaskState.FAILED, ended_at=NOW - 1)
    job = a_group(JOB, state=GroupState.FINISHED, restart=Restart.NEVER, ended=[failed])
    front.view = a_view(
        [a_stack("shop", [prod, dev], index=7), a_stack("batch", [job])],
        agents=[an_agent(1), an_agent(2)],
        progress={pulling.id: Progress(stage="pulling", done_bytes=5, total_bytes=10)},
    )


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/ready", ReadyAnswer),
        ("/v1/info", InfoAnswer),
        ("/v1/stacks", StacksAnswer),
        ("/v1/stacks/shop", StackAnswer),
        ("/v1/groups", GroupsAnswer),
        ("/v1/tasks", TasksAnswer),
        ("/v1/tasks?all=true", TasksAnswer),
        ("/v1/endpoints", EndpointsAnswer),
        ("/v1/tasks/shop.web.frontend-prod.1.2", TaskLine),
    ],
)
def test_answers_have_the_shapes_that_are_documented(client: TestClient, path: str, shape: type[Shape]) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    held_to(shape, answer.json())


def test_a_group_tells_what_becomes_of_tasks_that_cannot_be_reached(client: TestClient, front: FakeFront) -> None:
    spec = Unreachable(replace_after_seconds=90.0, keep=Keep.ORIGINAL)
    front.view = a_view([a_stack("batch", [a_group(JOB, unreachable=spec)])])
    (group,) = client.get("/v1/groups").json()["groups"]
    assert group["unreachable"] == {"replace_after_seconds": 90.0, "keep": "original"}


def test_a_task_whose_agent_owes_an_answer_and_is_away_says_so(client: TestClient, front: FakeFront) -> None:
    states = [TaskState.INTENT, TaskState.KILLING, TaskState.RUNNING]
    tasks = [a_task(PROD, slot, slot + 1, state=state, agent=slot + 1) for slot, state in enumerate(states)]
    away = an_agent(1, state=AgentState.DISCONNECTED)
    front.view = a_view([a_stack("shop", [a_group(PROD, instances=3, tasks=tasks)])], agents=[away, an_agent(3)])
    host, other = tasks[0].hostname, tasks[1].hostname
    assert [line["held_up"] for line in client.get("/v1/tasks").json()["tasks"]] == [
        f"agent {host} is disconnected: nothing happens before it is back",
        f"agent {other} is not registered with the master: nothing happens before it is back",
        "",
    ]


def test_endpoints_are_of_tasks_that_are_ready_and_stay(client: TestClient, front: FakeFront) -> None:
    def ready(pattern: str) -> list[str]:
        return [line["id"] for line in client.get("/v1/endpoints", params={"pattern": pattern}).json()["endpoints"]]

    assert ready("") == ["shop.web.dev.0.9", "shop.web.frontend-prod.0.1"]
    assert ready("shop/web[prod]") == ["shop.web.frontend-prod.0.1"]
    leaving = a_task(PROD, goal=Goal.STOP)
    unhealthy = a_task(PROD, 1, 2, health=Health.UNHEALTHY)
    front.view = a_view([a_stack("shop", [a_group(PROD, tasks=[leaving, unhealthy])])])
    assert ready("") == []


def test_info_tells_who_answers(client: TestClient) -> None:
    info = client.get("/v1/info").json()
    assert info["framework_id"] == FRAMEWORK
    assert info["master"] == "10.0.0.1:5050"
    assert info["uptime_seconds"] == 3600
    assert info["executor_url_path"] == "/v1/executor/a1b2/framework-executor.pyz"


def test_ready_only_while_subscribed(client: TestClient, front: FakeFront) -> None:
    assert client.get("/v1/ready").status_code == 200
    front.view = a_view(connection=Connection.CONNECTING, problem="No master at 10.0.0.1:5050; trying again.")
    answer = client.get("/v1/ready")
    assert (answer.status_code, answer.json()["message"]) == (503, "No master at 10.0.0.1:5050; trying again.")
    front.view = a_view(connection=Connection.LOADING)
    assert "loading" in client.get("/v1/ready").json()["message"]
    front.view = a_view(store_problem="ZooKeeper cannot be reached")
    answer = client.get("/v1/ready")
    assert (answer.status_code, answer.json()["message"]) == (503, "ZooKeeper cannot be reached")


@pytest.mark.parametrize("path", ["/v1/stacks", "/v1/stacks/shop", "/v1/groups", "/v1/tasks", "/v1/tasks/1"])
def test_nothing_is_said_of_stacks_before_the_store_is_read(client: TestClient, front: FakeFront, path: str) -> None:
    front.view = a_view(connection=Connection.LOADING)
    answer = client.get(path)
    assert answer.status_code == 503
    assert "reading its store" in answer.json()["message"]


def test_stacks_by_name_with_the_state_that_matters_most(client: TestClient) -> None:
    stacks = client.get("/v1/stacks").json()["stacks"]
    assert [(stack["name"], stack["state"], stack["ready"], stack["wanted"]) for stack in stacks] == [
        ("batch", "finished", 0, 1),
        ("shop", "waiting", 1, 4),
    ]


def test_a_stack_can_be_submitted_as_it_was_read(client: TestClient) -> None:
    answer = client.get("/v1/stacks/shop")
    assert answer.headers["etag"] == '"7"'
    stack = stack_from_json(answer.json()["definition"], name="shop")
    assert [(str(group.id), group.instances) for group in stack.groups] == [
        ("shop/web[dev]", 1),
        ("shop/web[frontend,prod]", 4),
    ]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", {JOB, PROD, DEV}),
        ("shop", {PROD, DEV}),
        ("shop/web", {PROD, DEV}),
        ("shop/web[dev]", {DEV}),
        ("*/job", {JOB}),
        ("sho", set()),
    ],
)
def test_patterns(client: TestClient, pattern: str, found: set[GroupId]) -> None:
    groups = client.get("/v1/groups", params={"pattern": pattern}).json()["groups"]
    assert {group["group"] for group in groups} == {str(group) for group in found}


def test_a_group_says_what_it_waits_for(client: TestClient) -> None:
    (group,) = client.get("/v1/groups", params={"pattern": "shop/web[prod]"}).json()["groups"]
    assert (group["ready"], group["wanted"], group["live"], group["outdated"]) == (1, 4, 2, 0)
    assert group["waiting"] == [
        {
            "cause": "backs off",
            "slots": [2],
            "until": NOW + 9,
            "is_final": False,
            "is_unplaced": False,
            "backoff": None,
        },
        {
            "cause": "no offer has 4 cpus",
            "slots": [3],
            "until": None,
            "is_final": False,
            "is_unplaced": False,
            "backoff": None,
        },
    ]
    assert group["progress"][0]["stage"] == "pulling"
    assert group["states"] == {"RUNNING": 1, "STARTING": 1}
    assert (group["last_end"]["message"], group["last_end"]["exit_code"]) == ("exited with 1", 1)
    assert group["failed"] == 0


def test_a_group_says_what_it_needs(client: TestClient, front: FakeFront) -> None:
    needy = a_group(DEV, dependencies=(Dependency(service="auth", condition=Condition.HEALTHY),))
    front.view = a_view([a_stack("shop", [needy])])
    (group,) = client.get("/v1/groups").json()["groups"]
    assert group["depends_on"] == [{"service": "auth", "condition": "healthy", "on_change": "none", "signal": ""}]


def test_a_task_of_another_generation_is_outdated_and_not_ready(client: TestClient) -> None:
    (group,) = client.get("/v1/groups", params={"pattern": "shop/web[dev]"}).json()["groups"]
    assert (group["ready"], group["outdated"], group["wanted"], group["instances"]) == (0, 1, 0, 1)


def test_a_task_that_failed_for_good_is_counted(client: TestClient) -> None:
    (group,) = client.get("/v1/groups", params={"pattern": "batch"}).json()["groups"]
    assert (group["failed"], group["finished"]) == (1, 0)


def test_a_task_that_was_told_to_stop_did_not_fail(client: TestClient, front: FakeFront) -> None:
    stopped = a_task(JOB, 0, 20, state=TaskState.KILLED, goal=Goal.STOP, ended_at=NOW - 1)
    job = a_group(JOB, state=GroupState.FINISHED, restart=Restart.NEVER, ended=[stopped])
    front.view = a_view([a_stack("batch", [job])])
    assert client.get("/v1/groups").json()["groups"][0]["failed"] == 0


def test_tasks_and_waiting_slots(client: TestClient) -> None:
    answer = client.get("/v1/tasks", params={"pattern": "shop/web[prod]"}).json()
    assert [task["id"] for task in answer["tasks"]] == ["shop.web.frontend-prod.0.1", "shop.web.frontend-prod.1.2"]
    assert [(waiting["slot"], waiting["cause"]) for waiting in answer["waiting"]] == [
        (2, "backs off"),
        (3, "no offer has 4 cpus"),
    ]
    everything = client.get("/v1/tasks", params={"pattern": "shop/web[prod]", "all": "true"}).json()
    assert len(everything["tasks"]) == 3


def test_a_task_by_id_and_by_its_number(client: TestClient) -> None:
    task = client.get("/v1/tasks/shop.web.frontend-prod.0.1").json()
    assert task == client.get("/v1/tasks/1").json()
    assert task["endpoints"] == ["127.0.1.1:31001"]
    assert task["ports"] == [{"name": "http", "host_port": 31001, "container_port": 8080, "protocol": "tcp"}]
    assert (task["agent"], task["since"], task["ended_at"]) == ("agent1", NOW - 60, None)


def test_ended_tasks_have_no_endpoint(client: TestClient) -> None:
    task = client.get("/v1/tasks/3").json()
    assert (task["state"], task["endpoints"], task["exit_code"]) == ("FAILED", [], 1)


def test_ports_on_the_host_network_and_of_another_version(client: TestClient, front: FakeFront) -> None:
    host = Container(image="x", ports=(Port(name="http", container_port=0),))
    old = Container(image="old", ports=host.ports)
    gid = group_id("one", "two")
    tasks = [a_task(gid, 0, 1, container=host), a_task(gid, 1, 2, container=old)]
    front.view = a_view([a_stack("one", [a_group(gid, instances=2, container=host, tasks=tasks)])])
    ours, other = client.get("/v1/tasks").json()["tasks"]
    assert ours["ports"] == [{"name": "http", "host_port": 31001, "container_port": 31001, "protocol": "tcp"}]
    assert other["ports"] == [{"name": "port0", "host_port": 31002, "container_port": None, "protocol": None}]
    assert (ours["is_outdated"], other["is_outdated"]) == (False, True)


def test_addresses_of_version_6_are_bracketed(client: TestClient, front: FakeFront) -> None:
    front.view = a_view([a_stack("shop", [a_group(DEV, tasks=[a_task(DEV, address="fd00::5")])])])
    assert client.get("/v1/tasks/1").json()["endpoints"] == ["[fd00::5]:31001"]


def test_the_executor_archive_is_served_under_its_hash_only(client: TestClient) -> None:
    path = "/v1/executor/a1b2/framework-executor.pyz"
    answer = client.get(path)
    assert answer.content.endswith(b"PK")
    assert "immutable" in answer.headers["cache-control"]
    assert client.head(path).headers["content-length"] == str(len(answer.content))
    missing = client.get("/v1/executor/ffff/framework-executor.pyz")
    assert missing.status_code == 404
    assert "a1b2" in missing.json()["message"]


def test_progress_is_of_the_task(front: FakeFront, client: TestClient) -> None:
    assert client.get("/v1/tasks/2").json()["progress"] == {"stage": "pulling", "done_bytes": 5, "total_bytes": 10}
    assert client.get("/v1/tasks/1").json()["progress"] is None
    assert TaskId("shop.web.frontend-prod.1.2") in front.view.progress
