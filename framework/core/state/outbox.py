"""What waits for the store: nothing that rests on a decision is said before the decision is saved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from framework.core.commands import Command, Save, Write
from framework.core.model import Answered
from framework.core.state.stack_change import StackChange

MOST_WAITING = 50_000
"""So many writes, and commands that rest on them, may wait for the store: some 100 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterSave:
    """The consequences of a save: commands that may go then; for a request, the changes that then count, and who asked;
    and the answers that are stored with it."""

    commands: tuple[Command, ...] = ()
    changes: tuple[StackChange, ...] = ()
    request_id: int = 0
    session: int = 0
    answers: tuple[Answered, ...] = ()


@dataclass(slots=True)
class Outbox:
    """Tickets of saves under way, and what waits for each.

    `is_full` once `most` writes and commands wait, until no more than half of that do: what can be told again is not
    to be taken meanwhile, and nothing is to be begun. What is under way may still be added.
    """

    most: int = MOST_WAITING
    is_full: bool = False
    _next_ticket: int = 1
    _waiting: dict[int, AfterSave] = field(default_factory=dict)
    _queued: dict[int, list[Command]] = field(default_factory=dict)
    """What was added to the commands of each since: thousands may come one by one."""
    _writes: dict[int, int] = field(default_factory=dict)
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
        """What waited for the save; raises KeyError for a ticket that was never given, or answered before."""
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
