"""What must hold after every step of the core."""

from __future__ import annotations

from framework.core.converge.stop_order import stops_after
from framework.core.groups.completion import has_finished
from framework.core.model import Stored
from framework.core.scheduler import Scheduler
from framework.core.state.cluster_state import Books
from framework.core.state.delay_scheduling import PATIENCE_SECONDS
from framework.core.state.group_index import GroupBook
from framework.core.views import Connection
from specs.model.constraints import Mode
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
            agents=tuple(books.agents.values()),
            rollouts=tuple(books.rollouts.values()),
            histories=tuple(books.histories.values()),
            answers=tuple(books.answers.values()),
        )
    )
    again.depart(books.departing)
    assert again.counts == books.counts
    assert again.executors == books.executors
    assert again.agent_uses == books.agent_uses
    assert again.failing == books.failing
    assert again.everywhere == books.everywhere
    assert again.backoffs == books.backoffs
    assert again.apart == books.apart
    assert again.specs == books.specs
    assert again.left == books.left
    assert again.version_uses == books.version_uses
    assert again.answers == books.answers
    for group, book in books.groups.items():
        _check_group(again.group(group), book)
    for task in books.tasks.values():
        assert (task.group.stack, task.version) in books.versions, f"{task.id}: its version is gone"
    _check_histories(books)
    for spec in books.specs.values():
        assert (spec.id.stack, spec.version) in books.versions, f"{spec.id}: its version is gone"
    _check_agents(scheduler)
    _check_slots(scheduler)
    _check_waits(scheduler)


def _check_histories(books: Books) -> None:
    """Every stack that was changed has one that ends with its index; its versions are there, also of removed ones."""
    for name, history in books.histories.items():
        numbers = [revision.number for revision in history.revisions]
        assert numbers == sorted(set(numbers)), f"{name}: revisions {numbers}"
        assert name not in books.stacks or numbers[-1] == books.stacks[name].index
        for version in history.versions:
            assert (name, version) in books.versions, f"{name}: version {version} of its history is gone"


def _check_group(again: GroupBook, book: GroupBook) -> None:
    marks = ("outdated", "departing", "useless", "behind", "ready", "running")
    for name in ("living", "seats", "incoming", "leaving", *marks):
        assert getattr(again, name) == getattr(book, name), f"{book.id}: {name} differ from their recomputation"
    assert set(again.ended) == set(book.ended)


def _check_agents(scheduler: Scheduler) -> None:
    """Of every agent of a living task the facts are stored; every offer is in the pool once by its agent."""
    context = scheduler.context
    for task in context.books.tasks.values():
        assert not task.state.is_lively or task.agent_id in context.books.agents, f"{task.id}: its agent is not stored"
    assert not set(context.agents.present) & set(context.agents.absent)
    offers = context.pool.by_agent()
    assert sorted(offer.id for held in offers.values() for offer in held) == sorted(context.pool.held)
    assert all(offer.agent_id == id for id, held in offers.items() for offer in held)


def _check_waits(scheduler: Scheduler) -> None:
    """Only what is pending waits for better offers, for agents whose offers are not at hand, and not beyond the end."""
    context = scheduler.context
    for group, slot, end in context.patience.waits():
        assert slot in context.pending.get(group, ()), f"{group}/{slot} waits for better offers, and wants none"
        assert end <= context.now + PATIENCE_SECONDS, f"{group}/{slot} waits until {end}, for too long"
        wakes_at = scheduler.wakes_at()
        is_connected = context.connection is Connection.SUBSCRIBED
        assert end <= context.now or not is_connected or (wakes_at is not None and wakes_at <= end), (
            "nobody ends a wait"
        )
    for id in context.patience.silent:
        assert not context.pool.is_held(id), f"{id} made an offer, and is said to make none"


def _check_slots(scheduler: Scheduler) -> None:
    """As many slots are wanted as is desired, or one an agent; each is held, finished, or pending, and no other is."""
    context = scheduler.context
    for group, slots in context.pending.items():
        book = context.books.group(group)
        for slot in slots:
            assert slot in book.wanted, f"{group}/{slot} is pending, though only {sorted(book.wanted)} are wanted"
            is_open = slot in book.succeeding and slot not in book.incoming
            assert slot not in book.seats or is_open, f"{group}/{slot} is pending, though {book.seats[slot]} holds it"
    for group, book in context.books.groups.items():
        spec = context.books.specs.get(group)
        if spec is None or spec.is_stopped:
            assert not book.wanted
            assert not book.misplaced, f"{group}: nothing of it is to be anywhere, and {book.misplaced} are to move"
        elif spec.mode is Mode.GLOBAL:
            assert None not in book.wanted.values()
            assert len(set(book.wanted.values())) == len(book.wanted), f"{group}: two slots of one agent"
        else:
            assert len(book.wanted) == spec.instances and set(book.wanted.values()) <= {None}
        for slot, id in book.incoming.items():
            task = context.books.tasks[id]
            assert task.goal is Goal.RUN and task.beside == book.seats[slot], f"{id} comes in beside nothing"
        for slot in book.succeeding:
            assert slot in context.pending.get(group, ()), f"{group}/{slot} is to be followed, and is not pending"
        for slot, id in book.seats.items():
            task = context.books.tasks[id]
            is_held = group in context.held and bool(stops_after(context.books, group))
            assert slot in book.wanted or task.goal is Goal.STOP or is_held, f"{id} is surplus and shall run"
        for slot in book.wanted if spec else ():
            is_done = spec is not None and has_finished(context.books, spec, slot)
            is_pending = slot in context.pending.get(group, ())
            assert slot in book.seats or is_done or is_pending, f"{group}/{slot} is wanted, and nothing comes of it"
