"""What a journal of events holds: values without secrets, how they are read again, and a mark for each command.

An event is written with all fields of its dataclasses and without their names, as orjson does: the types say what a
value is. Secrets never reach a journal: every text of a container or a group that may hold one is replaced by a salted
hash, equal for equal texts. Version ids stay as they were given, although they were made from those texts.
"""

from __future__ import annotations

import hashlib
import math
import types
import typing
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any

from framework.core.commands import (
    Accept,
    Acknowledge,
    Announce,
    Command,
    Kill,
    Launch,
    PutStack,
    PutTask,
    PutVersion,
    Save,
    Write,
)
from framework.core.events import BecameLeader, CallFailed, Event, StackSubmitted
from framework.core.model import GroupWish, StackWish, Stored, Task, Version
from specs.canonical import version_of
from specs.stack import Container

Pairs = tuple[tuple[str, str], ...]
MARK = "hashed:"


class Masker:
    """Replaces what may be secret. With another `salt` equal texts have other hashes: keep it as long as a journal."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def event(self, event: Event) -> Event:
        """The event without secrets; the same object where it has none."""
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
        return event

    def stack(self, stack: StackWish) -> StackWish:
        """A stack's wish without secrets."""
        return replace(stack, groups=tuple(self._wish(wish) for wish in stack.groups))

    def _stored(self, stored: Stored) -> Stored:
        return replace(
            stored,
            stacks=tuple(self.stack(stack) for stack in stored.stacks),
            versions=tuple(self._version(version) for version in stored.versions),
        )

    def _version(self, version: Version) -> Version:
        return replace(version, container=self._container(version.container))

    def _wish(self, wish: GroupWish) -> GroupWish:
        return replace(wish, metadata=self._pairs(wish.metadata)) if wish.metadata else wish

    def _container(self, container: Container) -> Container:
        health = container.health
        return replace(
            container,
            command=self._words(container.command),
            entrypoint=self._words(container.entrypoint),
            environment=self._pairs(container.environment),
            labels=self._pairs(container.labels),
            health=None if health is None else replace(health, command=self._words(health.command) or ()),
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


def comparable(command: Command, stack: Callable[[StackWish], StackWish]) -> Any:
    """The command as far as it is compared: all but containers and metadata, which the version's id stands for.

    `stack` is what makes of a stack's wish one without secrets.
    """
    if isinstance(command, Save):
        return ("Save", command.ticket, [_write(write, stack) for write in command.writes])
    if isinstance(command, Accept):
        launches = [_OF_LAUNCH(launch) for launch in command.launches]
        return ("Accept", command.offer_ids, command.refuse_seconds, launches)
    if isinstance(command, Announce | Acknowledge | Kill):
        return (type(command).__name__, _OF[type(command)](command))
    return (type(command).__name__, command)


def _write(write: Write, stack: Callable[[StackWish], StackWish]) -> Any:
    if isinstance(write, PutTask):
        return _OF_TASK(write.task)
    name = type(write).__name__
    if isinstance(write, PutVersion):
        return (name, write.version.stack, write.version.id, write.version.resources)
    if isinstance(write, PutStack):
        return (name, stack(write.stack))
    return (name, write)


def _getter(kind: Any, *without: str) -> Callable[[Any], Any]:
    """All fields as a tuple: what comes often is written four times as fast so."""
    return attrgetter(*(each.name for each in fields(kind) if each.name not in without))


_OF_LAUNCH = _getter(Launch, "container", "metadata")
_OF_TASK = _getter(Task)
_OF: dict[type, Callable[[Any], Any]] = {kind: _getter(kind) for kind in (Announce, Acknowledge, Kill)}


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
