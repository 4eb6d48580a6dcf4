"""Files that the executor writes for a task, with the addresses of others in them: `templates`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from specs.file.fields import Field, Table
from specs.file.kinds import Command, Schema, Text
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping, Node, Scalar, Sequence, describe
from specs.model.stack import Template

_SIGNAL = re.compile(r"signal (SIG)?(HUP|USR1|USR2|INT|QUIT|TERM|WINCH|CONT)")
_WORDS = "none, `signal HUP`, or a mapping `command: [program, argument]`"


@dataclass(frozen=True, slots=True)
class Mode:
    """Permissions as chmod writes them, `"0644"`; a number of the mode's value."""

    def read(self, reader: Reader, node: Node) -> int:
        text = reader.text(node, "permissions")
        if not re.fullmatch(r"0?[0-7]{3}", text):
            reader.fail(node, f'wanted permissions of three octal digits, as "0644"; got {text!r}')
        return int(text, 8)

    def schema(self) -> Schema:
        return {"type": ["string", "integer"]}


@dataclass(frozen=True, slots=True)
class Change:
    """The reaction to a change of the file: a pair of a signal and a command, of which one at least is empty."""

    def read(self, reader: Reader, node: Node) -> tuple[str, tuple[str, ...]]:
        if isinstance(node, Mapping):
            if list(node.values) != ["command"]:
                reader.fail(node, f"wanted {_WORDS}; got the keys {', '.join(node.values)}")
            return "", Command(shell=True).read(reader, node.values["command"]) or ()
        word = reader.text(node, _WORDS)
        if word == "none":
            return "", ()
        if word == "restart":
            reader.fail(
                node,
                "restart is refused: tasks are replaced at their group's pace only, and what changes for one"
                " changes for all; have the program read the file again by a signal or a command",
            )
        found = _SIGNAL.fullmatch(word)
        if not found:
            reader.fail(node, f"wanted {_WORDS}; got {word!r}")
        return f"SIG{found[2]}", ()

    def schema(self) -> Schema:
        command = {"type": "object", "required": ["command"], "properties": {"command": Command(shell=True).schema()}}
        return {"anyOf": [{"type": "string"}, command | {"additionalProperties": False}]}


TEMPLATE = Table(
    "a template",
    (
        Field(
            "target", Text("a path"), "target", "Where the container finds it: absolute, or below /mnt/mesos/templates."
        ),
        Field("source", Text("a file"), "source", "The file that holds it, beside the stack file; it is sent along."),
        Field("content", Text("a text"), "content", "Or the text itself."),
        Field("mode", Mode(), "mode", 'Permissions ("0644").'),
        Field("on_change", Change(), "on_change", f"What follows when it has changed: {_WORDS} (none)."),
    ),
)


@dataclass(frozen=True, slots=True)
class Templates:
    """A list of mappings. Gives a tuple of templates."""

    def read(self, reader: Reader, node: Node) -> tuple[Template, ...]:
        if not isinstance(node, Sequence):
            reader.fail(node, f"wanted a list of templates; got {describe(node)}")
        return tuple(reader.each(partial(self._one, reader, item) for item in node.items))

    def _one(self, reader: Reader, node: Node) -> Template:
        if not isinstance(node, Mapping):
            reader.fail(node, f"wanted a mapping with target and source; got {describe(node)}")
        before = reader.faults.count
        values: dict[str, Any] = {name: one.value for name, one in TEMPLATE.read(reader, node).items()}
        if reader.faults.count > before:
            raise Unreadable
        if "target" not in values:
            reader.fail(node, "wanted the key target: where the container finds the file; got none")
        if ("source" in values) == ("content" in values):
            reader.fail(node, "wanted one of source (a file) and content (the text itself)")
        content = values["content"] if "content" in values else _file(reader, node.values["source"], values["source"])
        signal, command = values.get("on_change", ("", ()))
        return Template(
            target=values["target"],
            content=content,
            mode=values.get("mode", 0o644),
            signal=signal,
            command=command,
        )

    def schema(self) -> Schema:
        return {"type": "array", "items": TEMPLATE.schema() | {"required": ["target"]}}


def _file(reader: Reader, node: Node, name: str) -> str:
    """The content of a file that is named beside the stack file. What a scheduler is sent names no file: there is
    nothing of the sender's that it could read."""
    if not isinstance(node, Scalar) or not node.file or not Path(node.file).is_file():
        reader.fail(node, "source is read where the stack file is a file; give content here")
    try:
        return (Path(node.file).parent / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        reader.fail(node, f"{name} cannot be read: {why}; it is looked for beside {node.file}")
