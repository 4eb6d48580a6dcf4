"""Kinds of fields: how each is read from a node, and its JSON Schema."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from specs.file.reader import Reader
from specs.file.source import Mapping as MappingNode
from specs.file.source import Node, Scalar, Sequence, describe
from specs.file.values import parse_boolean, parse_integer

Schema = dict[str, Any]
VARIABLE = r"\$"
"""In a schema's pattern: where a variable stands the value is not yet known."""


class Kind(Protocol):
    """A way to read a field. `read` raises Unreadable once it has noted why."""

    def read(self, reader: Reader, node: Node, /) -> Any: ...

    def schema(self) -> Schema: ...


@dataclass(frozen=True, slots=True)
class Text:
    """A text; a number is taken as it was written."""

    wanted: str = "a text"

    def read(self, reader: Reader, node: Node) -> str:
        if isinstance(node, Scalar) and node.is_boolean:
            reader.fail(node, f"wanted {self.wanted}; got {node.text}: put it in quotes if it is meant as a text")
        text = reader.text(node, self.wanted)
        if not text:
            reader.fail(node, f"wanted {self.wanted}; got an empty text")
        return text

    def schema(self) -> Schema:
        return {"type": ["string", "number"]}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A single value with a meaning: a duration, a size. `pattern` says the same to an editor."""

    parse: Callable[[str], Any]
    wanted: str
    types: tuple[str, ...] = ("string",)
    pattern: str = ""

    def read(self, reader: Reader, node: Node) -> Any:
        return reader.parsed(node, self.parse, self.wanted)

    def schema(self) -> Schema:
        pattern = {"pattern": f"{self.pattern}|{VARIABLE}"} if self.pattern else {}
        return {"type": list(self.types) if len(self.types) > 1 else self.types[0], **pattern}


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds."""

    low: int
    high: int
    wanted: str = "a whole number"

    def read(self, reader: Reader, node: Node) -> int:
        wanted = f"{self.wanted} from {self.low:,} to {self.high:,}"
        number = reader.parsed(node, partial(self._parse, wanted), wanted)
        if not self.low <= number <= self.high:
            reader.fail(node, f"wanted {wanted}; got {number}")
        return number

    @staticmethod
    def _parse(wanted: str, text: str) -> int:
        try:
            return parse_integer(text)
        except ValueError:
            raise ValueError(f"wanted {wanted}; got {text!r}") from None

    def schema(self) -> Schema:
        return {
            "anyOf": [
                {"type": "integer", "minimum": self.low, "maximum": self.high},
                {"type": "string", "pattern": f"^[0-9]+$|{VARIABLE}"},
            ]
        }


@dataclass(frozen=True, slots=True)
class Boolean:
    """true or false; the words may stand in quotes."""

    def read(self, reader: Reader, node: Node) -> bool:
        return reader.parsed(node, parse_boolean, "true or false")

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": f"^(true|false)$|{VARIABLE}"}]}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words. `refused` are words with a sentence of their own."""

    words: Mapping[str, Any]
    refused: Mapping[str, str] = field(default_factory=dict)

    def read(self, reader: Reader, node: Node) -> Any:
        wanted = "one of " + ", ".join(self.words)
        text = reader.text(node, wanted)
        if text in self.refused:
            reader.fail(node, f"{text} {self.refused[text]}")
        if text not in self.words:
            reader.fail(node, f"wanted {wanted}; got {text!r}")
        return self.words[text]

    def schema(self) -> Schema:
        return {"anyOf": [{"enum": list(self.words)}, {"type": "string", "pattern": VARIABLE}]}


