"""The normalised form of a stack as it arrives: JSON of unknown shape, checked value by value against the model."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from functools import cache
from typing import Any

from specs.model.errors import Fault, Faults, StackError
from specs.model.limits import MAX_GROUPS, MAX_RULE_DEPTH
from specs.model.resources import PortRanges
from specs.model.stack import Stack
from specs.suggestions import did_you_mean

_JSON_NAMES = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a whole number"}
_NUMBER = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_INTEGER_LIMIT = 2**53


def stack_from_plain(plain: dict[str, Any], name: str) -> Stack:
    """The stack whose normalised form this is, unchecked by any rule but that of shape. Raises StackError."""
    if plain.get("name", name) != name:
        raise StackError([Fault("name", f"wanted {name!r}, the name in the address; got {plain['name']!r}")])
    groups = plain.get("groups")
    if isinstance(groups, list) and len(groups) > MAX_GROUPS:
        raise StackError([Fault("groups", f"{len(groups):,} groups; a stack has at most {MAX_GROUPS:,}. Split it")])
    faults = Faults()
    stack = _value(Stack, {**plain, "name": name}, "", faults)
    if faults:
        raise StackError(faults.in_order())
    assert isinstance(stack, Stack)
    ordered = tuple(sorted(stack.groups, key=lambda group: group.id))
    return dataclasses.replace(stack, groups=ordered)


def _value(kind: Any, plain: Any, path: str, faults: Faults) -> Any:
    """The value of type `kind`; None, and a fault noted, where `plain` is not one."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        inner = next(argument for argument in typing.get_args(kind) if argument is not type(None))
        return None if plain is None else _value(inner, plain, path, faults)
    if origin is tuple:
        return _tuple(typing.get_args(kind), plain, path, faults)
    if kind is PortRanges:
        pairs = _tuple((tuple[int, int], Ellipsis), plain, path, faults)
        return PortRanges.of(pairs) if pairs is not None and all(pairs) else PortRanges()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, plain, path, faults)
    if isinstance(kind, type) and issubclass(kind, Enum):
        words = [member.value for member in kind]
        if plain in words and isinstance(plain, str):
            return kind(plain)
        faults.add(Fault(path, f"wanted one of {', '.join(words)}; got {_shown(plain)}"))
        return None
    return _single(kind, plain, path, faults)


def _single(kind: Any, plain: Any, path: str, faults: Faults) -> Any:
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool) and abs(plain) < _INTEGER_LIMIT:
        return float(plain)
    if isinstance(plain, kind) and not (kind is int and isinstance(plain, bool)):
        if kind in (int, float) and not abs(plain) < _INTEGER_LIMIT:
            faults.add(Fault(path, f"wanted a number of sensible size; got {_shown(plain)}"))
            return None
        if kind is str and not plain.isascii() and any("\ud800" <= character <= "\udfff" for character in plain):
            faults.add(Fault(path, "wanted a text in Unicode; got a lone surrogate"))
            return None
        return plain
    faults.add(Fault(path, f"wanted {_NUMBER[kind]}; got {_shown(plain)}"))
    return None


def _tuple(arguments: tuple[Any, ...], plain: Any, path: str, faults: Faults) -> tuple[Any, ...] | None:
    if not isinstance(plain, list):
        faults.add(Fault(path, f"wanted a list; got {_shown(plain)}"))
        return None
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_value(arguments[0], item, f"{path}[{index}]", faults) for index, item in enumerate(plain))
    if len(plain) != len(arguments):
        faults.add(Fault(path, f"wanted a list of {len(arguments)}; got one of {len(plain)}"))
        return None
    pairs = zip(arguments, plain, strict=True)
    return tuple(_value(kind, item, f"{path}[{index}]", faults) for index, (kind, item) in enumerate(pairs))


def _record(kind: type, plain: Any, path: str, faults: Faults) -> Any:
    if not isinstance(plain, dict):
        faults.add(Fault(path, f"wanted an object; got {_shown(plain)}"))
        return None
    if path.count(".parts[") > MAX_RULE_DEPTH:
        faults.add(Fault(path, f"any, all and not stand in one another more than {MAX_RULE_DEPTH} deep"))
        return None
    before = faults.count
    hints = _hints(kind)
    for name in plain:
        if name not in hints:
            hint = did_you_mean(str(name), hints) or "; known are " + ", ".join(hints)
            faults.add(Fault(_join(path, str(name)), f"unknown key {name!r}{hint}"))
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in plain:
            faults.add(Fault(_join(path, field.name), "is missing"))
    values = {name: _value(hints[name], plain[name], _join(path, name), faults) for name in plain if name in hints}
    return kind(**values) if faults.count == before else None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(plain: Any) -> str:
    if plain is None or isinstance(plain, (bool, int, float)):
        text = (
            {None: "null", True: "true", False: "false"}[plain]
            if plain is None or isinstance(plain, bool)
            else repr(plain)
        )
    elif isinstance(plain, str):
        text = repr(plain)
    else:
        return _JSON_NAMES.get(type(plain), "something else")
    return text if len(text) <= 60 else text[:57] + "..."


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
