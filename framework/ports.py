"""The sockets of the core: what the loop needs from a store, a master and a clock, and what it offers to readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from framework.core.commands import Call, Outcome, Save
from framework.core.events import Event, UserRequest
from framework.core.model import Instant, Stored
from framework.core.views import View
from specs.ids import AgentId, FrameworkId

Post = Callable[[Event], None]
"""Hands an event to the loop; safe from any thread, never blocks."""


class StoreFault(Exception):
    """The store failed: `temporary` says whether trying again may help."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class Store(Protocol):
    """Keeps what only a store may forget. The contract suite in tests/conformance holds every implementation to it."""

    def load(self) -> Stored:
        """All that is stored. Blocks; raises StoreFault."""

    def save(self, command: Save) -> None:
        """Takes a save; Saved or SaveFailed is posted later, in the order of the saves. Never blocks."""

    def close(self) -> None:
        """Ends the connection; saves that were not answered may or may not have happened."""


class Master(Protocol):
    """The way to Mesos. Events are posted to the loop; what could not be done comes back as CallFailed."""

    def perform(self, call: Call) -> None:
        """Takes a call; never blocks."""

    def close(self) -> None:
        """Disconnects without ending the framework: its tasks run on."""


class Clock(Protocol):
    """Tells the time; the core is told it with each event."""

    def now(self) -> Instant:
        """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An entry of the event stream. `sequence` counts from 1 in the life of a leader, so alone it names no event."""

    sequence: int
    at: Instant
    kind: str
    text: str
    stack: str = ""
    group: str = ""
    task: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A scheduler: the host:port that it advertises, and since when it leads or stands by."""

    address: str
    since: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """All schedulers of a store. `leader` is None while nobody leads; `epoch` counts the terms of leadership."""

    leader: Member | None
    epoch: int
    standbys: tuple[Member, ...] = ()


def is_address(leader: str) -> bool:
    """Whether what the leader's node holds is the host:port of a scheduler. During `framework restore`, which keeps
    the place, it is a sentence."""
    host, _, port = leader.rpartition(":")
    return bool(host) and not any(letter.isspace() for letter in leader) and port.isascii() and port.isdecimal()


class MasterFault(Exception):
    """The master did not do what an operator asked: `kind` is as a Refused's, the message a sentence."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Operator(Protocol):
    """An operator's requests to the Mesos master at `master`, host:port. Calls block for some seconds at most, raise
    MasterFault, and are safe from any thread."""

    def others_on(self, master: str, agent: AgentId, framework: FrameworkId | None) -> Mapping[str, int]:
        """How many tasks other frameworks have on an agent, by their names, unreachable ones too."""

    def mark_gone(self, master: str, agent: AgentId) -> None:
        """Says that an agent is gone for good: Mesos ends its tasks, of all frameworks, and never takes it back."""


class Leadership(Protocol):
    """Whether this scheduler leads, and who does; what a standby can tell without the leader. Safe from any thread."""

    @property
    def is_leader(self) -> bool:
        """Whether this scheduler leads, as far as it knows."""

    @property
    def is_standby(self) -> bool:
        """Whether it waits for another's end; neither is so until ZooKeeper was reached."""

    @property
    def leader(self) -> str:
        """host:port of who leads, "" while nobody does; a sentence while something else has the place (is_address)."""

    @property
    def term(self) -> str:
        """Identity of the leadership of who leads, never given twice: another process at the same address has another.
        "" while nobody is known to lead."""

    @property
    def session_seconds(self) -> float:
        """The session time-out with ZooKeeper that was asked for."""

    def members(self) -> Members:
        """The leader and the standbys, as the store reports them now. Blocks for seconds at most; raises StoreFault."""

    def picture(self) -> View:
        """A view of the store, a few seconds old at most where the store answers (`at` says it).

        Blocks; raises StoreFault where there is none at all.
        """

    def name_next(self, address: str) -> bool:
        """Names the standby that shall lead next; False where it does not stand by. Raises StoreFault."""

    def step_down(self) -> None:
        """Ends this leadership as soon as what is being saved is saved; never blocks."""


class Gauge(Protocol):
    """Counts requests, and knows what Prometheus is told. Safe from any thread."""

    def answered(self, method: str, route: str, code: int, seconds: float | None) -> None:
        """A request was answered; `seconds` None for one whose length says nothing."""

    def page(self) -> bytes:
        """All of it in Prometheus's text form, version 0.0.4."""


class Front(Protocol):
    """The port of the API: look at the view, request changes, follow events."""

    @property
    def view(self) -> View:
        """The newest picture."""

    def ask(self, make: Callable[[int], UserRequest]) -> Future[Outcome]:
        """Posts the ask that `make` builds from a request id; resolved once it is decided and stored."""

    def happenings(self, after: int) -> tuple[Happening, ...]:
        """The events after the given sequence number, as far as they are still kept; oldest first."""

    def subscribe(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Calls `notify` (from the loop's thread; must not block) when the view or the stream has changed.

        Returns the function that ends it.
        """
