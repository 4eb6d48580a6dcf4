"""Records: how nodes are told apart, folded and refused."""

from __future__ import annotations

import dataclasses
import zlib
from typing import Any

import pytest

from framework.adapters import packing, records, spec_records
from framework.adapters.packing import NewerSchema, RecordFault
from framework.core.commands import PutFramework
from framework.core.model import AgentFailures
from specs import records_pb2 as pb
from specs.ids import FrameworkId, TaskId, group_id
from specs.model.constraints import Mode, Rules
from specs.model.stack import Container
from tests.kit.stored import stored_agent, stored_rules, stored_stack, stored_task, stored_version


def test_a_small_node_is_its_message() -> None:
    node = spec_records.stack_node(stored_stack())
    assert pb.StackRecord.FromString(node).name == "shop"
    assert node[0] == 0x08


def test_a_large_node_is_compressed() -> None:
    stack = stored_stack(groups=1000)
    node = spec_records.stack_node(stack)
    assert node[0] == 0x78
    assert len(node) < len(zlib.decompress(node)) / 10
    assert spec_records.stack_of(node) == stack


def test_a_large_version_has_its_settings_compressed() -> None:
    environment = tuple((f"VARIABLE_{number:04}", "some value") for number in range(500))
    version = stored_version(container=Container(image="acme/web:1.4", environment=environment))
    node = records.version_node(version)
    assert pb.VersionRecord.FromString(node).compressed
    assert records.version_of(node) == version


def test_a_bucket_that_is_joined_is_what_protobuf_writes() -> None:
    tasks = [records.task_bytes(stored_task(serial)) for serial in range(5)]
    bucket = pb.TaskBucket(schema=packing.SCHEMA, tasks=[pb.TaskRecord.FromString(task) for task in tasks])
    assert records.bucket_node(tasks) == bucket.SerializeToString()
    agents = [records.agent_bytes(stored_agent(number)) for number in range(5)]
    of_agents = pb.AgentBucket(schema=packing.SCHEMA, agents=[pb.AgentRecord.FromString(agent) for agent in agents])
    assert records.bucket_node(agents) == of_agents.SerializeToString()


def test_what_a_group_does_not_say_takes_no_room() -> None:
    (group, _) = pb.StackRecord.FromString(spec_records.stack_node(stored_stack())).groups
    assert {field.name for field, _ in group.ListFields()}.isdisjoint({"mode", "rules_json"})


def test_a_groups_mode_and_rules_come_back_and_equal_rules_are_one_value() -> None:
    stack = stored_stack(groups=3)
    told = [dataclasses.replace(group, mode=Mode.GLOBAL, rules=stored_rules()) for group in stack.groups[:2]]
    stack = dataclasses.replace(stack, groups=(*told, stack.groups[2]))
    node = spec_records.stack_node(stack)
    first, second, third = spec_records.stack_of(node).groups
    assert (first, second, third) == stack.groups
    assert first.rules is second.rules
    assert third.rules == Rules()
    text = pb.StackRecord.FromString(node).groups[0].rules_json.decode()
    assert text.startswith('{"apart":[{"to":{"service":"batch"}}],"constraints":[{"field":"rack","mode":"quota",')
    assert ": " not in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mode": "everywhere"}, "has a word that no stack has: 'everywhere' is not a valid Mode"),
        ({"rules_json": b"{"}, "has rules that are none: Expecting"),
        ({"rules_json": b"[]"}, "has rules that are none: "),
        ({"rules_json": b'{"near":[[]]}'}, "has rules that are none: "),
        ({"rules_json": b'{"near":[{}]}'}, "has rules that are none: .*'to'"),
        ({"rules_json": b'{"far":1}'}, "has rules that are none: Rules: wanted keys among .* got far"),
        ({"rules_json": b'{"strategy":"best"}'}, "has rules that are none: 'best' is not a valid Strategy"),
        ({"rules_json": b'{"near":[{"to":{"labels":[["a"]]}}]}'}, "has rules that are none: unhashable"),
        ({"rules_json": b"[" * 100_000}, "has rules that are none: "),
    ],
)
def test_a_group_that_says_what_none_says_is_refused(change: dict[str, Any], says: str) -> None:
    node = pb.StackRecord(schema=3, name="shop", groups=[pb.GroupRecord(service="web", restart="always", **change)])
    with pytest.raises(RecordFault, match=says):
        spec_records.stack_of(node.SerializeToString())


