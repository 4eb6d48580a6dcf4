"""Builds what readers see, anew only for the groups that changed."""

from __future__ import annotations

from framework.core.context import Context
from framework.core.model import GroupWish, Instant, Task, Version
from framework.core.views import Connection, GroupState, GroupView, StackView, View, Waiting
from framework.core.wishes import is_finished
from specs.ids import GroupId


class Viewer:
    """Remembers the views of groups and stacks, as long as nothing about them changes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._groups: dict[GroupId, GroupView] = {}
        self._stacks: dict[str, StackView] = {}

    def view(self, now: Instant) -> View:
        """The picture of now."""
        context = self._context
        touched, context.books.touched = context.books.touched, {}
        for group in touched:
            if group in context.books.groups:
                self._groups[group] = self._group(group)
            else:
                self._groups.pop(group, None)
        for name in dict.fromkeys(group.stack for group in touched):
            if name in context.books.stacks:
                self._stacks[name] = self._stack(name)
            else:
                self._stacks.pop(name, None)
        return View(
            at=now,
            connection=context.connection,
            problem="; ".join(filter(None, (context.store_problem, context.problem))),
            framework_id=context.books.framework_id,
            master=context.master,
            stacks=dict(sorted(self._stacks.items())),
            agents=dict(context.pool.agents),
            progress=dict(context.progress),
        )

    def _stack(self, name: str) -> StackView:
        members = sorted(self._context.books.by_stack.get(name, {}))
        return StackView(wish=self._context.books.stacks[name], groups=tuple(self._groups[group] for group in members))

    def _group(self, group: GroupId) -> GroupView:
        books = self._context.books
        book = books.groups[group]
        wish = books.wishes.get(group)
        tasks = [books.tasks[id] for id in (*book.seats.values(), *book.leaving)]
        tasks.sort(key=lambda task: (task.slot, task.launched_at))
        ended = tuple(books.tasks[id] for id in reversed(book.ended))
        version = self._version(group, wish, (*tasks, *ended))
        return GroupView(
            wish=wish or GroupWish(id=group, version=version.id, instances=0),
            container=version.container,
            resources=version.resources,
            state=self._state(group, wish),
            tasks=tuple(tasks),
            ended=ended,
            waiting=self._waiting(group, wish),
        )

    def _version(self, group: GroupId, wish: GroupWish | None, tasks: tuple[Task, ...]) -> Version:
        """The settings that are wished; of a group that is on its way out, those of a task of it."""
        books = self._context.books
        if wish is not None:
            return books.versions[group.stack, wish.version]
        if tasks:
            return books.versions[group.stack, tasks[0].version]
        raise ValueError(f"{group}: wanted a wish or a task to show; got neither, and it is still in the books")

    def _state(self, group: GroupId, wish: GroupWish | None) -> GroupState:
        books = self._context.books
        book = books.groups[group]
        if wish is None:
            return GroupState.REMOVING
        if wish.wanted == 0:
            return GroupState.STOPPED if book.is_empty else GroupState.WAITING
        if len(book.ready) == wish.wanted == len(book.seats) and not book.outdated:
            return GroupState.RUNNING
        last = (book.last_ended.get(slot) for slot in range(wish.wanted) if slot not in book.seats)
        finished = sum(id is not None and is_finished(books.tasks[id], wish) for id in last)
        if finished == wish.wanted:
            return GroupState.FINISHED
        if finished and finished + len(book.ready) == wish.wanted:
            return GroupState.RUNNING
        return GroupState.WAITING

    def _waiting(self, group: GroupId, wish: GroupWish | None) -> tuple[Waiting, ...]:
        context = self._context
        slots = context.pending.get(group)
        if not slots or wish is None:
            return ()
        cause = context.causes.get(group, "waits for offers")
        until = 0.0
        if context.connection is not Connection.SUBSCRIBED:
            cause = f"waits for Mesos: {context.problem}"
        elif (backoff := context.backoffs.get(group)) is not None and backoff.version == wish.version:
            until = backoff.until
        return tuple(Waiting(slot=slot, cause=cause, until=until) for slot in sorted(slots))
