"""What a journal of events holds: values without secrets, how they are read again, and a mark for each command.

An event is written with all fields of its dataclasses, by their names or, of what comes often, in their order: the
types say what a value is. Secrets never reach a journal: every text of a container or a group that may hold one is
replaced by a salted hash, equal for equal texts. Version ids stay as they were given, although they were made from
those texts.
"""

from __future__ import annotations

import hashlib
import math
import types
import typing
from collections.abc import Callable, Hashable, Iterable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any

from framework.core.commands import (
    Accept,
    Acknowledge,
    Announce,
    Apply,
    Command,
    Kill,
    Launch,
    PutAnswer,
    PutHistory,
    PutRollouts,
    PutStack,
    PutTask,
    PutVersion,
    Save,
    Write,
)
from framework.core.events import Asked, BecameLeader, CallFailed, Event, Saved, StackSubmitted, StatusReceived
from framework.core.model import (
    GroupWish,
    History,
    RequestKey,
    Revision,
    Rollouts,
    StackWish,
    Status,
    Stored,
    Task,
    Version,
)
from specs.canonical import version_of
from specs.care import care_of, with_care
from specs.stack import Container, HealthCheck, Hook

Pairs = tuple[tuple[str, str], ...]
MARK = "hashed:"


class Masker:
    """Replaces what may be secret. With another `salt` equal texts have other hashes: keep it as long as a journal."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def plain(self, event: Event) -> Any:
        """The event without secrets as it is written, to be read again by `decode`."""
        if isinstance(event, StatusReceived):
            return (_OF_STATUS(event),)
        if isinstance(event, Saved):
            return (event.ticket,)
        return self.event(event)

    def event(self, event: Event) -> Event:
        """The event without secrets; the same object where it has none."""
        if isinstance(event, Asked) and event.request_key is not None:
            event = replace(event, request_key=self._key(event.request_key))
        if isinstance(event, StackSubmitted):
            groups = tuple(
                replace(group, container=self._container(group.container), metadata=self._pairs(group.metadata))
                for group in event.stack.groups
            )
            versions = event.versions or tuple(version_of(group) for group in event.stack.groups)
            return replace(event, stack=replace(event.stack, groups=groups), versions=versions)
        if isinstance(event, BecameLeader):
            return BecameLeader(stored=self._stored(event.stored))
        if isinstance(event, CallFailed) and isinstance(event.call, Accept):
            launches = tuple(
                replace(each, container=self._container(each.container), metadata=self._pairs(each.metadata))
                for each in event.call.launches
            )
            return replace(event, call=replace(event.call, launches=launches))
        if isinstance(event, CallFailed) and isinstance(event.call, Apply):
            container = self._container(with_care(Container(), event.call.care))
            return replace(event, call=replace(event.call, care=care_of(container)))
        return event

    def stack(self, stack: StackWish) -> StackWish:
        """A stack's wish without secrets."""
        return replace(stack, groups=tuple(self._wish(wish) for wish in stack.groups))

    def rollouts(self, rollouts: Rollouts) -> Rollouts:
        """A stack's rollouts without secrets."""
        if rollouts.current is None:
            return rollouts
        before = tuple(self._wish(wish) for wish in rollouts.current.before)
        return replace(rollouts, current=replace(rollouts.current, before=before))

    def _stored(self, stored: Stored) -> Stored:
        return replace(
            stored,
            stacks=tuple(self.stack(stack) for stack in stored.stacks),
            versions=tuple(self._version(version) for version in stored.versions),
            rollouts=tuple(self.rollouts(rollouts) for rollouts in stored.rollouts),
            histories=tuple(self._history(history) for history in stored.histories),
            answers=tuple(replace(answer, key=self._key(answer.key)) for answer in stored.answers),
        )

    def _key(self, key: RequestKey) -> RequestKey:
        """What a request was, secrets and all, could be guessed by its digest."""
        return replace(key, digest=self._text(key.digest))

    def _history(self, history: History) -> History:
        revisions = (
            each if each.groups is None else replace(each, groups=tuple(self._wish(wish) for wish in each.groups))
            for each in history.revisions
        )
        return replace(history, revisions=tuple(revisions))

    def _version(self, version: Version) -> Version:
        return replace(version, container=self._container(version.container))

    def _wish(self, wish: GroupWish) -> GroupWish:
        return replace(wish, metadata=self._pairs(wish.metadata)) if wish.metadata else wish

    def _container(self, container: Container) -> Container:
        return replace(
            container,
            command=self._words(container.command),
            entrypoint=self._words(container.entrypoint),
            environment=self._pairs(container.environment),
            labels=self._pairs(container.labels),
            health=self._check(container.health),
            ready=self._check(container.ready),
            post_start=self._hooks(container.post_start),
            pre_stop=self._hooks(container.pre_stop),
        )

    def _check(self, check: HealthCheck | None) -> HealthCheck | None:
        if check is None:
            return None
        return replace(check, command=self._words(check.command) or (), headers=self._pairs(check.headers))

    def _hooks(self, hooks: tuple[Hook, ...]) -> tuple[Hook, ...]:
        return tuple(
            replace(hook, command=self._words(hook.command) or (), environment=self._pairs(hook.environment))
            for hook in hooks
        )

    def _pairs(self, pairs: Pairs) -> Pairs:
        return tuple((name, self._text(text)) for name, text in pairs)

    def _words(self, words: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if words is None else tuple(self._text(word) for word in words)

    def _text(self, text: str) -> str:
        if not text:
            return text
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=8)
        return MARK + digest.hexdigest()


# ---- writing --------------------------------------------------------------------------


