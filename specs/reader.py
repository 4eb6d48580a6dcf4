"""Reading one field after another, and collecting every mistake on the way."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, TypeVar

from specs.errors import Fault
from specs.interpolate import InterpolationError, interpolate
from specs.source import Mapping as MappingNode
from specs.source import Node, Scalar, describe

Value = TypeVar("Value")
Where = tuple[str | int, ...]
"""A field of a group in the model, perhaps one item of it: ("container.ports", 1)."""


class Unreadable(Exception):
    """The field cannot be used; why has been noted."""


class Reader:
    """What the readers of fields share: variables, the list of mistakes, and which node each field came from."""

    def __init__(self, variables: Mapping[str, str], stack: str, faults: list[Fault]) -> None:
        self.variables = variables
        self.stack = stack
        self.faults = faults
        self.origins: dict[Where, Node] = {}
        self.failed: set[str] = set()

    def note(self, node: Node, message: str) -> None:
        """Notes a mistake and goes on."""
        self.faults.append(node.fault(message))

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
        try:
            return interpolate(node.text, self.variables)
        except InterpolationError as error:
            self.fail(node, str(error))

    def parsed(self, node: Node, parse: Callable[[str], Value], wanted: str) -> Value:
        """What `parse` makes of the text; its ValueError becomes a mistake."""
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

    def each(self, calls: Iterable[Callable[[], Value]]) -> list[Value]:
        """What every call gives; where some fail, all are tried before the field is left."""
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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean image?" or nothing."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
