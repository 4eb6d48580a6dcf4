"""A group's rules about agents beside constraints: `spread`, `near`, `apart`, `prefer`, `sticky`; and all as Rules."""

from __future__ import annotations

import re
from collections.abc import Mapping as Named
from dataclasses import replace
from functools import partial
from typing import Any

from specs.file.constraint_forms import located, named_field, one_or_more, read_constraint
from specs.file.fields import Field, Table
from specs.file.kinds import VARIABLE, Integer, Schema, Text
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping, Node, Scalar, Sequence, describe
from specs.file.values import FALSE, TRUE, parse_seconds
from specs.model.constraints import (
    HOSTNAME,
    STICKY_ALWAYS,
    Constraint,
    Neighbour,
    Preference,
    Rules,
    Selector,
    Spread,
    Strategy,
)
from specs.model.limits import MAX_INSTANCES, MAX_WEIGHT
from specs.model.operators import Operator
from specs.rules.broken import Where

COMPOSE_WEIGHT = 50
"""Points of a preference of compose, which has no weights."""
_SELECTOR = re.compile(r"(?:(?P<stack>[^/\[\]\s]+)/)?(?P<service>[^/\[\]\s]+)\s*(?:\[(?P<labels>[^\[\]]*)\])?")
_WANTED_SELECTOR = 'a service as "redis", "redis[main]", "other/redis" or "*/batch[heavy]"'
_PERCENT = re.compile(r"([0-9]{1,3})\s*%?")
_POINTS = Integer(-MAX_WEIGHT, MAX_WEIGHT, "points, a whole number")
_STICKY = "true, false, always, or how long to wait for the agent, as 10m"


class Targets:
    """Domains with their shares: `{a: 70%, b: 30%}`. Gives pairs sorted by domain."""

    def read(self, reader: Reader, node: Node) -> tuple[tuple[str, int], ...]:
        shares = reader.mapping(node, "a mapping of values to shares, as {a: 70%, b: 30%}").values
        percents = reader.each(partial(reader.parsed, value, _percent, "a share as 70%") for value in shares.values())
        return tuple(sorted(zip(shares, percents, strict=True)))

    def schema(self) -> Schema:
        share = {"type": ["integer", "string"], "pattern": f"^[0-9]+ *%?$|{VARIABLE}"}
        return {"type": "object", "additionalProperties": share, "minProperties": 1}


def _percent(text: str) -> int:
    found = _PERCENT.fullmatch(text.strip())
    if not found:
        raise ValueError(f"wanted a share in whole per cent, as 70%; got {text!r}")
    return int(found[1])


class Labels:
    """One label or a list. Gives them sorted, each once."""

    def read(self, reader: Reader, node: Node) -> tuple[str, ...]:
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(sorted({*reader.each(partial(reader.text, item, "a label") for item in items)}))

    def schema(self) -> Schema:
        label = {"type": ["string", "number"]}
        return {"anyOf": [label, {"type": "array", "items": label, "minItems": 1}]}


SPREAD = Table(
    "a spread",
    (
        Field("over", Text("a field"), "spread.over", "The field whose values are the domains."),
        Field(
            "max_skew", Integer(1, MAX_INSTANCES), "spread.max_skew", "How many tasks more than in the emptiest (1)."
        ),
        Field(
            "min_domains",
            Integer(0, MAX_INSTANCES),
            "spread.min_domains",
            "While there are fewer domains, the emptiest counts as empty (0).",
        ),
        Field("targets", Targets(), "spread.targets", 'Shares of domains in whole per cent; "*": each other domain.'),
        Field(
            "weight", _POINTS, "spread.weight", "A preference: points lost by each task too many. Without it: a must."
        ),
    ),
)
NEIGHBOUR = Table(
    "a neighbour",
    (
        Field("service", Text("a service"), "neighbour.service", "The service; * and ? stand for anything (*)."),
        Field("stack", Text("a stack"), "neighbour.stack", "The stack; * for every one (the own one)."),
        Field("labels", Labels(), "neighbour.labels", "Labels that the group must have."),
        Field("field", Text("a field"), "neighbour.field", "What they share, or do not: a field (hostname)."),
        Field("weight", _POINTS, "neighbour.weight", "A preference, worth that many points. Without it: a must."),
    ),
)