@dataclass(frozen=True, slots=True)
class Command:
    """A command: a list of arguments, or a text that is split as a shell would."""

    shell: bool = False
    """A text is handed to /bin/sh -c as it is, instead of being split."""

    def read(self, reader: Reader, node: Node) -> tuple[str, ...]:
        if isinstance(node, Sequence):
            return tuple(reader.each(partial(reader.text, item, "an argument") for item in node.items))
        text = reader.text(node, "a command: a text, or a list of arguments")
        if self.shell:
            return ("/bin/sh", "-c", text)
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            reader.fail(node, f"wanted a command; got one that cannot be split: {str(error).lower()}")

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": ["string", "number", "boolean"]}}]}


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and values: a mapping, or a list of NAME=VALUE. Gives pairs sorted by name.

    A number or boolean becomes the text it was written as. With `from_variables` a name without a value takes that
    of the variable of the same name.
    """

    target: str
    wanted: str
    from_variables: bool = False

    def read(self, reader: Reader, node: Node) -> tuple[tuple[str, str], ...]:
        found: dict[str, str] = {}
        for name, item, value in self._pairs(reader, node):
            if name in found:
                first = reader.origins[self.target, name]
                reader.fail(item, f"{name} stands here a second time; the first is at {first.place or first.path}")
            found[name] = value
            reader.locate((self.target, name), item)
        return tuple(sorted(found.items()))

    def _pairs(self, reader: Reader, node: Node) -> list[tuple[str, Node, str]]:
        if isinstance(node, MappingNode):
            return reader.each(partial(self._of_mapping, reader, name, value) for name, value in node.values.items())
        if not isinstance(node, Sequence):
            reader.fail(node, f"wanted {self.wanted}: a mapping, or a list of NAME=VALUE; got {describe(node)}")
        return reader.each(partial(self._of_list, reader, item) for item in node.items)

    def _of_mapping(self, reader: Reader, name: str, value: Node) -> tuple[str, Node, str]:
        if isinstance(value, Scalar) and value.is_null:
            return name, value, self._without_value(reader, name, value)
        text = reader.text(value, "a single value")
        if isinstance(value, Scalar) and value.is_boolean:
            text = text.lower()
        return name, value, text

    def _of_list(self, reader: Reader, item: Node) -> tuple[str, Node, str]:
        name, equals, value = reader.text(item, "NAME=VALUE").partition("=")
        return name, item, value if equals else self._without_value(reader, name, item)

    def _without_value(self, reader: Reader, name: str, node: Node) -> str:
        if not self.from_variables:
            return ""
        if name not in reader.variables:
            reader.fail(
                node,
                f"{name} has no value, so it is taken from the variable {name}, which is not set;"
                f' export it, or give a value here ("" for an empty one)',
            )
        return reader.variables[name]

    def schema(self) -> Schema:
        single = {"type": ["string", "number", "boolean", "null"]}
        return {
            "anyOf": [
                {"type": "object", "additionalProperties": single},
                {"type": "array", "items": {"type": "string"}},
            ]
        }


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts; where `or_one` is set, one text alone is a list of one. `parse` checks and rewrites each."""

    target: str
    wanted: str
    parse: Callable[[str], str] = str
    or_one: bool = False

    def read(self, reader: Reader, node: Node) -> tuple[str, ...]:
        if isinstance(node, Scalar) and self.or_one:
            return (reader.parsed(node, self.parse, self.wanted),)
        if not isinstance(node, Sequence):
            reader.fail(node, f"wanted a list, each item {self.wanted}; got {describe(node)}")
        texts = reader.each(partial(reader.parsed, item, self.parse, self.wanted) for item in node.items)
        for index, item in enumerate(node.items):
            reader.locate((self.target, index), item)
            if texts[index] in texts[:index]:
                first = node.items[texts.index(texts[index])]
                reader.fail(
                    item, f"{texts[index]} stands here a second time; the first is at {first.place or first.path}"
                )
        return tuple(texts)

    def schema(self) -> Schema:
        many: Schema = {"type": "array", "items": {"type": ["string", "number"]}}
        return {"anyOf": [{"type": "string"}, many]} if self.or_one else many


@dataclass(frozen=True, slots=True)
class Anything:
    """Accepted, and without meaning here: not looked at."""

    def read(self, _reader: Reader, _node: Node, /) -> None:
        return None

    def schema(self) -> Schema:
        return {}
