"""The outbox: commands that rest on a decision go out only after the store has saved the decision."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from framework.core.commands import Command, Save, Write
from framework.core.model import Answered
from framework.core.state.stack_change import StackChange

MOST_WAITING = 50_000
"""Limit on the writes, and the commands that rest on them, that wait for the store: some 100 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterSave:
    """The consequences of a save, once it is stored."""

    #: The commands that rest on it.
    commands: tuple[Command, ...] = ()
    #: The changes of a user's request, which count then. Where a save without any is refused, the process halts.
    changes: tuple[StackChange, ...] = ()
    #: The request that is answered then, 0 where none is.
    request_id: int = 0
    #: The subscription in which the commands were decided: an Accept of an earlier one is void.
    session: int = 0
    #: The answers to requests with keys that it stores.
    answers: tuple[Answered, ...] = ()


@dataclass(slots=True)
class Outbox:
    """The saves under way, and the commands that wait for each.

    When it is full, nothing new is begun, and statuses are not taken: Mesos sends them again. Work under way may still
    be added."""

    #: Limit on the writes and commands that wait, from which on it is full.
    most: int = MOST_WAITING
    #: Whether the limit was reached and more than half of it still waits.
    is_full: bool = False
    #: The number of the next save.
    _next_ticket: int = 1
    #: By ticket, oldest first.
    _waiting: dict[int, AfterSave] = field(default_factory=dict)
    #: Commands added to a save since it was sent, by ticket: thousands may come one by one.
    _queued: dict[int, list[Command]] = field(default_factory=dict)
    #: The number of writes of each save, by ticket.
    _writes: dict[int, int] = field(default_factory=dict)
    #: The writes and commands that wait now.
    _amount: int = 0

    def save(self, writes: tuple[Write, ...], waiting: AfterSave) -> Save:
        """The Save for these writes; `waiting` is kept until its answer."""
        ticket = self._next_ticket
        self._next_ticket += 1
        self._waiting[ticket] = waiting
        self._writes[ticket] = len(writes)
        self._add(len(writes) + len(waiting.commands))
        return Save(ticket=ticket, writes=writes)

    def queue_behind_save(self, *commands: Command) -> bool:
        """Queues the commands behind the last save of what is decided already, as saves happen in order. Returns False
        where none is under way: a change that may still be refused is nothing to wait for."""
        for ticket in reversed(self._waiting):
            if not self._waiting[ticket].changes:
                self._queued.setdefault(ticket, []).extend(commands)
                self._add(len(commands))
                return True
        return False

    def take(self, ticket: int) -> AfterSave:
        """The consequences of an answered save. Raises KeyError for a ticket that was never given, or was answered
        before."""
        waiting = self._waiting.pop(ticket)
        if queued := self._queued.pop(ticket, None):
            waiting = replace(waiting, commands=(*waiting.commands, *queued))
        self._add(-self._writes.pop(ticket) - len(waiting.commands))
        return waiting

    def _add(self, amount: int) -> None:
        self._amount += amount
        self.is_full = self._amount >= self.most or (self.is_full and self._amount > self.most // 2)

    @property
    def is_empty(self) -> bool:
        return not self._waiting