def test_an_agent_that_failed_groups_comes_back() -> None:
    group = group_id("shop", "web", ("dev",))
    failures = tuple(AgentFailures(group=group, count=count, at=1.7e9) for count in (0.25, 3.0))
    agent = stored_agent(1, failures=failures, region="", zone="", attributes=())
    ((found, record),) = records.agents_of(records.bucket_node([records.agent_bytes(agent)]))
    assert found == agent
    assert record == records.agent_bytes(agent)


# As the first release wrote them.
OLD_FRAMEWORK = bytes.fromhex("08011203662d311807")
OLD_STACK = bytes.fromhex(
    "0801120473686f701a580a087765623030303030120866726f6e74656e64120470726f641a0c30313233343536373839616220043a06616c77"
    "61797342100a0572656469731207737461727465644a120a056f776e6572120973686f70207465616d20032900000040fc54d9413203312e34"
    "3a03616e6e"
)
OLD_VERSION = (
    b'\x08\x01\x12\x04shop\x1a\x0c000000000000"\x8e\x02{"container":{"command":["serve","--port","8080"],"environment":'
    b'[["LOG","info"],["NUMBER","0"]],"health":{"kind":"http","path":"/healthz","port":"http"},"image":"acme/web:1.4",'
    b'"ports":[{"container_port":8080,"name":"http"}]},"resources":{"cpus_milli":500,"mem_mib":256}}'
)


def test_what_an_older_program_wrote_is_read() -> None:
    assert records.framework_of(OLD_FRAMEWORK) == PutFramework(framework_id=FrameworkId("f-1"), next_serial=7)
    assert spec_records.stack_of(OLD_STACK) == stored_stack(groups=1)
    assert records.version_of(OLD_VERSION) == stored_version()
    record = records.task_bytes(stored_task(1))
    bucket = pb.TaskBucket(schema=1, tasks=[pb.TaskRecord.FromString(record)])
    assert records.bucket_of(bucket.SerializeToString()) == [(stored_task(1), record)]


def test_what_is_written_says_the_schema_at_which_older_programs_stop() -> None:
    written = (
        records.framework_node(PutFramework(framework_id=None, next_serial=1)),
        spec_records.stack_node(stored_stack()),
        records.version_node(stored_version()),
        records.bucket_node([records.task_bytes(stored_task(1))]),
        records.bucket_node([records.agent_bytes(stored_agent(1))]),
    )
    assert {node[:2] for node in written} == {bytes([8, packing.SCHEMA])}


def test_an_exit_code_of_0_is_one_and_none_is_none() -> None:
    for exit_code in (None, 0, 137, -1):
        task = stored_task(1, exit_code=exit_code)
        ((found, _),) = records.bucket_of(records.bucket_node([records.task_bytes(task)]))
        assert found.exit_code == exit_code


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is no FrameworkRecord: it has no schema"),
        (b"\xff\xff", "is no FrameworkRecord"),
        (b"\x78\x9c\xff\x00", "is damaged"),
        (zlib.compress(b"\x08\x01" * 99)[:-1], "is cut off"),
        (zlib.compress(bytes(65 * 1024 * 1024)), "unfolds to more than 67108864 bytes"),
    ],
)
def test_what_is_no_record_says_why(data: bytes, says: str) -> None:
    with pytest.raises(RecordFault, match=says):
        records.framework_of(data)


def test_a_newer_schema_is_refused() -> None:
    node = pb.FrameworkRecord(schema=4, framework_id="f", next_serial=9).SerializeToString()
    with pytest.raises(NewerSchema, match="has schema 4, and this program knows schemas up to 3"):
        records.framework_of(node)


def test_an_unknown_word_is_refused_by_name() -> None:
    record = pb.TaskRecord.FromString(records.task_bytes(stored_task(1)))
    record.state = "DANCING"
    with pytest.raises(RecordFault, match="has a word that no task has: 'DANCING'"):
        records.bucket_of(records.bucket_node([record.SerializeToString()]))


@pytest.mark.parametrize(("task", "serial"), [("shop.web.0.17", 17), ("a.b.c.0", 0)])
def test_the_serial_is_at_the_end_of_a_task_id(task: str, serial: int) -> None:
    assert records.serial_of(TaskId(task)) == serial


@pytest.mark.parametrize("task", ["", "shop", "shop.web.", "shop.web.x", "shop.web.-1", "shop.web.٣"])
def test_a_task_id_without_a_serial_is_refused(task: str) -> None:
    with pytest.raises(ValueError, match=r"wanted one that ends in \.<serial number>"):
        records.serial_of(TaskId(task))


def test_a_framework_without_an_id_has_none() -> None:
    for name in (None, FrameworkId("f-1")):
        put = PutFramework(framework_id=name, next_serial=7)
        assert records.framework_of(records.framework_node(put)) == put
