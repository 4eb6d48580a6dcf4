"""Which nodes a change touches, in which order, and how it is cut."""

from __future__ import annotations

from framework.adapters import nodes
from framework.adapters.nodes import Image, Rank
from framework.core.commands import (
    DeleteStack,
    DeleteTask,
    DeleteVersion,
    PutFramework,
    PutStack,
    PutTask,
    PutVersion,
    Save,
    Write,
)
from tests.kit.stored import stored_stack, stored_task, stored_version


def written(image: Image, *writes: Write) -> list[tuple[str, str]]:
    """What is done to which node, and the image after it."""
    changes = nodes.changes_of(Save(ticket=1, writes=writes))
    operations = image.operations(changes)
    image.apply(changes, operations)
    return [("delete" if each.data is None else "create" if each.is_new else "set", each.path) for each in operations]


def test_the_order_is_safe_wherever_it_breaks_off() -> None:
    image = Image()
    old = stored_version("old")
    written(image, PutStack(stack=stored_stack("old")), PutVersion(version=old), PutTask(task=stored_task(1)))
    assert written(
        image,
        DeleteVersion(stack="old", id=old.id),
        DeleteStack(name="old"),
        DeleteTask(id=stored_task(1).id),
        PutTask(task=stored_task(64)),
        PutStack(stack=stored_stack()),
        PutVersion(version=stored_version()),
        PutFramework(framework_id=None, next_serial=65),
    ) == [
        ("create", "/framework"),
        ("create", "/versions/shop"),
        ("create", "/versions/shop/000000000000"),
        ("create", "/stacks/shop"),
        ("delete", "/tasks/0"),
        ("create", "/tasks/1"),
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
    def operation(number: int, size: int) -> nodes.Operation:
        return nodes.Operation(rank=Rank.TASKS, path=f"/tasks/{number}", data=bytes(size))

    operations = [operation(number, 100_000 if number % 3 else 10) for number in range(2000)]
    operations[7] = operation(7, nodes.MAX_NODE_BYTES)
    cut = nodes.pieces(operations)
    assert [each for piece in cut for each in piece] == operations
    for piece in cut:
        assert len(piece) <= nodes.MAX_TRANSACTION_NODES
        assert len(piece) == 1 or sum(each.size for each in piece) <= nodes.MAX_TRANSACTION_BYTES
    assert nodes.pieces([]) == []