class Spreads:
    """Levels from the outermost: each a field, or a mapping. Each is within the fields of those before it."""

    def __init__(self, target: str) -> None:
        self._target = target

    def read(self, reader: Reader, node: Node) -> tuple[Spread, ...]:
        items = node.items if isinstance(node, Sequence) else (node,)
        return nested(located(reader, self._target, items, self._level))

    def _level(self, reader: Reader, node: Node, where: Where) -> Spread:
        reader.locate(where, node)
        if not isinstance(node, Mapping):
            return Spread(over=_field(reader, node))
        values = _values(reader, SPREAD, node)
        if "over" not in values:
            reader.fail(node, f"wanted the key over: the field to spread over; got {', '.join(node.values)}")
        return Spread(**{**values, "over": named_field(reader, node, values["over"])})

    def schema(self) -> Schema:
        one = {"anyOf": [{"type": "string"}, {**SPREAD.schema(), "required": ["over"]}]}
        return {"anyOf": [{"type": "array", "items": one}, one]}


class ComposePreferences:
    """Compose's `[{spread: node.labels.zone}, ...]`: preferences, each within those before it."""

    def read(self, reader: Reader, node: Node) -> tuple[Spread, ...]:
        if not isinstance(node, Sequence):
            reader.fail(node, f"wanted a list of preferences, each {{spread: FIELD}}; got {describe(node)}")
        return nested(located(reader, "deploy.preferences", node.items, self._one))

    def _one(self, reader: Reader, node: Node, where: Where) -> Spread:
        reader.locate(where, node)
        values = reader.mapping(node, "a preference: {spread: FIELD}").values
        if list(values) != ["spread"]:
            reader.fail(node, f"wanted spread alone in a preference; got {', '.join(values) or 'nothing'}")
        return Spread(over=_field(reader, values["spread"]), weight=COMPOSE_WEIGHT)

    def schema(self) -> Schema:
        one = {
            "type": "object",
            "required": ["spread"],
            "properties": {"spread": {"type": "string"}},
            "additionalProperties": False,
        }
        return {"type": "array", "items": one}


def nested(levels: list[Spread]) -> tuple[Spread, ...]:
    """The levels, each within the fields of those before it."""
    fields = tuple(level.over for level in levels)
    return tuple(replace(level, within=fields[:index]) for index, level in enumerate(levels))


class Neighbours:
    """One or a list of other groups: a text as `redis[main]`, or a mapping."""

    def __init__(self, target: str) -> None:
        self._target = target

    def read(self, reader: Reader, node: Node) -> tuple[Neighbour, ...]:
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(located(reader, self._target, items, self._one))

    def _one(self, reader: Reader, node: Node, where: Where) -> Neighbour:
        reader.locate(where, node)
        if not isinstance(node, Mapping):
            return Neighbour(to=_selector(reader, node))
        values = _values(reader, NEIGHBOUR, node)
        field = named_field(reader, node, values.pop("field", HOSTNAME))
        weight = values.pop("weight", 0)
        if not values:
            reader.fail(node, f"wanted service, stack or labels; got {', '.join(node.values) or 'an empty mapping'}")
        return Neighbour(to=Selector(**values), field=field, weight=weight)

    def schema(self) -> Schema:
        one = {"anyOf": [{"type": "string"}, NEIGHBOUR.schema()]}
        return {"anyOf": [{"type": "array", "items": one}, one]}


def _selector(reader: Reader, node: Node) -> Selector:
    text = reader.text(node, _WANTED_SELECTOR).strip()
    found = _SELECTOR.fullmatch(text)
    if not found:
        reader.fail(node, f"wanted {_WANTED_SELECTOR}; got {text!r}")
    labels = {label.strip() for label in (found["labels"] or "").split(",") if label.strip()}
    return Selector(stack=found["stack"] or "", service=found["service"], labels=tuple(sorted(labels)))


class Preferences:
    """One or a list of preferred rules: a rule in any form, or {rule: RULE, weight: POINTS}."""

    def __init__(self, target: str) -> None:
        self._target = target

    def read(self, reader: Reader, node: Node) -> tuple[Preference, ...]:
        return tuple(located(reader, self._target, one_or_more(node), self._one))

    def _one(self, reader: Reader, node: Node, where: Where) -> Preference:
        if not isinstance(node, Mapping) or not {"rule", "weight"} & set(node.values):
            return Preference(rule=read_constraint(reader, node, where, "under prefer"))
        reader.locate(where, node)
        if "rule" not in node.values or set(node.values) - {"rule", "weight"}:
            got = ", ".join(node.values)
            reader.fail(node, f"wanted a rule, or rule and weight as {{rule: zone == a, weight: 20}}; got {got}")
        rule = read_constraint(reader, node.values["rule"], (*where, "rule"), "under prefer")
        weight = node.values.get("weight")
        return Preference(rule=rule, weight=_POINTS.read(reader, weight)) if weight else Preference(rule=rule)

    def schema(self) -> Schema:
        rule = {"$ref": "#/$defs/rule"}
        long = {
            "type": "object",
            "required": ["rule"],
            "properties": {"rule": rule, "weight": _POINTS.schema()},
            "additionalProperties": False,
        }
        one = {"anyOf": [rule, long]}
        return {"anyOf": [{"type": "array", "items": one}, one]}


