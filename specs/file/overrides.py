"""One document laid over another: override files, `--set`, and the groups of a service over the service itself.

Mappings merge key by key; everything else replaces what was there. Lists of K=V where a mapping may stand count as
mappings. A check that names its kind replaces the kind beneath it, and so do steps a canary, and the other way round. A
rule of placement is a whole, and replaces.
"""

from __future__ import annotations

import re
from dataclasses import replace

from specs.file.health_forms import CHECK_KEYS
from specs.file.source import Mapping, Node, Scalar, Sequence, child_path, describe, read_yaml
from specs.model.errors import Fault, StackError

_PAIR_KEYS = frozenset({"environment", "labels", "sysctls", "headers"})
_CHECKS = frozenset({"health", "ready"})
_STEP_KEYS = frozenset({"steps", "canary"})
_WHOLE_KEYS = frozenset({"constraints", "spread", "near", "apart", "prefer"})
_STEP = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")


def laid_over(base: Node, over: Node, key: str = "", above: str = "") -> Node:
    """`base` with `over` on top; what is taken from either keeps its own place.

    `key` is the key both stand under, `above` the one that this mapping stands under: names of services are no keys.
    """
    if key in _PAIR_KEYS:
        base, over = _as_mapping(base), _as_mapping(over)
    is_whole = key in _WHOLE_KEYS and above != "services"
    if is_whole or not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    keys, values = dict(base.keys), dict(base.values)
    if key in _CHECKS and above != "services" and CHECK_KEYS & set(over.keys):
        for kind in CHECK_KEYS & set(keys):
            del keys[kind], values[kind]
    if key == "update" and above != "services" and _STEP_KEYS & set(over.keys):
        for said in _STEP_KEYS & set(keys):
            del keys[said], values[said]
    for name, value in over.values.items():
        values[name] = laid_over(values[name], value, name, key) if name in values else value
        keys[name] = over.keys[name]
    return replace(base, keys=keys, values=values)


def _as_mapping(node: Node) -> Node:
    """A list of K=V as the mapping it stands for; anything else as it is."""
    if not isinstance(node, Sequence) or not all(isinstance(item, Scalar) for item in node.items):
        return node
    keys: dict[str, Scalar] = {}
    values: dict[str, Node] = {}
    for item in node.items:
        assert isinstance(item, Scalar)
        name, equals, content = item.text.partition("=")
        if not name or name in keys:
            return node  # its reader says what is wrong
        keys[name] = replace(item, text=name)
        values[name] = replace(item, text=content, is_plain=not equals)
    return Mapping(path=node.path, file=node.file, line=node.line, column=node.column, keys=keys, values=values)


def without(mapping: Mapping, *names: str) -> Mapping:
    """The mapping without some keys."""
    return replace(
        mapping,
        keys={name: key for name, key in mapping.keys.items() if name not in names},
        values={name: value for name, value in mapping.values.items() if name not in names},
    )


def with_setting(root: Node, path: str, text: str) -> Node:
    """The document with `--set path=text` done. `text` is read as YAML and not interpolated. Raises StackError."""
    steps = _steps(path)
    try:
        value, faults = read_yaml(text, "--set", path=path, is_literal=True)
    except StackError as error:
        faults = list(error.faults)
    if faults:
        raise StackError(Fault(path, fault.message, "--set") for fault in faults)
    return _set(root, steps, _without_lines(value), "", path)


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if not found:
            break
        steps.append(found[1] if found[1] is not None else int(found[2]))
        position = found.end()
        if path[position : position + 1] == "." and position + 1 < len(path):
            position += 1
    if not steps or position < len(path):
        examples = "services.web.instances=3 or services.web.groups[0].instances=3"
        raise StackError([Fault("", f"wanted a path and a value, as {examples}; got {path!r}", "--set")])
    return steps


def _set(node: Node | None, steps: list[str | int], value: Node, path: str, whole: str) -> Node:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    here = child_path(path, step)
    if isinstance(step, int):
        if not isinstance(node, Sequence) or step >= len(node.items):
            got = f"{len(node.items)} items" if isinstance(node, Sequence) else (describe(node) if node else "nothing")
            raise StackError([Fault(whole, f"wanted a list with an item [{step}] at {path}; got {got}", "--set")])
        items = list(node.items)
        items[step] = _set(items[step], rest, value, here, whole)
        return replace(node, items=tuple(items))
    if node is None or (isinstance(node, Scalar) and node.is_null):
        node = Mapping(path=path, file="--set", keys={}, values={})
    if isinstance(node, Sequence) and path.rpartition(".")[2] in _PAIR_KEYS:
        node = _as_mapping(node)
    if not isinstance(node, Mapping):
        raise StackError([Fault(whole, f"wanted a mapping at {path}; got {describe(node)}", "--set")])
    keys = node.keys if step in node.keys else {**node.keys, step: Scalar(path=path, file="--set", text=step)}
    return replace(node, keys=keys, values={**node.values, step: _set(node.values.get(step), rest, value, here, whole)})


def _without_lines(node: Node) -> Node:
    """The node without line and column: they would count within the option's value."""
    if isinstance(node, Mapping):
        keys = {name: replace(key, line=0, column=0) for name, key in node.keys.items()}
        values = {name: _without_lines(value) for name, value in node.values.items()}
        return replace(node, line=0, column=0, keys=keys, values=values)
    if isinstance(node, Sequence):
        return replace(node, line=0, column=0, items=tuple(_without_lines(item) for item in node.items))
    return replace(node, line=0, column=0)
