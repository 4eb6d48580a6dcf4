"""YAML as a tree of nodes that know their place.

Scalars keep their text, so that 1.10 stays 1.10 and `no` stays no; the reader of a field decides what the text means.
Aliases and merge keys (`<<`) are resolved here, duplicate keys found, and every limit on the mere size of a file kept:
a file is refused while it is read, never after it has been expanded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from specs.model.errors import Fault, StackError, place
from specs.model.limits import MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, MAX_TEXT

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOO_DEEP = f"nested more than {MAX_DEPTH} deep; a stack file never needs that"
_STANDARD_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}
_PLAIN_KEY = re.compile(r"[^.\[\]\s]+")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value of the document. `line` and `column` count from 1; 0 where there is no file."""

    path: str
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def place(self) -> str:
        """`file:line:column`, as far as they are known."""
        return place(self.file, self.line, self.column)

    def fault(self, message: str) -> Fault:
        """A mistake here."""
        return Fault(self.path, message, self.file, self.line, self.column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar(Node):
    """A single value as it was written. A literal one is not interpolated."""

    text: str
    is_plain: bool = True
    is_literal: bool = False

    @property
    def is_null(self) -> bool:
        return self.is_plain and self.text in _NULLS

    @property
    def is_boolean(self) -> bool:
        return self.is_plain and self.text in _BOOLEANS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Node):
    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping(Node):
    """Keys to values. `keys` holds each key's own place."""

    values: dict[str, Node]
    keys: dict[str, Scalar]


def describe(node: Node) -> str:
    """The kind of a node in words, for "got ..."."""
    if isinstance(node, Mapping):
        return "a mapping" if node.values else "an empty mapping"
    if isinstance(node, Sequence):
        return "a list" if node.items else "an empty list"
    assert isinstance(node, Scalar)
    if node.is_null:
        return "nothing"
    text = node.text if len(node.text) <= 60 else node.text[:57] + "..."
    if node.is_boolean or (node.is_plain and _NUMBER.fullmatch(node.text)):
        return text
    return repr(text)


