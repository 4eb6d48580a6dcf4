"""What must hold after every step of the core."""

from __future__ import annotations

from framework.core.books import Books, GroupBook
from framework.core.model import Stored
from framework.core.scheduler import Scheduler
from specs.states import Goal


def check(scheduler: Scheduler) -> None:
    """Raises AssertionError where derived state differs from its recomputation, or where the books are absurd."""
    context = scheduler.context
    books = context.books
    again = Books.of(
        Stored(
            framework_id=books.framework_id,
            next_serial=books.next_serial,
            stacks=tuple(books.stacks.values()),
            versions=tuple(books.versions.values()),
            tasks=tuple(books.tasks.values()),
        )
    )
    assert again.counts == books.counts
    assert again.executors == books.executors
    assert again.wishes == books.wishes
    assert again.version_uses == books.version_uses
    for group, book in books.groups.items():
        _check_group(again.group(group), book)
    for task in books.tasks.values():
        assert (task.group.stack, task.version) in books.versions, f"{task.id}: its version is gone"
    for wish in books.wishes.values():
        assert (wish.id.stack, wish.version) in books.versions, f"{wish.id}: its version is gone"
    _check_slots(scheduler)


def _check_group(again: GroupBook, book: GroupBook) -> None:
    for name in ("seats", "leaving", "outdated", "ready", "running"):
        assert getattr(again, name) == getattr(book, name), f"{book.id}: {name} differ from their recomputation"
    assert set(again.ended) == set(book.ended)


def _check_slots(scheduler: Scheduler) -> None:
    """Every wished slot is held, finished, or pending; no other is pending."""
    context = scheduler.context
    for group, slots in context.pending.items():
        wish = context.books.wishes[group]
        seats = context.books.group(group).seats
        for slot in slots:
            assert slot < wish.wanted, f"{group}/{slot} is pending, though only {wish.wanted} are wanted"
            assert slot not in seats, f"{group}/{slot} is pending, though {seats[slot]} holds it"
    for wish in context.books.wishes.values():
        book = context.books.group(wish.id)
        for slot, id in book.seats.items():
            task = context.books.tasks[id]
            assert slot < wish.wanted or task.goal is Goal.STOP, f"{id} is surplus and shall run"