def comparable(commands: Iterable[Command], stack: Callable[[StackWish], StackWish]) -> list[Any]:
    """The commands as far as they are compared, one after the other.

    All of them is, but containers and metadata, which the version's id stands for; and of a task that is stored what
    can become of it: where it is placed and with what is compared as it is launched. `stack` is what makes of a stack's
    wish one without secrets.
    """
    found: list[Any] = []
    for command in commands:
        if isinstance(command, Save):
            found.append(command.ticket)
            found += [_OF_PUT(write) if type(write) is PutTask else _write(write, stack) for write in command.writes]
        elif isinstance(command, Accept):
            launches = [(_OF_TASK(launch.task), _OF_LAUNCH(launch)) for launch in command.launches]
            found.append((command.offer_ids, command.refuse_seconds, launches))
        else:
            fields_of = _OF.get(type(command))
            found.append(command if fields_of is None else fields_of(command))
    return found


def _write(write: Write, stack: Callable[[StackWish], StackWish]) -> Any:
    name = type(write).__name__
    if isinstance(write, PutVersion):
        return (name, write.version.stack, write.version.id, write.version.resources)
    if isinstance(write, PutHistory):
        return (name, write.history.stack, [_revision(revision) for revision in write.history.revisions])
    if isinstance(write, PutStack):
        return (name, stack(write.stack))
    if isinstance(write, PutRollouts):
        return (name, *_bare(write.rollouts))
    if isinstance(write, PutAnswer):
        return (name, replace(write.answer, key=replace(write.answer.key, digest="")))
    return (name, write)


def _bare(rollouts: Rollouts) -> tuple[Any, ...]:
    """A stack's rollouts, of what was before them the versions alone."""
    if rollouts.current is None:
        return (rollouts,)
    before = [(wish.id, wish.version, wish.generation) for wish in rollouts.current.before]
    return (replace(rollouts, current=replace(rollouts.current, before=())), before)


def _revision(revision: Revision) -> Any:
    """All of it but what is asked of each group: the version stands for that."""
    groups = None if revision.groups is None else [(str(each.id), each.version) for each in revision.groups]
    return (_OF_REVISION(revision), groups)


def _getter(kind: Any, *without: str, within: str = "") -> Callable[[Any], Any]:
    """All fields as a tuple, of the value that the attribute `within` holds.

    orjson takes a third of the time for such a tuple that it takes for a dataclass or an enumeration.
    """
    hints = typing.get_type_hints(kind)
    names = [each.name for each in fields(kind) if each.name not in without]
    return attrgetter(*(within + name + ("._value_" if _is_enumeration(hints[name]) else "") for name in names))


def _is_enumeration(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


_OF_STATUS = _getter(Status, within="status.")
_OF_LAUNCH = _getter(Launch, "task", "container", "metadata")
_OF_REVISION = _getter(Revision, "groups")
_OF_TASK = _getter(Task, "group")
_PLACED = (
    *("group", "slot", "attempt", "generation", "agent_id", "hostname", "address", "executor_id"),
    *("host_ports", "launched_at", "container_id", "sandbox", "addresses", "predecessors", "adopts"),
)
"""What of a task is said with its launch, and by its id; or only repeated from a status."""
_OF_PUT = _getter(Task, *_PLACED, within="task.")
_OF: dict[type, Callable[[Any], Any]] = {
    **{kind: _getter(kind) for kind in (Announce, Acknowledge, Kill)},
    Apply: _getter(Apply, "care"),
}


# ---- reading --------------------------------------------------------------------------


def members(union: Any) -> dict[str, type]:
    """The classes of a union of dataclasses, by name."""
    return {each.__name__: each for each in typing.get_args(union)}


def decode(kind: Any, plain: Any) -> Any:
    """The value of that type out of its JSON; raises ValueError where it is none."""
    if kind is float:
        return math.inf if plain is None else float(plain)
    if kind in (str, int, bool, type(None)):
        if not isinstance(plain, kind) or (kind is int and isinstance(plain, bool)):
            raise ValueError(f"wanted {kind.__name__}; got {plain!r:.100}")
        return plain
    if isinstance(kind, typing.NewType):
        return decode(kind.__supertype__, plain)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(plain)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind, plain)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _tuple(args, plain)
    if origin in (typing.Union, types.UnionType):
        return _union(args, plain)
    raise TypeError(f"a journal holds no {kind}: wanted a dataclass, a tuple, an enum or a plain value")


def _dataclass(kind: Any, plain: Any) -> Any:
    hints = _hints(kind)
    if isinstance(plain, list) and plain and len(plain) <= len(hints):
        plain = dict(zip(hints, plain, strict=False))
    if not isinstance(plain, dict) or not plain.keys() <= hints.keys():
        raise ValueError(f"wanted a {kind.__name__} with {', '.join(hints)}; got {plain!r:.100}")
    # A field that a younger release has added is left at its default.
    return kind(**{name: decode(hints[name], content) for name, content in plain.items()})


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}  # type: ignore[arg-type]


def _names(kind: Any) -> set[str]:
    return set(_hints(kind))


def _tuple(args: tuple[Any, ...], plain: Any) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise ValueError(f"wanted a list; got {plain!r:.100}")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(decode(args[0], each) for each in plain)
    return tuple(decode(kind, each) for kind, each in zip(args, plain, strict=True))


def _union(args: tuple[Any, ...], plain: Any) -> Any:
    if plain is None and type(None) in args:
        return None
    kinds = [kind for kind in args if kind is not type(None)]
    if len(kinds) > 1 and isinstance(plain, dict):
        kinds = [kind for kind in kinds if is_dataclass(kind) and plain.keys() == _names(kind)]
    if len(kinds) != 1:
        raise ValueError(f"wanted one of {', '.join(str(each) for each in args)}; got {plain!r:.100}")
    return decode(kinds[0], plain)