def child_path(path: str, key: str | int) -> str:
    """The path of an item or of a key's value."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    shown = key if _PLAIN_KEY.fullmatch(key) else repr(key)
    return f"{path}.{shown}" if path else shown


def read_yaml(text: str | bytes, file: str, *, path: str = "", is_literal: bool = False) -> tuple[Node, list[Fault]]:
    """The one document of a YAML file, and the mistakes that did not keep it from being read.

    Raises StackError for what is not YAML, and for what exceeds a limit on size.
    """
    content = _decoded(text, file)
    loader = _LOADER(content)
    composer = _Composer(loader.get_event, file, is_literal)
    try:
        return composer.document(path), composer.faults
    except yaml.MarkedYAMLError as error:
        raise StackError([_syntax_fault(error, content, file, composer.too_deep(error, content))]) from None
    except yaml.reader.ReaderError as error:
        line, column = _line_and_column(content, error.position)
        character = f"the character U+{error.character:04X}" if isinstance(error.character, int) else "a character"
        raise StackError(
            [
                Fault(
                    "",
                    f"not YAML: {character} is not allowed in it; write it as an escape in quotes",
                    file,
                    line,
                    column,
                )
            ]
        ) from None
    finally:
        loader.dispose()


def _decoded(text: str | bytes, file: str) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_FILE_BYTES:
        raise StackError([Fault("", too_large(size), file)])
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8", "replace")
        line, column = _line_and_column(before, len(before))
        message = f"not UTF-8: byte 0x{text[error.start]:02x} at offset {error.start}; save the file as UTF-8 text"
        raise StackError([Fault("", message, file, line, column)]) from None


def too_large(size: int) -> str:
    """The refusal of a file of `size` bytes."""
    return f"the file has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read. Split it into several stacks"


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


_EXPLAINED = (
    ("cannot start any token", "a value cannot begin with this character; put the value in quotes"),
    ("mapping values are not allowed", "a second ': ' on the line, or a wrong indentation; put the value in quotes"),
    (
        "did not find expected key",
        "wanted a key in line with those above it, or the end of the mapping; look at the indentation",
    ),
    ("could not find expected ':'", "wanted ':' and a space after the key"),
    ("did not find expected '-' indicator", "wanted '-' in line with the items above it; look at the indentation"),
    ("did not find expected ',' or ']'", "wanted ',' or ']' in the list"),
    ("did not find expected ',' or '}'", "wanted ',' or '}' in the mapping"),
    ("did not find expected node content", "wanted a value, ',' or a closing bracket"),
    ("unexpected end of stream", "the file ends within a quoted text; wanted the closing quote"),
    ("undefined alias", "the alias names an anchor (&name) that is not defined above it"),
)


def _syntax_fault(error: yaml.MarkedYAMLError, content: str, file: str, is_too_deep: bool) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    problem = error.problem or str(error)
    lines = content.splitlines()
    if line > len(lines) > 0:
        line, column = len(lines), len(lines[-1]) + 1  # the end of the file
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    indentation = here[: len(here) - len(here.lstrip())]
    if "\t" in indentation or here[column - 1 : column] == "\t":
        column = here.index("\t") + 1
        return Fault("", "not YAML: a tab; wanted spaces, YAML is not indented with tabs", file, line, column)
    explained = next((words for sign, words in _EXPLAINED if sign in problem), None)
    if explained is None and is_too_deep:
        return Fault("", _TOO_DEEP, file, line, column)
    since = error.context_mark
    context = f" (in what begins at line {since.line + 1})" if since and 0 <= since.line < line - 1 else ""
    return Fault("", f"not YAML: {explained or problem}{context}", file, line, column)


@dataclass(frozen=True, slots=True)
class _Sized:
    """A node with how many values and characters it has when every alias is written out."""

    node: Node
    nodes: int
    characters: int


class _Composer:
    def __init__(self, next_event: Callable[[], Any], file: str, is_literal: bool) -> None:
        self._next_event = next_event
        self._open = 0
        self._read_to = 0
        self._file = file
        self._is_literal = is_literal
        self._anchors: dict[str, _Sized | None] = {}
        self.faults: list[Fault] = []

    def _next(self) -> Any:
        event = self._next_event()
        self._read_to = event.end_mark.index
        if isinstance(event, yaml.CollectionStartEvent):
            self._open += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open -= 1
        return event

    def too_deep(self, error: yaml.MarkedYAMLError, content: str) -> bool:
        """Whether the library gave up within brackets nested deeper than MAX_DEPTH.

        libyaml reads up to 1,024 characters ahead before it reports a bracket, and PyYAML 6.0.4 has a limit of its own
        on nesting: it can refuse brackets that `_node` has not seen.
        """
        end = error.problem_mark.index if error.problem_mark else 0
        depth = self._open
        for character in content[self._read_to : end + 1]:
            depth += (character in "[{") - (character in "]}")
            if depth > MAX_DEPTH + 1:
                return True
        return False

    def document(self, path: str) -> Node:
        self._next()  # the stream begins
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            return Scalar(path=path, file=self._file, line=1, column=1, text="")
        root = self._node(self._next(), path, 0).node
        self._next()  # the document ends
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            self._stop(event, path, "a second document begins here; wanted one document in a file")
        return root

    def _stop(self, event: Any, path: str, message: str) -> NoReturn:
        raise StackError([*self.faults, Fault(path, message, **self._mark(event))])

    def _mark(self, event: Any) -> dict[str, Any]:
        return {"file": self._file, "line": event.start_mark.line + 1, "column": event.start_mark.column + 1}

    def _node(self, event: Any, path: str, depth: int) -> _Sized:
        if depth > MAX_DEPTH:
            self._stop(event, "", _TOO_DEEP)
        anchor: str | None = event.anchor
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, path)
        if event.tag is not None and event.tag not in _STANDARD_TAGS and event.tag != "!":
            self._stop(event, path, f"the tag {event.tag!r} has no meaning here; wanted plain values, remove the tag")
        if anchor:
            self._anchors[anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0] and not event.style
            scalar = Scalar(
                path=path, text=event.value, is_plain=plain, is_literal=self._is_literal, **self._mark(event)
            )
            sized = _Sized(scalar, 1, len(event.value))
        elif isinstance(event, yaml.SequenceStartEvent):
            sized = self._sequence(event, path, depth)
        else:
            sized = self._mapping(event, path, depth)
        if sized.nodes > MAX_NODES:
            self._stop(event, "", f"more than {MAX_NODES:,} values, aliases written out; split the file")
        if sized.characters > MAX_TEXT:
            self._stop(event, "", f"more than {MAX_TEXT:,} characters, aliases written out; split the file")
        if anchor:
            self._anchors[anchor] = sized
        return sized

    def _aliased(self, event: Any, path: str) -> _Sized:
        if event.anchor not in self._anchors:
            self._stop(event, path, f"the alias *{event.anchor} names an anchor that is not defined above it")
        sized = self._anchors[event.anchor]
        if sized is None:
            self._stop(event, path, f"the alias *{event.anchor} stands within its own anchor &{event.anchor}: a cycle")
        return sized

    def _sequence(self, start: Any, path: str, depth: int) -> _Sized:
        items: list[_Sized] = []
        nodes, characters = 1, 0
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, f"{path}[{len(items)}]", depth + 1))
            nodes += items[-1].nodes
            characters += items[-1].characters
            if nodes > MAX_NODES:
                break  # reported by the caller, for this node
        sequence = Sequence(path=path, items=tuple(item.node for item in items), **self._mark(start))
        return _Sized(sequence, nodes, characters)

    def _mapping(self, start: Any, path: str, depth: int) -> _Sized:
        keys: dict[str, Scalar] = {}
        values: dict[str, Node] = {}
        merged: list[Mapping] = []
        nodes, characters = 1, 0
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._node(event, path, depth + 1).node
            if not isinstance(key, Scalar):
                self._stop(event, path, f"wanted a name as the key; got {describe(key)}")
            value = self._node(self._next(), child_path(path, key.text), depth + 1)
            nodes += 1 + value.nodes
            characters += len(key.text) + value.characters
            if nodes > MAX_NODES:
                break  # reported by the caller, for this node
            if key.is_plain and key.text == "<<" and not merged:
                merged = self._merged(value.node)
            elif key.text in keys:
                first = keys[key.text]
                message = f"the key {key.text!r} stands here a second time; the first is at line {first.line}"
                self.faults.append(Fault(child_path(path, key.text), message, **self._mark(event)))
            else:
                keys[key.text], values[key.text] = key, value.node
        for other in merged:
            for name in other.keys:
                if name not in keys:
                    keys[name], values[name] = other.keys[name], other.values[name]
        return _Sized(Mapping(path=path, keys=keys, values=values, **self._mark(start)), nodes, characters)

    def _merged(self, node: Node) -> list[Mapping]:
        mappings = list(node.items) if isinstance(node, Sequence) else [node]
        for mapping in mappings:
            if not isinstance(mapping, Mapping):
                self.faults.append(mapping.fault(f"wanted a mapping to merge with <<; got {describe(mapping)}"))
        return [mapping for mapping in mappings if isinstance(mapping, Mapping)]


def from_json(plain: object, *, path: str = "") -> Node:
    """JSON values as a tree whose nodes know their path only; its texts are literal. Raises StackError at a limit."""
    return _JsonReader().node(plain, path, 0)


class _JsonReader:
    def __init__(self) -> None:
        self._nodes = 0

    def node(self, plain: object, path: str, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise StackError([Fault("", f"more than {MAX_NODES:,} values; split the stack")])
        if depth > MAX_DEPTH:
            raise StackError([Fault("", f"nested more than {MAX_DEPTH} deep; a stack never needs that")])
        if isinstance(plain, dict):
            keys = {str(key): Scalar(path=path, text=str(key), is_literal=True) for key in plain}
            values = {str(key): self.node(value, child_path(path, str(key)), depth + 1) for key, value in plain.items()}
            return Mapping(path=path, keys=keys, values=values)
        if isinstance(plain, list):
            items = (self.node(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(plain))
            return Sequence(path=path, items=tuple(items))
        if isinstance(plain, str):
            return Scalar(path=path, text=plain, is_plain=False, is_literal=True)
        text = {None: "null", True: "true", False: "false"}[plain] if plain is None or isinstance(plain, bool) else ""
        return Scalar(path=path, text=text or str(plain), is_literal=True)
