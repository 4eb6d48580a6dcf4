"""Commands at moments of a task's life: `post_start` and `pre_stop`, in compose's form and in ours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from specs.file.fields import Field, Table
from specs.file.health_forms import DURATION
from specs.file.kinds import Command, Pairs, Schema, Text
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping, Node, Scalar, Sequence, describe
from specs.model.stack import Hook

HOOK = Table(
    "a hook",
    (
        Field("command", Command(shell=True), "command", "The command: a text for the shell, or a list of arguments."),
        Field("timeout", DURATION, "timeout_seconds", "A command that takes longer has failed (30s)."),
        Field("user", Text("a user"), "user", "As whom it runs (the container's own)."),
        Field("working_dir", Text("a directory"), "working_dir", "Where it runs (the container's own)."),
        Field(
            "environment",
            Pairs("hook.environment", "the environment", from_variables=True),
            "environment",
            "What is added to the container's environment.",
        ),
    ),
    {"privileged": "privileged is refused: a hook may what its container may; give the service privileged: true"},
)


@dataclass(frozen=True, slots=True)
class Hooks:
    """A text for the shell, a list of one command's words, a mapping, or a list of mappings. Gives a tuple of hooks."""

    def read(self, reader: Reader, node: Node) -> tuple[Hook, ...]:
        if isinstance(node, Mapping):
            return (self._one(reader, node),)
        if isinstance(node, Sequence) and any(not isinstance(item, Scalar) for item in node.items):
            return tuple(reader.each(partial(self._one, reader, item) for item in node.items))
        command = Command(shell=True).read(reader, node)
        return (Hook(command=command),) if command else ()

    def _one(self, reader: Reader, node: Node) -> Hook:
        if not isinstance(node, Mapping):
            reader.fail(node, f"wanted a mapping with the key command, as its neighbours are; got {describe(node)}")
        before = reader.faults.count
        values: dict[str, Any] = {name: one.value for name, one in HOOK.read(reader, node).items()}
        if reader.faults.count > before:
            raise Unreadable
        if "command" not in values:
            reader.fail(node, "wanted the key command; got none")
        return Hook(**values)

    def schema(self) -> Schema:
        one = HOOK.schema() | {"required": ["command"]}
        words: Schema = {"type": ["string", "number", "boolean"]}
        return {
            "anyOf": [
                {"type": "string"},
                one,
                {"type": "array", "items": words},
                {"type": "array", "items": one},
            ]
        }
