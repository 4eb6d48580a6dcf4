"""What a group still needs before its slots may be filled: pure questions about the books."""

from __future__ import annotations

from framework.core.groups.never_started import is_lost
from framework.core.model import GroupWish, Task
from framework.core.state.cluster_state import Books
from specs.ids import GroupId, is_same_make
from specs.model.stack import Condition, Dependency, Group, OnChange, Restart
from specs.states import Goal, TaskState


def is_finished(task: Task | None, wish: GroupWish) -> bool:
    """Whether the last ended task of a slot fulfilled the wish, so that none follows it."""
    if task is None or wish.restart is Restart.ALWAYS or task.goal is Goal.STOP or task.is_orphaned:
        return False
    if is_lost(task):
        return False  # it never began
    if not _is_current(task, wish):
        return False
    return wish.restart is Restart.NEVER or task.state is TaskState.FINISHED


def is_given_up(task: Task, wish: GroupWish) -> bool:
    """Whether so many tasks of a slot have failed in a row, this one the last, that none follows it."""
    if not wish.retry.attempts or task.failures <= wish.retry.attempts:
        return False
    return _is_current(task, wish) and task.goal is Goal.RUN and task.state.is_terminal and not is_finished(task, wish)


def _is_current(task: Task, wish: GroupWish) -> bool:
    """Whether it was what is wished now, but for the care of it."""
    return is_same_make(task.version, wish.version) and task.generation >= wish.generation


def has_finished(books: Books, wish: GroupWish, slot: int) -> bool:
    """Whether a slot of the group needs no other task, or gets none."""
    last = books.group(wish.id).last_ended.get(slot)
    return last is not None and (is_finished(books.tasks[last], wish) or is_given_up(books.tasks[last], wish))


def slots_to_fill(books: Books, wish: GroupWish) -> int:
    """How many slots of the group have a task, or are to have one: all that are wanted but those that have finished."""
    book = books.group(wish.id)
    if wish.restart is Restart.ALWAYS and not wish.retry.attempts:
        return len(book.wanted)
    return sum(slot in book.seats or not has_finished(books, wish, slot) for slot in book.wanted)


def count_for(books: Books, wish: GroupWish, slot: int) -> int:
    """How many tasks of the slot have failed in a row before the one that comes next."""
    last = books.group(wish.id).last_ended.get(slot)
    task = books.tasks[last] if last is not None else None
    if task is None or not _is_current(task, wish):
        return 0
    return task.failures


def unmet_dependency(books: Books, wish: GroupWish) -> str:
    """What the group waits for, as a phrase ("shop/redis to run"), or "" when nothing keeps it."""
    for dependency in wish.dependencies:
        for other in books.stacks[wish.id.stack].groups:
            if other.id.service == dependency.service and not _meets(books, other, dependency.condition):
                return f"{other.id} {_PHRASES[dependency.condition]}{_why_it_never_will(books, other, dependency)}"
    return ""


def signal_of(wish: GroupWish | Group) -> str:
    """The signal that a group's tasks get when what they depend on was changed, "" where they get none."""
    signals = (each.signal for each in wish.dependencies if each.on_change is OnChange.SIGNAL)
    return next(signals, "")


def signals_due(books: Books, wish: GroupWish) -> int:
    """How many signals each task of the group shall have had by now: the last one not before the changed tasks of what
    it depends on have proved themselves."""
    rollouts = books.rollouts.get(wish.id.stack)
    current = rollouts.current if rollouts else None
    heeded = {each.service for each in wish.dependencies if each.on_change is OnChange.SIGNAL}
    is_early = current is not None and any(part.group.service in heeded and not part.is_done for part in current.groups)
    return max(wish.signals - is_early, 0)


def is_init_step(books: Books, wish: GroupWish) -> bool:
    """Whether others of its stack wait until the group has completed."""
    return any(
        dependency.service == wish.id.service and dependency.condition is Condition.COMPLETED
        for other in books.stacks[wish.id.stack].groups
        for dependency in other.dependencies
    )


def _why_it_never_will(books: Books, other: GroupWish, dependency: Dependency) -> str:
    """Of a step that has failed for good: which task, how, and what would help; "" of all others."""
    if dependency.condition is not Condition.COMPLETED:
        return ""
    book = books.group(other.id)
    for slot in book.wanted:
        last = books.tasks[book.last_ended[slot]] if slot in book.last_ended else None
        if last is not None and is_finished(last, other) and last.state is not TaskState.FINISHED:
            said = last.message or last.reason or last.state.value
            return f", but {last.id} failed: {said}; `framework restart {other.id}` runs it again"
    return ""


_PHRASES = {
    Condition.STARTED: "to run",
    Condition.HEALTHY: "to be healthy",
    Condition.COMPLETED: "to complete",
}


def _meets(books: Books, other: GroupWish, condition: Condition) -> bool:
    """A dependency that is wished at no instances keeps nobody waiting."""
    if other.wanted == 0:
        return True
    book = books.group(other.id)
    if condition is Condition.STARTED:
        return bool(book.running) or has_completed(books, other.id)
    if condition is Condition.HEALTHY:
        return bool(book.ready)
    return has_completed(books, other.id)


def has_completed(books: Books, group: GroupId) -> bool:
    """Whether the last task of every wanted slot, of what is wished now, has exited with 0."""
    wish, book = books.wishes[group], books.group(group)
    last = [books.tasks[book.last_ended[slot]] for slot in book.wanted if slot in book.last_ended]
    return 0 < len(last) == len(book.wanted) and all(
        is_finished(task, wish) and task.state is TaskState.FINISHED for task in last
    )
