"""Volumes: `data:/var/lib/data`, `/etc/app:/etc/app:ro`, `/scratch`, compose's long form; and memory file systems."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from specs.file.kinds import Schema
from specs.file.reader import Reader
from specs.file.source import Mapping, Node, Sequence, describe
from specs.file.values import parse_boolean, parse_size_mib
from specs.model.stack import Volume
from specs.suggestions import did_you_mean

WANTED = "a volume as NAME:/path, /path/on/agent:/path, or /path"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_LONG_KEYS = ("type", "source", "target", "read_only", "tmpfs")
_RELATIVE = (
    "wanted an absolute path on the agent, or a volume's name; got {source!r}. A path beside the stack file means "
    "nothing on an agent: put the files into the image, or name where they are on every agent"
)


@dataclass(frozen=True, slots=True)
class Mounts:
    """The content of `volumes`: volumes, and memory file systems in Docker's text form (`/path` or
    `/path:size=64m`)."""

    volumes: tuple[Volume, ...]
    tmpfs: tuple[str, ...]


class Volumes:
    """The list `volumes` of a service. Named ones belong to the stack: `data` becomes `<stack>.data` on the agent."""

    def read(self, reader: Reader, node: Node) -> Mounts:
        if not isinstance(node, Sequence):
            reader.fail(node, f"wanted a list of volumes; got {describe(node)}")
        read = reader.each(partial(_one, reader, item) for item in node.items)
        volumes: list[Volume] = []
        reader.locate(("container.volumes",), node)
        for item, one in zip(node.items, read, strict=True):
            if isinstance(one, Volume):
                reader.locate(("container.volumes", len(volumes)), item)
                volumes.append(one)
        return Mounts(tuple(volumes), tuple(one for one in read if isinstance(one, str)))

    def schema(self) -> Schema:
        long = {
            "type": "object",
            "required": ["type", "target"],
            "properties": {
                "type": {"enum": ["bind", "volume", "tmpfs"]},
                "source": {"type": "string"},
                "target": {"type": "string"},
                "read_only": {"type": "boolean"},
                "tmpfs": {"type": "object", "properties": {"size": {"type": "string"}}, "additionalProperties": False},
            },
            "additionalProperties": False,
        }
        return {"type": "array", "items": {"anyOf": [{"type": "string"}, long]}}


def _one(reader: Reader, node: Node) -> Volume | str:
    if isinstance(node, Mapping):
        return _long(reader, node)
    text = reader.text(node, WANTED)
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        reader.fail(node, f"wanted {WANTED}; got {text!r}")
    if len(parts) == 1:
        return Volume(source="", target=parts[0])
    is_read_only = False
    if len(parts) == 3:
        if parts[2] not in ("ro", "rw"):
            reader.fail(node, f"wanted ro or rw as the mode of a volume; got {parts[2]!r}")
        is_read_only = parts[2] == "ro"
    return Volume(source=_source(reader, node, parts[0]), target=parts[1], is_read_only=is_read_only)


def _source(reader: Reader, node: Node, source: str) -> str:
    if source.startswith("/"):
        return source
    if source.startswith((".", "~")) or "/" in source or not _NAME.fullmatch(source):
        reader.fail(node, _RELATIVE.format(source=source))
    return f"{reader.stack}.{source}"


def _long(reader: Reader, node: Mapping) -> Volume | str:
    for key, value in node.values.items():
        if key in _LONG_KEYS or key.startswith("x-"):
            continue
        if key in ("bind", "volume", "image", "consistency"):
            reader.fail(value, f"{key} options are not supported yet; leave them out")
        reader.fail(value, f"unknown key {key!r} in a volume{did_you_mean(key, _LONG_KEYS)}")
    values = node.values
    for key in ("type", "target"):
        if key not in values:
            reader.fail(node, f"wanted the key {key} in a volume")
    kind = reader.text(values["type"], "bind, volume or tmpfs")
    target = reader.text(values["target"], "a path in the container")
    if kind not in ("bind", "volume", "tmpfs"):
        reader.fail(values["type"], f"wanted bind, volume or tmpfs; got {kind!r}")
    if "tmpfs" in values and kind != "tmpfs":
        reader.fail(values["tmpfs"], f"wanted tmpfs options with type: tmpfs alone; this volume's type is {kind}")
    if kind == "tmpfs":
        return _tmpfs(reader, values, target)
    source = reader.text(values["source"], "a path or a name") if "source" in values else ""
    if kind == "bind" and not source:
        reader.fail(node, "wanted the key source: the path on the agent")
    if source and (kind == "bind") != source.startswith("/"):
        wanted = "an absolute path on the agent" if kind == "bind" else "a volume's name"
        reader.fail(values["source"], f"wanted {wanted} with type: {kind}; got {source!r}")
    read_only = reader.parsed(values["read_only"], parse_boolean, "true or false") if "read_only" in values else False
    return Volume(
        source=_source(reader, values["source"], source) if source else "", target=target, is_read_only=read_only
    )


def _tmpfs(reader: Reader, values: dict[str, Node], target: str) -> str:
    for key in ("source", "read_only"):
        if key in values:
            reader.fail(values[key], f"a tmpfs has no {key}; leave it out")
    if "tmpfs" not in values:
        return target
    options = reader.mapping(values["tmpfs"], "a mapping with size")
    for key, value in options.values.items():
        if key != "size":
            reader.fail(value, f"wanted size alone among tmpfs options; got {key!r}")
    if "size" not in options.values:
        return target
    return f"{target}:size={reader.parsed(options.values['size'], parse_size_mib, 'a size')}m"


class DeclaredVolumes:
    """The top-level `volumes`: names alone. An agent's Docker makes a volume where a task first wants it."""

    def read(self, reader: Reader, node: Node) -> None:
        if describe(node) == "nothing":
            return
        declared = reader.mapping(node, "a mapping of volumes' names")
        for name, value in declared.values.items():
            options = value.values if isinstance(value, Mapping) else {}
            wrong = [key for key in options if not key.startswith("x-")]
            if describe(value) == "nothing" or (isinstance(value, Mapping) and not wrong):
                continue
            node = options[wrong[0]] if wrong else value
            got = wrong[0] if wrong else describe(value)
            reader.note(
                node,
                f"wanted nothing after the name {name}; got {got}: drivers and outside volumes are not supported yet",
            )

    def schema(self) -> Schema:
        return {"type": ["object", "null"], "additionalProperties": {"type": ["object", "null"], "maxProperties": 0}}
