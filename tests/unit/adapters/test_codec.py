"""Mesos's JSON and our values: what real masters say, and what we say, kept in tests/golden/mesos."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

from framework.adapters import codec, mesos_events, mesos_messages, mesos_resources
from framework.adapters.codec import TaskWriter
from framework.adapters.mesos_calls import body, joined
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig, executor_uri
from framework.core.commands import (
    Accept,
    Acknowledge,
    Call,
    Decline,
    Kill,
    Launch,
    Reconcile,
    Revive,
    Subscribe,
    Suppress,
)
from placement.offer import ReservationPool
from specs.executor_ids import executor_variant
from specs.ids import AgentId, ExecutorId, FrameworkId, OfferId, TaskId, group_id
from specs.model.canonical import container_from_json
from specs.model.resources import PortRanges, Resources
from specs.model.stack import CheckKind, Container, HealthCheck, Network, Port, Protocol, Stop
from specs.records_pb2 import ExecutorMessage, LaunchOrder, Progress, StatusDetail
from specs.states import TaskState
from tests.kit.mesos_samples import GROUP, make_offer, make_task

GOLDEN = Path(__file__).parents[2] / "golden" / "mesos"
FRAMEWORK = FrameworkId("2f946815-0023")
CONFIG = MesosConfig(
    master="127.0.0.1:5050",
    role="apps",
    name="framework",
    principal="framework",
    webui_url="http://10.0.0.1:8080",
    hostname="here",
    executor=ExecutorConfig(
        uri=executor_uri("10.0.0.1:8080", "ab" * 32), environment=(("FRAMEWORK_EXECUTOR_NOOP", "1"),)
    ),
)
CONTAINER = Container(
    image="acme/web:1.4",
    ports=(Port(name="http", container_port=8080), Port(name="dns", container_port=53, protocol=Protocol.UDP)),
    labels=(("owner", "me"), ("slot", "theirs")),
    stop=Stop(grace_seconds=20.5),
    health=HealthCheck(kind=CheckKind.HTTP, path="/healthz", port="http", interval_seconds=5.0),
)
STATIC = '[{"role":"apps","type":"STATIC"}]'
LAUNCH = Launch(
    task=make_task(host_ports=(31000, 31001)),
    container=CONTAINER,
    resources=Resources(cpus_milli=500, mem_mib=256, ports=PortRanges.single([31000, 31001])),
)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def test_a_groups_metadata_is_among_the_labels_and_ours_win() -> None:
    launch = dataclasses.replace(LAUNCH, metadata=(("team", "shop"), ("stack", "theirs")))
    labels = {label["key"]: label["value"] for label in codec.task_labels(launch)}
    assert (labels["team"], labels["stack"], labels["owner"]) == ("shop", GROUP.stack, "me")


# ---- what Mesos says ----------------------------------------------------------


def test_an_offer_is_read() -> None:
    offer = codec.offer(golden("offer"))
    assert offer.id == "2f946815-O1575"
    assert (offer.agent_id, offer.hostname, offer.role) == ("2f946815-S13", "agent8", "apps")
    assert (offer.address, offer.agent_port) == ("127.51.1.8", 5051)
    assert (offer.region, offer.zone) == ("europe", "europe-1")
    assert offer.executor_ids == ("framework-executor-0123456789ab", "other")
    assert offer.attributes == (("disks", "[1-2,5-6]"), ("kinds", "{hdd,ssd}"), ("level", "2.5"), ("rack", "b"))
    assert offer.resources == Resources(
        cpus_milli=15949,  # 15.849 + 0.1005 rounded half to even; nothing revocable or reserved for others
        mem_mib=16268,
        disk_mib=10000,  # neither mounted, shared, nor of a resource provider
        gpus=2,
        ports=PortRanges.of([(80, 80), (26000, 26060), (26100, 26499)]),
        scalars=(("bandwidth", 100_000),),
    )
    assert [pool.reservation for pool in offer.pools] == ["", STATIC]
    assert offer.pools[1].resources == Resources(ports=PortRanges.single([80]))
    assert offer.pools[0].resources + offer.pools[1].resources == offer.resources
    assert offer.window is None


def test_a_bare_offer_is_read() -> None:
    offer = codec.offer(make_offer(resources=[]))
    assert offer.resources == Resources()
    assert (offer.attributes, offer.region, offer.zone, offer.executor_ids) == ((), "", "", ())


@pytest.mark.parametrize(
    ("unavailability", "window"),
    [
        ({"start": {"nanoseconds": 1795258317500000000}}, (1795258317.5, math.inf)),
        (
            {"start": {"nanoseconds": 1795258317000000000}, "duration": {"nanoseconds": 60_000_000_000}},
            (1795258317.0, 1795258377.0),
        ),
    ],
)
def test_planned_maintenance_is_a_window(unavailability: dict[str, Any], window: tuple[float, float]) -> None:
    assert codec.offer(make_offer(unavailability=unavailability)).window == window


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (2.0, "2"), (1000000.0, "1000000"), (0.0625, "0.062"), (0.1875, "0.188"), (-0.0001, "0")],
)
def test_scalar_attributes_are_text_as_marathon_compares_it(value: float, text: str) -> None:
    assert codec.attribute_text({"name": "n", "type": "SCALAR", "scalar": {"value": value}}) == text


@pytest.mark.parametrize(("kind", "content", "text"), [("RANGES", {"ranges": {}}, "[]"), ("SET", {"set": {}}, "{}")])
def test_empty_attributes(kind: str, content: dict[str, Any], text: str) -> None:
    assert codec.attribute_text({"name": "n", "type": kind, **content}) == text


def test_an_attribute_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="attribute n: wanted type TEXT, SCALAR, RANGES or SET, got BLOB"):
        codec.attribute_text({"name": "n", "type": "BLOB"})


def test_a_status_is_read() -> None:
    status = codec.status(golden("status"))
    assert (status.task_id, status.agent_id) == ("shop.web.dev-frontend.2.17", "2f946815-S13")
    assert status.state is TaskState.FAILED
    assert status.uuid == "lwYlhLRiR1qnHZ1b1UgQZw=="
    assert (status.reason, status.source) == ("REASON_COMMAND_EXECUTOR_FAILED", "SOURCE_EXECUTOR")
    assert (status.message, status.is_healthy, status.at) == ("exited with 137", False, 1795244948.0281775)
    assert (status.container_id, status.sandbox, status.exit_code) == ("abc1234", "/box/run", 137)
    assert status.addresses == ("172.17.0.5", "10.0.0.7")


def test_a_status_of_the_master_has_neither_agent_nor_uuid() -> None:
    status = codec.status({"task_id": {"value": "t"}, "state": "TASK_UNKNOWN", "reason": "REASON_RECONCILIATION"})
    assert (status.state, status.agent_id, status.uuid) == (TaskState.UNKNOWN, None, "")
    assert (status.is_healthy, status.exit_code) == (None, None)


@pytest.mark.parametrize("state", [state for state in TaskState if state is not TaskState.INTENT])
def test_every_state_of_mesos_is_known(state: TaskState) -> None:
    assert codec.status({"task_id": {"value": "t"}, "state": f"TASK_{state.value}"}).state is state


def test_exit_code_zero_is_not_none() -> None:
    data = base64.b64encode(StatusDetail(has_exit_code=True).SerializeToString()).decode()
    assert codec.status({"task_id": {"value": "t"}, "state": "TASK_FINISHED", "data": data}).exit_code == 0


def test_an_executors_message_is_read() -> None:
    message = ExecutorMessage(progress=Progress(task_id="t", stage="pulling", done_bytes=1, total_bytes=2))
    read = mesos_messages.executor_message(base64.b64encode(message.SerializeToString()).decode())
    assert read.progress.stage == "pulling"


def test_every_message_of_an_executor_is_an_event() -> None:
    kinds = [field.name for field in ExecutorMessage.DESCRIPTOR.oneofs_by_name["what"].fields]
    assert sorted(kinds) == sorted(get_args(mesos_events.MessageKind))
    for kind in kinds:
        message = ExecutorMessage()
        getattr(message, kind).SetInParent()
        sent = {"agent_id": {"value": "a"}, "executor_id": {"value": "e"}, "data": _base64(message.SerializeToString())}
        assert mesos_events.event({"type": "MESSAGE", "message": sent}, lambda _: None) is not None


def test_a_message_of_a_later_executor_is_passed_over() -> None:
    unknown = bytes([15 << 3 | 2, 0])  # an empty field 15
    sent = {"agent_id": {"value": "a"}, "executor_id": {"value": "e"}, "data": _base64(unknown)}
    assert mesos_events.event({"type": "MESSAGE", "message": sent}, lambda _: None) is None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# ---- what we say --------------------------------------------------------------


def test_the_framework_info() -> None:
    assert codec.framework_info(CONFIG, FRAMEWORK).to_dict() == golden("framework_info")
    assert "id" not in codec.framework_info(CONFIG)


def test_the_executor_info() -> None:
    assert codec.executor_info(CONFIG.executor, "apps").to_dict() == golden("executor_info")


def test_the_executor_id_names_all_settings() -> None:
    first = codec.executor_id(CONFIG.executor, "apps")
    assert first == codec.executor_id(dataclasses.replace(CONFIG.executor), "apps")
    assert first.startswith("framework-executor-") and len(first) == len("framework-executor-") + 12
    executor = CONFIG.executor
    changed = (
        dataclasses.replace(executor, uri="http://x"),
        dataclasses.replace(executor, idle_seconds=5),
        dataclasses.replace(executor, resources=Resources(cpus_milli=1)),
        dataclasses.replace(executor, environment=()),
        dataclasses.replace(executor, shutdown_grace_seconds=1.0),
    )
    others = {codec.executor_id(each, "apps") for each in changed}
    assert len(others | {first, codec.executor_id(CONFIG.executor, "other")}) == 7


def test_the_address_it_is_fetched_from_is_in_the_id_beside_the_hash() -> None:
    def info(address: str, of: str | None = None) -> dict[str, Any]:
        config = ExecutorConfig(uri=executor_uri(address, "ab" * 32), address=address)
        plain: dict[str, Any] = orjson.loads(orjson.dumps(codec.executor_info(config, "apps", STATIC, of)))
        return plain

    one, other = info("10.0.0.1:8080"), info("10.0.0.2:8080")
    ids = [each["executor_id"]["value"].partition("@") for each in (one, other)]
    assert ids[0][0] == ids[1][0]
    assert [address for _, _, address in ids] == ["10.0.0.1~8080", "10.0.0.2~8080"]
    assert one != other
    assert info("10.0.0.2:8080", "10.0.0.1:8080") == one, "another leader writes the very same"


def test_a_task_of_an_executor_that_another_leader_started_is_written_with_its_address() -> None:
    def written(address: str, executor: ExecutorId) -> dict[str, Any]:
        config = ExecutorConfig(uri=executor_uri(address, "ab" * 32), address=address)
        task = dataclasses.replace(make_task((31000, 31001)), executor_id=executor)
        launch = Launch(task=task, container=CONTAINER, resources=Resources(cpus_milli=10))
        info = TaskWriter(dataclasses.replace(CONFIG, executor=config)).task_info(launch, FRAMEWORK)
        plain: dict[str, Any] = orjson.loads(orjson.dumps(info.executor))
        return plain

    config = ExecutorConfig(uri=executor_uri("10.0.0.1:8080", "ab" * 32), address="10.0.0.1:8080")
    id = codec.executor_id(config, "apps")
    assert written("10.0.0.1:8080", id) == written("10.0.0.2:8080", id)
    assert written("10.0.0.2:8080", id)["command"]["uris"][0]["value"].startswith("http://10.0.0.1:8080/v1/executor/")


def test_an_archive_that_others_serve_has_its_hash_in_the_id() -> None:
    config = ExecutorConfig(uri="/opt/executor.pyz", content="ab" * 32, is_cacheable=False)
    info = codec.executor_info(config, "apps").to_dict()
    assert (info["command"]["uris"][0]["value"], info["command"]["uris"][0]["cache"]) == ("/opt/executor.pyz", False)
    assert codec.executor_id(config, "apps") != codec.executor_id(dataclasses.replace(config, content="cd"), "apps")


def test_an_executor_paid_from_a_reservation_is_a_variant() -> None:
    base = codec.executor_id(CONFIG.executor, "apps")
    assert codec.executor_id(CONFIG.executor, "apps", STATIC) == executor_variant(base, STATIC)
    info = orjson.loads(orjson.dumps(codec.executor_info(CONFIG.executor, "apps", STATIC)))
    assert info["executor_id"]["value"] == executor_variant(base, STATIC)
    assert [each["reservations"] for each in info["resources"]] == [json.loads(STATIC)] * 2
    plain = orjson.loads(orjson.dumps(codec.executor_info(CONFIG.executor, "apps")))
    assert {**info, "resources": 0, "executor_id": 0} == {**plain, "resources": 0, "executor_id": 0}


CALLS: dict[str, Call] = {
    "accept": Accept(offer_ids=(OfferId("o1"), OfferId("o2")), launches=(LAUNCH,), refuse_seconds=5.0),
    "decline": Decline(offer_ids=(OfferId("o1"), OfferId("o2")), refuse_seconds=3600.0),
    "kill": Kill(task_id=TaskId("t"), agent_id=AgentId("a"), grace_seconds=2.5),
    "acknowledge": Acknowledge(task_id=TaskId("t"), agent_id=AgentId("a"), uuid="lwYlhLRiR1qnHZ1b1UgQZw=="),
    "reconcile": Reconcile(tasks=((TaskId("t"), AgentId("a")),)),
    "revive": Revive(),
    "suppress": Suppress(),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    assert json.loads(body(CALLS[name], FRAMEWORK, TaskWriter(CONFIG))) == golden(name)


def test_a_kill_without_agent_or_grace() -> None:
    kill = json.loads(body(Kill(task_id=TaskId("t"), agent_id=None), FRAMEWORK, TaskWriter(CONFIG)))
    assert kill["kill"] == {"task_id": {"value": "t"}}


def test_reconcile_everything_names_nothing() -> None:
    assert json.loads(body(Reconcile(), FRAMEWORK, TaskWriter(CONFIG)))["reconcile"] == {"tasks": []}


def test_subscribe_is_no_call_among_others() -> None:
    with pytest.raises(ValueError, match="SUBSCRIBE opens a stream"):
        body(Subscribe(framework_id=None), FRAMEWORK, TaskWriter(CONFIG))


def test_declines_become_one() -> None:
    declines = [Decline(offer_ids=(OfferId(id),), refuse_seconds=5.0) for id in ("a", "b")]
    assert joined(declines) == Decline(offer_ids=(OfferId("a"), OfferId("b")), refuse_seconds=5.0)


def task_info(launch: Launch = LAUNCH) -> dict[str, Any]:
    info: dict[str, Any] = orjson.loads(orjson.dumps(TaskWriter(CONFIG).task_info(launch, FRAMEWORK)))
    return info


def test_an_order_that_only_removes_is_refused_by_executors_that_would_start_it() -> None:
    task = dataclasses.replace(LAUNCH.task, sweeps=True, predecessors=(TaskId("old.1"),))
    sweep = dataclasses.replace(LAUNCH, task=task)
    order = LaunchOrder.FromString(base64.b64decode(task_info(sweep)["data"]))
    assert (order.schema, order.sweeps, list(order.predecessors)) == (2, True, ["old.1"])


def test_the_launch_order_has_all_that_the_executor_needs() -> None:
    order = LaunchOrder.FromString(base64.b64decode(task_info()["data"]))
    assert order.schema == 1
    assert (order.task_id, order.slot, order.attempt) == ("shop.web.dev-frontend.2.17", 2, 3)
    assert (order.stack, order.service, list(order.labels)) == ("shop", "web", ["dev", "frontend"])
    assert (order.cpus_milli, order.mem_mib, list(order.host_ports)) == (500, 256, [31000, 31001])
    assert (order.address, order.hostname, order.agent_id) == ("127.0.1.1", "agent1", "a-S0")
    assert order.framework_id == FRAMEWORK
    assert order.version == "0123456789ab"
    assert container_from_json(order.container_json) == CONTAINER


def test_a_container_that_names_no_name_servers_asks_ours_for_its_own_stack() -> None:
    config = dataclasses.replace(CONFIG, dns=("172.17.0.1", "agent"), dns_domain="framework.internal")

    def given(config: MesosConfig = config, **container: Any) -> tuple[list[str], list[str]]:
        launch = dataclasses.replace(LAUNCH, container=dataclasses.replace(LAUNCH.container, **container))
        data = TaskWriter(config).task_info(launch, FRAMEWORK)["data"]
        order = LaunchOrder.FromString(base64.b64decode(data))
        return list(order.dns), list(order.dns_search)

    servers = ["172.17.0.1", LAUNCH.task.address]
    assert given() == (servers, [f"{LAUNCH.task.group.stack}.service.framework.internal"])
    assert given(dns_search=("example.org",)) == (servers, [])
    assert given(dns=("9.9.9.9",)) == given(image="", command=("true",)) == given(CONFIG) == ([], [])


def test_a_task_names_the_pools_it_is_paid_from() -> None:
    free = Resources(cpus_milli=400, ports=PortRanges.single([31000, 31001]), sets=(("fpga", ("a",)),))
    reserved = Resources(cpus_milli=100, mem_mib=256, scalars=(("tokens", 1500),))
    launch = dataclasses.replace(
        LAUNCH,
        resources=free + reserved,
        pools=(ReservationPool(resources=free), ReservationPool(reservation=STATIC, resources=reserved)),
        executor_reservation=STATIC,
    )
    info = task_info(launch)
    parts = [(each["name"], each.get("reservations")) for each in info["resources"]]
    held = json.loads(STATIC)
    assert parts == [("cpus", None), ("ports", None), ("fpga", None), ("cpus", held), ("mem", held), ("tokens", held)]
    assert info["resources"][2]["set"] == {"item": ["a"]}
    assert info["resources"][5]["scalar"] == {"value": 1.5}
    assert {each["allocation_info"]["role"] for each in info["resources"]} == {"apps"}
    assert info["executor"]["resources"][0]["reservations"] == held
    order = LaunchOrder.FromString(base64.b64decode(info["data"]))
    assert [(each.name, each.amount_milli, list(each.items)) for each in order.custom] == [
        ("tokens", 1500, []),
        ("fpga", 0, ["a"]),
    ]
    assert mesos_resources.pools(info["resources"], "apps") == launch.pools


def test_executors_are_written_once_for_each_reservation() -> None:
    writer = TaskWriter(CONFIG, most_versions=2)
    ids = []
    for reservation in ("", "[1]", "[2]", ""):
        info = writer.task_info(dataclasses.replace(LAUNCH, executor_reservation=reservation), FRAMEWORK)
        ids.append(orjson.loads(orjson.dumps(info.executor))["executor_id"]["value"])
    assert ids[0] == ids[3] and len(set(ids)) == 3


def test_a_container_is_written_anew_when_a_version_has_another() -> None:
    writer = TaskWriter(CONFIG, most_versions=2)
    for image in ("a", "b", "a"):
        container = dataclasses.replace(CONTAINER, image=image)
        info = writer.task_info(dataclasses.replace(LAUNCH, container=container), FRAMEWORK)
        assert container_from_json(LaunchOrder.FromString(base64.b64decode(info.data)).container_json) == container


def test_a_task_without_labels_or_ports_is_plain() -> None:
    task = dataclasses.replace(make_task(), group=group_id("shop", "redis"))
    info = task_info(Launch(task=task, container=Container(image="redis"), resources=Resources(cpus_milli=100)))
    assert info["name"] == "redis.2"
    assert "ports" not in info["discovery"] and "environment" not in info["discovery"]
    assert [each["name"] for each in info["resources"]] == ["cpus"]
    assert "health_check" not in info


@pytest.mark.parametrize(
    ("container", "number"),
    [
        (CONTAINER, 8080),
        (dataclasses.replace(CONTAINER, network=Network.HOST), 31000),
        (dataclasses.replace(CONTAINER, ports=(Port(name="http", container_port=0), CONTAINER.ports[1])), 31000),
    ],
)
def test_the_checked_port_is_the_containers_own(container: Container, number: int) -> None:
    assert task_info(dataclasses.replace(LAUNCH, container=container))["health_check"]["http"]["port"] == number


def test_other_health_checks() -> None:
    tcp = HealthCheck(kind=CheckKind.TCP, port="dns")
    command = HealthCheck(kind=CheckKind.COMMAND, command=("test", "-e", "/up"))
    nowhere = HealthCheck(kind=CheckKind.TCP, port="nowhere")
    task = LAUNCH.task
    assert (codec.health_check(tcp, task, CONTAINER) or {})["tcp"] == {"port": 53}
    assert (codec.health_check(command, task, CONTAINER) or {})["command"] == {
        "shell": False,
        "value": "test",
        "arguments": ["test", "-e", "/up"],
    }
    assert codec.health_check(nowhere, task, CONTAINER) is None


def test_names_are_what_people_recognise() -> None:
    assert codec.task_name(make_task()) == "web[dev,frontend].2"
    assert str(GROUP) == "shop/web[dev,frontend]"
