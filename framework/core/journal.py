"""The journal of events: values without secrets, how they are read again, and a mark for each command.

An event is written with all fields of its dataclasses, by their names or, of what comes often, in their order: the
types say what a value is. Secrets never reach a journal: every text that may hold one is replaced by a salted hash,
equal for equal texts, and so is every text that may quote the output of a task or of a check; such texts are not
compared. Each field declares whether its texts are such (specs.model.declared). Version ids stay as they were given,
although they were made from those texts.
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
    Command,
    Kill,
    Launch,
    PublishEvent,
    PutAnswer,
    PutHistory,
    PutRollouts,
    PutStack,
    PutTask,
    PutVersion,
    Save,
    StartExec,
    UpdateInPlace,
    Write,
)
from framework.core.events import Event, Saved, StackSubmitted, StatusReceived
from framework.core.launch.adoption import is_removed
from framework.core.model import Backoff, GroupRollout, Revision, Rollout, Rollouts, StackSpec, Status, Task
from specs.model.canonical import version_of
from specs.model.declared import PLAIN, QUOTES, SECRET, WITHIN, Text, declarations, with_text

Pairs = tuple[tuple[str, str], ...]
MARK = "hashed:"

Declared = tuple[tuple[str, Text], ...]
_FROM_MESOS = frozenset({"SOURCE_MASTER", "SOURCE_SLAVE"})
"""The sources of statuses whose words are Mesos's own; the core reads some of them (core.launch.adoption)."""


class Masker:
    """Replaces what may be secret. With another `salt` equal texts have other hashes: keep it as long as a journal."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def plain(self, event: Event) -> Any:
        """The event without secrets as it is written, to be read again by `decode`."""
        if isinstance(event, StatusReceived):
            return (_OF_STATUS(self.event(event)),)
        if isinstance(event, Saved):
            return (event.ticket,)
        return self.event(event)

    def event(self, event: Event) -> Event:
        """The event without secrets; the same object where it has none."""
        if isinstance(event, StackSubmitted) and not event.versions:
            event = replace(event, versions=tuple(version_of(group) for group in event.stack.groups))
        masked: Event = self._masked(event)
        return masked

    def stack(self, stack: StackSpec) -> StackSpec:
        """A stack's spec without secrets."""
        masked: StackSpec = self._masked(stack)
        return masked

    def _masked(self, value: Any) -> Any:
        """The value without secrets, as its fields declare them; the same object where it has none."""
        if isinstance(value, tuple):
            parts = tuple([self._masked(each) for each in value])
            return value if all(part is each for part, each in zip(parts, value, strict=True)) else parts
        changes = {}
        kind: Any = type(value)
        for name, text in _declared(kind):
            content = getattr(value, name)
            masked = self._masked(content) if text is WITHIN else content and self._hidden(content)
            if masked is not content:
                changes[name] = masked
        if "message" in changes and _has_words_of_mesos(value):
            del changes["message"]
        return replace(value, **changes) if changes else value

    def _hidden(self, value: Any) -> Any:
        """A text, words or pairs, hidden."""
        if isinstance(value, str):
            return self._text(value)
        return tuple(self._text(each) if isinstance(each, str) else (each[0], self._text(each[1])) for each in value)

    def _text(self, text: str) -> str:
        if not text:
            return text
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=8)
        return MARK + digest.hexdigest()


@cache
def _declared(kind: Hashable) -> Declared:
    """The fields of a class in which something may have to be hidden; none where it is no dataclass."""
    if not isinstance(kind, type) or not is_dataclass(kind):
        return ()
    return tuple((name, said.text) for name, said in declarations(kind) if said.text not in (None, PLAIN))


def _has_words_of_mesos(value: Any) -> bool:
    """Whether the message of a status or task is Mesos's own, and not its executor's."""
    if isinstance(value, Status):
        return value.source in _FROM_MESOS
    return isinstance(value, Task) and is_removed(value)


# ---- writing --------------------------------------------------------------------------


def comparable(commands: Iterable[Command], stack: Callable[[StackSpec], StackSpec]) -> list[Any]:
    """The commands as far as they are compared, one after the other.

    All of them is, but containers and metadata, which the version's id stands for; texts that may quote the output of a
    task; and of a task that is stored what can become of it: where it is placed and with what is compared as it is
    launched. `stack` is what makes of a stack's spec one without secrets.
    """
    found: list[Any] = []
    for command in commands:
        if isinstance(command, Save):
            found.append(command.ticket)
            found += [_put(write) if type(write) is PutTask else _write(write, stack) for write in command.writes]
        elif isinstance(command, Accept):
            launches = [(_OF_TASK(launch.task), _OF_LAUNCH(launch)) for launch in command.launches]
            found.append((command.offer_ids, command.refuse_seconds, launches))
        else:
            fields_of = _OF.get(type(command))
            found.append(command if fields_of is None else fields_of(command))
    return found


def _put(write: PutTask) -> Any:
    backoff = write.task.backoff
    return (_OF_PUT(write), None if backoff is None else _OF_BACKOFF(backoff))


def _write(write: Write, stack: Callable[[StackSpec], StackSpec]) -> Any:
    name = type(write).__name__
    if isinstance(write, PutVersion):
        return (name, write.version.stack, write.version.id, write.version.resources)
    if isinstance(write, PutHistory):
        return (name, write.history.stack, [_revision(revision) for revision in write.history.revisions])
    if isinstance(write, PutStack):
        return (name, replace(stack(write.stack), message=""))
    if isinstance(write, PutRollouts):
        return (name, *_bare(write.rollouts))
    if isinstance(write, PutAnswer):
        return (name, replace(write.answer, key=replace(write.answer.key, digest="")))
    return (name, write)


def _bare(rollouts: Rollouts) -> tuple[Any, ...]:
    """A stack's rollouts, of what was before them the versions alone, and no text that may quote a task."""
    known = (*([rollouts.current] if rollouts.current else ()), *rollouts.past)
    before = [(spec.id, spec.version, spec.generation) for each in known for spec in each.before]
    parts = [(_OF_ROLLOUT(each), [_OF_PART(part) for part in each.groups]) for each in known]
    return (rollouts.stack, rollouts.current is None, parts, before)


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
_OF_REVISION = _getter(Revision, "groups", *with_text(Revision, QUOTES))
_OF_ROLLOUT = _getter(Rollout, "before", "groups", *with_text(Rollout, QUOTES))
_OF_PART = _getter(GroupRollout, *with_text(GroupRollout, QUOTES))
_OF_TASK = _getter(Task, "group")
_PLACED = (
    *("group", "slot", "attempt", "generation", "agent_id", "hostname", "address", "executor_id"),
    *("host_ports", "launched_at", "container_id", "sandbox", "addresses", "predecessors", "adopts"),
)
"""The fields of a task that its launch or its id says already, or that repeat a status."""
_OF_PUT = _getter(Task, *_PLACED, "backoff", *with_text(Task, QUOTES), within="task.")
_OF_BACKOFF = _getter(Backoff, *with_text(Backoff, QUOTES))
_OF: dict[type, Callable[[Any], Any]] = {
    **{kind: _getter(kind, *with_text(kind, QUOTES)) for kind in (PublishEvent, Acknowledge, Kill)},
    UpdateInPlace: _getter(UpdateInPlace, "settings"),
    StartExec: _getter(StartExec, *with_text(StartExec, SECRET)),
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
