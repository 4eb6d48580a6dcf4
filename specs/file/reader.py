"""Reading one field after another, and collecting every mistake on the way."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, TypeVar

from specs.file.interpolate import InterpolationError, interpolate
from specs.file.source import Mapping as MappingNode
from specs.file.source import Node, Scalar, describe
from specs.model.errors import Faults
from specs.rules.broken import Where

Value = TypeVar("Value")
_MAX_UNSET = 20
"""Unset variables that are told of one value."""


class Unreadable(Exception):
    """The field cannot be used; why has been noted."""


class Reader:
    """The common context of all readers of fields: variables, the list of mistakes, and which node each field came
    from."""

    def __init__(self, variables: Mapping[str, str], stack: str, faults: Faults) -> None:
        self.variables = variables
        self.stack = stack
        self.faults = faults
        self.origins: dict[Where, Node] = {}
        self.failed: set[str] = set()

    def note(self, node: Node, message: str) -> None:
        """Notes a mistake and goes on."""
        self.faults.add(node.fault(message))

    def fail(self, node: Node, message: str) -> NoReturn:
        """Notes a mistake and leaves the field."""
        self.note(node, message)
        raise Unreadable

    def locate(self, where: Where, node: Node) -> None:
        """Remembers which node a field of the model came from, so that a broken rule can name its place."""
        self.origins[where] = node

    def text(self, node: Node, wanted: str) -> str:
        """The text of a single value, its variables filled in."""
        if not isinstance(node, Scalar):
            self.fail(node, f"wanted {wanted}; got {describe(node)}")
        if node.is_null:
            self.fail(node, f"has no value; wanted {wanted}. Give it here, or with -o FILE, or --set {node.path}=VALUE")
        if node.is_literal:
            return node.text
        unset: dict[str, str] = {}
        while True:
            try:
                text = interpolate(node.text, ChainMap(unset, dict(self.variables)) if unset else self.variables)
            except InterpolationError as error:
                self.note(node, str(error))
                if not error.variable or len(unset) >= _MAX_UNSET:
                    raise Unreadable from None
                unset[error.variable] = "unset"
                continue
            if unset:
                raise Unreadable
            return text

    def parsed(self, node: Node, parse: Callable[[str], Value], wanted: str) -> Value:
        """Parses the text by `parse`; its ValueError becomes a mistake."""
        text = self.text(node, wanted)
        try:
            return parse(text)
        except ValueError as error:
            self.fail(node, str(error))

    def mapping(self, node: Node, wanted: str) -> MappingNode:
        """The node as a mapping."""
        if isinstance(node, Scalar) and node.is_null:
            self.fail(
                node, f"has no value; wanted {wanted}. Give it here, or with -o FILE, or --set {node.path}.KEY=VALUE"
            )
        if not isinstance(node, MappingNode):
            self.fail(node, f"wanted {wanted}; got {describe(node)}")
        return node

    def readable(self, calls: Iterable[Callable[[], Value]]) -> list[Value]:
        """The results of the calls that have one; the mistakes of the others have been noted."""
        read: list[Value] = []
        for call in calls:
            try:
                read.append(call())
            except Unreadable:
                continue
        return read

    def each(self, calls: Iterable[Callable[[], Value]]) -> list[Value]:
        """The results of all calls; where some fail, all are tried before the field is left."""
        read: list[Value] = []
        failed = False
        for call in calls:
            try:
                read.append(call())
            except Unreadable:
                failed = True
        if failed:
            raise Unreadable
        return read
