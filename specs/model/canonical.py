"""The canonical form of a group's container and resources, its hash, and the way back.

The form is JSON with sorted keys, without fields that have their default value. So a field that a later release adds
changes no version of a group that does not use it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from enum import Enum
from functools import cache
from typing import Any

from specs.ids import VersionId
from specs.model.in_place import DEFAULT_SETTINGS, InPlaceSettings, in_place_settings, with_settings
from specs.model.resources import PortRanges, Resources
from specs.model.stack import Container, Group


def to_plain(value: Any) -> Any:
    """A frozen value of specs as dicts, lists, strings and numbers; fields that have their default are left out."""
    if isinstance(value, PortRanges):
        return [list(pair) for pair in value.ranges]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {}
        for field in dataclasses.fields(value):
            content = getattr(value, field.name)
            if field.default is dataclasses.MISSING or content != field.default:
                plain[field.name] = to_plain(content)
        return plain
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: Any, plain: Any) -> Any:
    """The value of type `kind` of which `plain` is the plain form. Raises ValueError for a key it does not know."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        if plain is None:
            return None
        return from_plain(next(a for a in typing.get_args(kind) if a is not type(None)), plain)
    if origin is tuple:
        arguments = typing.get_args(kind)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(from_plain(arguments[0], item) for item in plain)
        return tuple(from_plain(argument, item) for argument, item in zip(arguments, plain, strict=True))
    if kind is PortRanges:
        return PortRanges.of((first, last) for first, last in plain)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        unknown = sorted(set(plain) - set(hints))
        if unknown:
            raise ValueError(f"{kind.__name__}: wanted keys among {', '.join(hints)}; got {', '.join(unknown)}")
        return kind(**{name: from_plain(hints[name], content) for name, content in plain.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(plain)
    return plain


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def container_json(container: Container) -> bytes:
    """A container's settings as canonical JSON."""
    return _dump(to_plain(container))


def container_from_json(data: bytes) -> Container:
    """The container whose canonical JSON this is; raises ValueError where it is not one."""
    return typing.cast(Container, from_plain(Container, json.loads(data)))


def version_json(container: Container, resources: Resources) -> bytes:
    """The run-relevant settings of a group as canonical JSON: what a version is made of."""
    return _dump({"container": to_plain(container), "resources": to_plain(resources)})


def version_from_json(data: bytes) -> tuple[Container, Resources]:
    """The settings whose canonical JSON this is; raises ValueError where it is not such."""
    plain = json.loads(data)
    return from_plain(Container, plain["container"]), from_plain(Resources, plain["resources"])


def in_place_json(settings: InPlaceSettings) -> bytes:
    """The in-place settings of a task as canonical JSON."""
    return _dump(to_plain(settings))


def in_place_from_json(data: bytes) -> InPlaceSettings:
    """The in-place settings whose canonical JSON this is; raises ValueError where it is none."""
    container = container_from_json(data)
    settings = in_place_settings(container)
    if settings != container:
        raise ValueError("wanted in-place settings alone; got others too")
    return settings


def version_of(group: Group) -> VersionId:
    """The version of a group: equal exactly when its tasks can stay as they are.

    The part before the `-` is the container hash. Where only the other part differs, running tasks are given the
    in-place settings, and need no new container (specs.ids.is_same_container).
    """
    settings = in_place_settings(group.container)
    bare = with_settings(group.container, DEFAULT_SETTINGS)
    container_hash = _digits(version_json(bare, group.resources), 12)
    if settings == DEFAULT_SETTINGS:
        return VersionId(container_hash)
    return VersionId(f"{container_hash}-{_digits(in_place_json(settings), 8)}")


def _digits(data: bytes, count: int) -> str:
    return hashlib.sha256(data).hexdigest()[:count]


def _dump(plain: Any) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
