"""The ports of the core: the interfaces of store, master and clock that the loop needs, and those it offers to
readers."""

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
    """The store failed. `temporary` is true if another try can help."""

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class Store(Protocol):
    """The place of all stored records. The contract suite in tests/conformance checks every implementation."""

    def load(self) -> Stored:
        """All that is stored. Blocks; raises StoreFault."""

    def save(self, command: Save) -> None:
        """Takes a save; Saved or SaveFailed is posted later, in the order of the saves. Never blocks."""

    def close(self) -> None:
        """Ends the connection. Saves without an answer can have happened or not."""


class Master(Protocol):
    """The connection to Mesos. Events are posted to the loop; a call that failed comes back as CallFailed."""

    def perform(self, call: Call) -> None:
        """Takes a call; never blocks."""

    def close(self) -> None:
        """Disconnects without ending the framework: its tasks run on."""


class Clock(Protocol):
    """The clock. The core gets the time with each event."""

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
    """Whether the content of the leader's node is the host:port of a scheduler. During `framework restore`, which holds
    the node, it is a sentence."""
    host, _, port = leader.rpartition(":")
    return bool(host) and not any(letter.isspace() for letter in leader) and port.isascii() and port.isdecimal()


class MasterFault(Exception):
    """The master refused an operator's request. `kind` is that of a Refused, the message a sentence; `is_unknown`: the
    master may still do it."""

    def __init__(self, kind: str, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.is_unknown = is_unknown


class Operator(Protocol):
    """An operator's requests to the Mesos master at `master`, host:port. Calls block for some seconds at most, raise
    MasterFault, and are safe from any thread."""

    def others_on(self, master: str, agent: AgentId, framework: FrameworkId | None) -> Mapping[str, int]:
        """How many tasks other frameworks have on an agent, by their names, unreachable ones too."""

    def mark_gone(self, master: str, agent: AgentId) -> None:
        """Marks an agent as gone for good: Mesos ends its tasks, of all frameworks, and never takes it back."""


class Leadership(Protocol):
    """The leadership among schedulers, as leader and standbys know it. Safe from any thread."""

    @property
    def is_leader(self) -> bool:
        """Whether this scheduler leads, as far as it knows."""

    @property
    def is_standby(self) -> bool:
        """Whether it waits for the end of another leader. It neither leads nor waits until ZooKeeper is reached."""

    @property
    def leader(self) -> str:
        """host:port of the leader, "" while there is none; a sentence while a restore holds the node (is_address)."""

    @property
    def term(self) -> str:
        """Identity of the term of leadership, never used twice: another process at the same address has another one.
        "" while no leader is known."""

    @property
    def session_seconds(self) -> float:
        """Time-out of the session with ZooKeeper, as requested, in seconds."""

    def members(self) -> Members:
        """The leader and the standbys, as the store reports them now. Blocks for seconds at most; raises StoreFault."""

    def picture(self) -> View:
        """A view of the store, a few seconds old at most where the store answers (`at` says it).

        Blocks; raises StoreFault where there is none at all.
        """

    def name_next(self, address: str) -> bool:
        """Names the standby that must lead next; False if it does not stand by. Raises StoreFault."""

    def step_down(self) -> None:
        """Ends this leadership as soon as saves under way are answered; never blocks."""


class Gauge(Protocol):
    """Counts requests, and writes the page for Prometheus. Safe from any thread."""

    def answered(self, method: str, route: str, code: int, seconds: float | None) -> None:
        """A request was answered. `seconds` is None for a stream, whose length means nothing."""

    def page(self) -> bytes:
        """The page in Prometheus's text form, version 0.0.4."""


class Front(Protocol):
    """The port of the API: look at the view, request changes, follow events."""

    @property
    def view(self) -> View:
        """The newest picture."""

    def request(self, make: Callable[[int], UserRequest]) -> Future[Outcome]:
        """Posts the request that `make` builds from a request id. The Future resolves once it is decided and stored."""

    def happenings(self, after: int) -> tuple[Happening, ...]:
        """The events after the given sequence number, as far as they are still kept; oldest first."""

    def subscribe(self, notify: Callable[[], None]) -> Callable[[], None]:
        """Calls `notify` (from the loop's thread; must not block) when the view or the stream has changed.

        Returns the function that ends the subscription.
        """
