"""Which nodes a change touches, in which order, and how it is cut."""

from __future__ import annotations

import collections
import itertools
import random
from dataclasses import replace

import pytest

from framework.adapters import image, nodes, records
from framework.adapters.image import Image, Rank
from framework.adapters.nodes import Unstorable
from framework.core.commands import (
    DeleteAgent,
    DeleteStack,
    DeleteTask,
    DeleteVersion,
    PutAgent,
    PutFramework,
    PutStack,
    PutTask,
    PutVersion,
    Save,
    Write,
)
from framework.core.model import KnownAgent
from specs.ids import AgentId
from specs.messages import MAX_MESSAGE_LENGTH
from tests.kit.stored import stored_agent, stored_stack, stored_task, stored_version


def written(image: Image, *writes: Write) -> list[tuple[str, str]]:
    """The operations on nodes, and the image after them."""
    changes = nodes.changes_of(Save(ticket=1, writes=writes))
    operations = image.operations(changes)
    image.apply(changes, operations)
    return [("delete" if each.data is None else "create" if each.is_new else "set", each.path) for each in operations]


def test_the_order_is_safe_wherever_it_breaks_off() -> None:
    image = Image()
    old = stored_version("old")
    left, come = stored_agent(1), stored_agent(2)
    written(
        image,
        PutStack(stack=stored_stack("old")),
        PutVersion(version=old),
        PutTask(task=stored_task(1)),
        PutAgent(agent=left),
    )
    assert written(
        image,
        DeleteVersion(stack="old", id=old.id),
        DeleteStack(name="old"),
        DeleteTask(id=stored_task(1).id),
        DeleteAgent(id=left.id),
        PutTask(task=stored_task(64)),
        PutAgent(agent=come),
        PutStack(stack=stored_stack()),
        PutVersion(version=stored_version()),
        PutFramework(framework_id=None, next_serial=65),
    ) == [
        ("create", "/framework"),
        ("create", "/versions/shop"),
        ("create", "/versions/shop/000000000000"),
        ("create", "/stacks/shop"),
        ("create", f"/agents/{nodes.bucket_of_agent(come.id)}"),
        ("delete", "/tasks/0"),
        ("create", "/tasks/1"),
        ("delete", f"/agents/{nodes.bucket_of_agent(left.id)}"),
        ("delete", "/stacks/old"),
        ("delete", "/versions/old/000000000000"),
        ("delete", "/versions/old"),
    ]


def test_what_is_there_is_set_and_what_is_not_is_not_deleted() -> None:
    image = Image()
    writes: tuple[Write, ...] = (PutTask(task=stored_task(1)), PutStack(stack=stored_stack()))
    assert written(image, *writes) == [("create", "/stacks/shop"), ("create", "/tasks/0")]
    assert written(image, *writes) == [("set", "/stacks/shop"), ("set", "/tasks/0")]
    assert written(image, DeleteTask(id=stored_task(2).id)) == [("set", "/tasks/0")]
    assert written(image, DeleteTask(id=stored_task(1).id), DeleteStack(name="shop")) == [
        ("delete", "/tasks/0"),
        ("delete", "/stacks/shop"),
    ]
    assert written(image, DeleteTask(id=stored_task(1).id), DeleteStack(name="shop")) == []


def neighbours() -> tuple[KnownAgent, KnownAgent, KnownAgent]:
    """Agents that share a bucket."""
    first = stored_agent(0)
    bucket = nodes.bucket_of_agent(first.id)
    others = (agent for agent in map(stored_agent, itertools.count(1)) if nodes.bucket_of_agent(agent.id) == bucket)
    return first, next(others), next(others)


def test_agents_of_one_node_come_before_tasks_and_go_after_them() -> None:
    image = Image()
    left, stays, come = neighbours()
    path = f"/agents/{nodes.bucket_of_agent(left.id)}"
    assert written(image, PutAgent(agent=left), PutAgent(agent=stays)) == [("create", path)]
    writes = (DeleteAgent(id=left.id), PutAgent(agent=come), PutTask(task=stored_task(1)))
    changes = nodes.changes_of(Save(ticket=1, writes=writes))
    before, tasks, after = image.operations(changes)
    assert [each.path for each in (before, tasks, after)] == [path, "/tasks/0", path]
    assert not before.is_new
    assert not after.is_new
    assert [[agent for agent, _ in records.agents_of(each.data or b"")] for each in (before, after)] == [
        [left, stays, come],
        [stays, come],
    ]
    image.apply(changes, [before, tasks, after])
    assert image.agents.sizes == {nodes.bucket_of_agent(left.id): len(after.data or b"")}


