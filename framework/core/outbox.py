"""What waits for the store: nothing that rests on a decision is said before the decision is saved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from framework.core.asks import Change
from framework.core.commands import Command, Save, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What follows a save: commands that may go then; for an ask, the changes that then count, and who asked."""

    commands: tuple[Command, ...] = ()
    changes: tuple[Change, ...] = ()
    request_id: int = 0
    session: int = 0


@dataclass(slots=True)
class Outbox:
    """Tickets of saves under way, and what waits for each."""

    _next_ticket: int = 1
    _waiting: dict[int, Waiting] = field(default_factory=dict)

    def save(self, writes: tuple[Write, ...], waiting: Waiting) -> Save:
        """The Save for these writes; `waiting` is kept until its answer."""
        ticket = self._next_ticket
        self._next_ticket += 1
        self._waiting[ticket] = waiting
        return Save(ticket=ticket, writes=writes)

    def follow(self, *commands: Command) -> bool:
        """Has the commands wait for the last save of what is decided already, as saves happen in order; False where
        none is under way. What was asked and may still be refused is nothing to wait for."""
        for ticket in reversed(self._waiting):
            waiting = self._waiting[ticket]
            if not waiting.changes:
                self._waiting[ticket] = replace(waiting, commands=(*waiting.commands, *commands))
                return True
        return False

    def take(self, ticket: int) -> Waiting:
        """What waited for the save; raises KeyError for a ticket that was never given, or answered before."""
        return self._waiting.pop(ticket)

    @property
    def is_empty(self) -> bool:
        return not self._waiting
