"""Resources that an operator invents: `custom: {bandwidth: 100, fpga: [a, b]}`, and compose's generic_resources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from specs.file.kinds import Schema
from specs.file.reader import Reader
from specs.file.source import Mapping, Node, Sequence, describe
from specs.file.values import parse_cpus_milli, parse_integer
from specs.model.resources import Scalars, Sets

_WANTED_AMOUNT = "a number of at most three decimals, as 100 or 0.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """Amounts in thousandths, and the very items of sets; both sorted, without empty ones."""

    scalars: Scalars = ()
    sets: Sets = ()


class CustomResources:
    """Names with a number, or with a list of items. 0 and an empty list are as if nothing were said."""

    def read(self, reader: Reader, node: Node) -> Custom:
        names = reader.mapping(node, "a mapping of resources' names to numbers or lists of items").values
        amounts: dict[str, int] = {}
        sets: dict[str, tuple[str, ...]] = {}
        values = reader.each(partial(_value, reader, value) for value in names.values())
        for (name, origin), value in zip(names.items(), values, strict=True):
            target = "resources.scalars" if isinstance(value, int) else "resources.sets"
            reader.locate((target, name), origin)
            if isinstance(value, int):
                amounts[name] = value
            else:
                sets[name] = value
        return Custom(
            scalars=tuple(sorted((name, amount) for name, amount in amounts.items() if amount)),
            sets=tuple(sorted((name, items) for name, items in sets.items() if items)),
        )

    def schema(self) -> Schema:
        one = {"anyOf": [{"type": ["number", "string"]}, {"type": "array", "items": {"type": ["string", "number"]}}]}
        return {"type": "object", "additionalProperties": one}


def _value(reader: Reader, node: Node) -> int | tuple[str, ...]:
    if isinstance(node, Mapping):
        reader.fail(node, f"wanted {_WANTED_AMOUNT}, or a list of items; got a mapping")
    if not isinstance(node, Sequence):
        return reader.parsed(node, _amount, _WANTED_AMOUNT)
    items = reader.each(partial(reader.text, item, "an item of a set") for item in node.items)
    for index, item in enumerate(items):
        if item in items[:index]:
            reader.fail(node.items[index], f"{item} stands here a second time; keep one")
    return tuple(sorted(items))


def _amount(text: str) -> int:
    try:
        return parse_cpus_milli(text)
    except ValueError:
        raise ValueError(f"wanted {_WANTED_AMOUNT}, or a list of items; got {text!r}") from None


class GenericResources:
    """Compose's list of `{discrete_resource_spec: {kind: NAME, value: NUMBER}}`."""

    def read(self, reader: Reader, node: Node) -> Custom:
        if not isinstance(node, Sequence):
            reader.fail(node, f"wanted a list of discrete_resource_spec; got {describe(node)}")
        amounts: dict[str, int] = {}
        pairs = reader.each(partial(_discrete, reader, item) for item in node.items)
        for (name, amount), item in zip(pairs, node.items, strict=True):
            if name in amounts:
                reader.fail(item, f"{name} stands here a second time; keep one")
            amounts[name] = amount
            reader.locate(("resources.scalars", name), item)
        return Custom(scalars=tuple(sorted((name, amount) for name, amount in amounts.items() if amount)))

    def schema(self) -> Schema:
        discrete = {
            "type": "object",
            "required": ["kind", "value"],
            "properties": {"kind": {"type": "string"}, "value": {"type": ["integer", "string"]}},
            "additionalProperties": False,
        }
        one = {
            "type": "object",
            "required": ["discrete_resource_spec"],
            "properties": {"discrete_resource_spec": discrete},
            "additionalProperties": False,
        }
        return {"type": "array", "items": one}


def _discrete(reader: Reader, node: Node) -> tuple[str, int]:
    outer = reader.mapping(node, "a mapping with discrete_resource_spec").values
    if list(outer) != ["discrete_resource_spec"]:
        got = ", ".join(outer) or "nothing"
        reader.fail(node, f"wanted discrete_resource_spec alone: {{kind: NAME, value: NUMBER}}; got {got}")
    inner = reader.mapping(outer["discrete_resource_spec"], "a mapping with kind and value").values
    if sorted(inner) != ["kind", "value"]:
        reader.fail(node, f"wanted kind and value; got {', '.join(inner) or 'nothing'}")
    name = reader.text(inner["kind"], "a resource's name")
    return name, 1000 * reader.parsed(inner["value"], parse_integer, "a whole number")