class Sticky:
    """Whether a slot goes back to its agent, and how long it waits for it: (is sticky, seconds)."""

    def read(self, reader: Reader, node: Node) -> tuple[bool, float]:
        return reader.parsed(node, _sticky, _STICKY)

    def schema(self) -> Schema:
        pattern = rf"^(true|false|always|([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d))+)$|{VARIABLE}"
        return {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": pattern}]}


def _sticky(text: str) -> tuple[bool, float]:
    if text in TRUE | FALSE:
        return text in TRUE, 0.0
    if text == "always":
        return True, STICKY_ALWAYS
    try:
        return True, parse_seconds(text)
    except ValueError:
        raise ValueError(f"wanted {_STICKY}; got {text!r}") from None


def rules_of(values: Named[str, Any], reader: Reader) -> Rules:
    """All that the fields of a group say, together. What compose's deploy.placement says joins our own words."""
    said: list[tuple[Constraint | Spread, Where]] = []
    said += [(rule, ("rules.constraints", index)) for index, rule in enumerate(values.get("rules.constraints", ()))]
    own = len(said)
    said += [(rule, ("deploy.constraints", index)) for index, rule in enumerate(values.get("deploy.constraints", ()))]
    if values.get("deploy.max_per"):
        most = Constraint(operator=Operator.MAX_PER, field=HOSTNAME, values=(str(values["deploy.max_per"]),))
        said.append((most, ("deploy.max_per",)))
    known = {rule for rule, _ in said[:own]}
    said = [one for index, one in enumerate(said) if index < own or one[0] not in known]
    levels: list[tuple[Spread, Where]] = []
    for target in ("rules.spread", "deploy.preferences"):
        levels += [(spread, (target, index)) for index, spread in enumerate(values.get(target, ()))]
    levels += [(rule, where) for rule, where in said if isinstance(rule, Spread)]
    hard = [(rule, where) for rule, where in said if isinstance(rule, Constraint)]
    # Spreads first: some come from among the constraints, whose places are then given to others.
    _relocate(reader, "rules.spread", [where for _, where in levels])
    _relocate(reader, "rules.constraints", [where for _, where in hard])
    is_sticky, wait_seconds = values.get("rules.sticky", (False, 0.0))
    return Rules(
        constraints=tuple(rule for rule, _ in hard),
        spread=tuple(spread for spread, _ in levels),
        near=values.get("rules.near", ()),
        apart=values.get("rules.apart", ()),
        prefer=values.get("rules.prefer", ()),
        strategy=values.get("rules.strategy", Strategy.SPREAD),
        sticky=is_sticky,
        sticky_wait_seconds=wait_seconds,
    )


def _relocate(reader: Reader, target: str, places: list[Where]) -> None:
    """Puts what stands at `places`, with all its parts, to (target, 0), (target, 1) and so on."""
    moved: list[tuple[Where, Node]] = []
    for index, place in enumerate(places):
        if place == (target, index):
            continue
        for where, node in reader.origins.items():
            if where[: len(place)] == place:
                moved.append(((target, index, *where[len(place) :]), node))
    for where, node in moved:
        reader.locate(where, node)


def _field(reader: Reader, node: Node) -> str:
    """A field alone, as one word."""
    if isinstance(node, Scalar) and node.is_boolean:
        reader.fail(node, f"wanted a field; got {node.text}")
    text = reader.text(node, "a field, as rack").strip()
    if len(text.split()) != 1:
        reader.fail(node, f"wanted a field alone, as rack, or a mapping with over; got {text!r}")
    return named_field(reader, node, text)


def _values(reader: Reader, table: Table, node: Mapping) -> dict[str, Any]:
    before = reader.faults.count
    found = table.read(reader, node)
    if reader.faults.count > before:
        raise Unreadable
    return {target.partition(".")[2]: one.value for target, one in found.items()}