def test_a_node_of_agents_that_is_made_is_not_made_twice_and_goes_with_its_last() -> None:
    image = Image()
    left, stays, _ = neighbours()
    path = f"/agents/{nodes.bucket_of_agent(left.id)}"
    assert written(image, PutAgent(agent=stays), DeleteAgent(id=left.id)) == [("create", path), ("set", path)]
    assert written(image, DeleteAgent(id=stays.id)) == [("delete", path)]
    assert written(image, DeleteAgent(id=stays.id)) == []
    assert image == Image()


def test_the_bucket_of_an_agent_is_for_ever() -> None:
    assert nodes.bucket_of_agent(AgentId("5b2f7d1e-6e55-4f0d-9a7e-0d2f53c6b1f7-S0")) == 226
    agents = [stored_agent(number).id for number in range(10_000)]
    sizes = collections.Counter(map(nodes.bucket_of_agent, agents))
    assert set(sizes) == set(range(nodes.AGENT_BUCKETS))
    assert max(sizes.values()) < 100


def test_an_agent_that_is_too_large_is_named_with_what_helps() -> None:
    large = stored_agent(1, attributes=(("motd", "x" * nodes.MAX_NODE_BYTES),))
    with pytest.raises(Unstorable, match=f"agent {large.id}: 1,000,.* by giving agents shorter attributes"):
        nodes.check_write(PutAgent(agent=large))
    with pytest.raises(Unstorable, match="cannot be stored: "):
        nodes.check_write(DeleteAgent(id=AgentId("\ud800")))


def test_a_version_replaced_by_another_keeps_the_node_above() -> None:
    image = Image()
    first, second = stored_version(number=1), stored_version(number=2)
    written(image, PutVersion(version=first))
    assert written(image, PutVersion(version=second), DeleteVersion(stack="shop", id=first.id)) == [
        ("create", f"/versions/shop/{second.id}"),
        ("delete", f"/versions/shop/{first.id}"),
    ]


def test_planning_changes_nothing() -> None:
    image = Image()
    changes = nodes.changes_of(
        Save(ticket=1, writes=(PutTask(task=stored_task(1)), PutVersion(version=stored_version())))
    )
    assert image.operations(changes) == image.operations(changes)
    assert image == Image()


def test_pieces_hold_all_operations_in_order_and_none_is_too_full() -> None:
    def operation(number: int, size: int) -> image.Operation:
        return image.Operation(rank=Rank.TASKS, path=f"/tasks/{number}", data=bytes(size))

    operations = [operation(number, 100_000 if number % 3 else 10) for number in range(2000)]
    operations[7] = operation(7, nodes.MAX_NODE_BYTES)
    cut = image.pieces(operations)
    assert [each for piece in cut for each in piece] == operations
    for piece in cut:
        assert len(piece) <= image.MAX_TRANSACTION_NODES
        assert len(piece) == 1 or sum(each.size for each in piece) <= image.MAX_TRANSACTION_BYTES
    assert image.pieces([]) == []


def test_the_tasks_of_a_node_fit_with_the_longest_messages() -> None:
    """Of letters that take four bytes, in an order that cannot be compressed."""
    chance = random.Random(1)
    tasks = [
        replace(
            stored_task(serial),
            message="".join(chr(chance.randrange(0x20000, 0x2A000)) for _ in range(MAX_MESSAGE_LENGTH)),
        )
        for serial in range(nodes.TASKS_PER_BUCKET)
    ]
    (operation,) = Image().operations(nodes.changes_of(Save(ticket=1, writes=tuple(PutTask(task=t) for t in tasks))))
    assert 64 * 2 * MAX_MESSAGE_LENGTH < len(operation.data or b"") < nodes.MAX_NODE_BYTES / 2
