"""Records: how nodes are told apart, folded and refused."""

from __future__ import annotations

import zlib

import pytest

from framework.adapters import records
from framework.adapters.records import NewerSchema, RecordFault
from framework.core.commands import PutFramework
from specs import records_pb2 as pb
from specs.ids import FrameworkId, TaskId
from specs.stack import Container
from tests.kit.stored import stored_stack, stored_task, stored_version


def test_a_small_node_is_its_message() -> None:
    node = records.stack_node(stored_stack())
    assert pb.StackRecord.FromString(node).name == "shop"
    assert node[0] == 0x08


def test_a_large_node_is_compressed() -> None:
    stack = stored_stack(groups=1000)
    node = records.stack_node(stack)
    assert node[0] == 0x78
    assert len(node) < len(zlib.decompress(node)) / 10
    assert records.stack_of(node) == stack


def test_a_large_version_has_its_settings_compressed() -> None:
    environment = tuple((f"VARIABLE_{number:04}", "some value") for number in range(500))
    version = stored_version(container=Container(image="acme/web:1.4", environment=environment))
    node = records.version_node(version)
    assert pb.VersionRecord.FromString(node).compressed
    assert records.version_of(node) == version


def test_a_bucket_that_is_joined_is_what_protobuf_writes() -> None:
    tasks = [records.task_bytes(stored_task(serial)) for serial in range(5)]
    bucket = pb.TaskBucket(schema=1, tasks=[pb.TaskRecord.FromString(task) for task in tasks])
    assert records.bucket_node(tasks) == bucket.SerializeToString()


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
    node = pb.FrameworkRecord(schema=2, framework_id="f", next_serial=9).SerializeToString()
    with pytest.raises(NewerSchema, match="has schema 2, and this program knows schemas up to 1"):
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
