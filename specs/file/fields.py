"""Tables of fields: a name, how it is read, where in the model it goes, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from specs.file.kinds import Kind, Schema
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping as MappingNode
from specs.file.source import Node, Scalar, describe
from specs.suggestions import closest, did_you_mean

NOWHERE = ""
"""The target of a field that is accepted and means nothing here."""


@dataclass(frozen=True, slots=True)
class Field:
    """A key of the file. `target` is the place in the model that it sets; several keys may set the same."""

    name: str
    kind: Kind
    target: str
    description: str
    is_ours: bool = True
    """Whether it is a word of our own vocabulary; else a word of compose or fig that means the same as one of ours."""
    may_be_null: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A value for a target, and where it came from."""

    value: Any
    node: Node


@dataclass(frozen=True, slots=True)
class Table:
    """The keys of one mapping: those that are read, and those that are refused with a sentence."""

    what: str
    fields: tuple[Field, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    """Targets of what a refused key stands for: `build` gives no image, and that need not be said too."""

    def read(self, reader: Reader, node: Node, also: frozenset[str] = frozenset()) -> dict[str, Found]:
        """Every value of the mapping by target. Mistakes are noted, and their targets put into `reader.failed`.

        Keys in `also` are somebody else's.
        """
        try:
            mapping = reader.mapping(node, f"a mapping: {self.what}")
        except Unreadable:
            reader.failed.update(field.target for field in self.fields)
            return {}
        by_name = {field.name: field for field in self.fields}
        found: dict[str, Found] = {}
        for name, value in mapping.values.items():
            if name.startswith("x-") or name in also:
                continue
            if name in by_name:
                self._take(reader, by_name[name], value, found)
            else:
                reader.note(_key_place(mapping, name), self._unknown(name))
                reader.failed.update(self._perhaps_meant(name))
        return found

    def _take(self, reader: Reader, one: Field, value: Node, found: dict[str, Found]) -> None:
        if isinstance(one.kind, Nested):
            for target, inner in one.kind.read(reader, value).items():
                put(reader, found, target, inner)
            return
        if one.target == NOWHERE:
            return
        if isinstance(value, Scalar) and value.is_null and not one.may_be_null:
            reader.note(value, f"has no value; give it here, or with -o FILE, or --set {value.path}=VALUE")
            reader.failed.add(one.target)
            return
        try:
            put(reader, found, one.target, Found(one.kind.read(reader, value), value))
        except Unreadable:
            reader.failed.add(one.target)

    def _perhaps_meant(self, name: str) -> set[str]:
        """The targets that an unknown or refused key may have been meant to set: what rests on them is not judged."""
        if name in self.instead:
            return {self.instead[name]}
        return {field.target for field in self.fields if field.name == closest(name, (one.name for one in self.fields))}

    def _unknown(self, name: str) -> str:
        if name in self.refused:
            return self.refused[name]
        hint = did_you_mean(name, [*(field.name for field in self.fields), *self.refused])
        known = ", ".join(field.name for field in self.fields if field.is_ours)
        return f"unknown key {name!r} in {self.what}{hint or f'; known are {known}'}"

    def schema(self) -> Schema:
        """A JSON Schema of the mapping."""
        properties = {one.name: {"description": one.description, **one.kind.schema()} for one in self.fields}
        return {
            "type": "object",
            "properties": properties,
            "patternProperties": {"^x-": {}},
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Nested:
    """A mapping within, whose fields set targets of their own."""

    table: Table

    def read(self, reader: Reader, node: Node) -> Mapping[str, Found]:
        return self.table.read(reader, node)

    def schema(self) -> Schema:
        return self.table.schema()


def put(reader: Reader, found: dict[str, Found], target: str, new: Found) -> None:
    """Adds a value; a second, different one for the same target is a mistake that names both places."""
    old = found.get(target)
    if old is not None and old.value != new.value:
        where = ", ".join(part for part in (old.node.path, old.node.place) if part)
        reader.note(new.node, f"says something else ({describe(new.node)}) than {where}; keep one of them")
        reader.failed.add(target)
        return
    found.setdefault(target, new)
    reader.locate((target,), found[target].node)


def _key_place(mapping: MappingNode, name: str) -> Node:
    """The key's own place under the path of its value."""
    key, value = mapping.keys[name], mapping.values[name]
    return Scalar(path=value.path, file=key.file, line=key.line, column=key.column, text=name)
