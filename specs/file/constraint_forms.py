"""Rules as they are written: `rack GROUP_BY 3`, `[rack, GROUP_BY, 3]`, `node.labels.rack == a`, `{any: [...]}`.

A text, a list or a mapping becomes a Constraint, or a Spread where the operator is SPREAD. Its values are checked by
specs/rules/placement_rules.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NoReturn, TypeVar

from specs.file.fields import Field, Table
from specs.file.kinds import Choice, Schema, Text
from specs.file.reader import Reader, Unreadable
from specs.file.source import Mapping, Node, Scalar, Sequence, describe
from specs.model.constraints import HOSTNAME, ID, Constraint, Counted, GroupByMode, Spread
from specs.model.operators import COMBINING, DECLARED, CountingKind, Operator, Takes
from specs.rules.broken import Where
from specs.suggestions import closest

Value = TypeVar("Value")
SPREAD = "SPREAD"
"""Written as an operator; a Spread in the model."""
WANTED = "a rule as FIELD OPERATOR VALUE"
_AS = 'as "rack GROUP_BY 3" or "hostname UNIQUE"'
_OF_ITS_VERSION = "of its version"
_OPERATORS: dict[str, Operator | None] = {
    word: operator
    for operator, declared in DECLARED.items()
    if not declared.is_combining
    for word in (operator.value, *declared.also)
} | {SPREAD: None}
KNOWN_OPERATORS = (*(operator.value for operator in Operator if operator not in COMBINING), SPREAD)
_ELSEWHERE = {word: operator.value for operator, declared in DECLARED.items() for word in declared.elsewhere}
"""Words of other systems, with our operator."""
_SYMBOLIC = re.compile(r"(?P<field>[^\s=!<>~]+)\s*(?P<sign>[=!<>~]+)\s*(?P<rest>.*)", re.DOTALL)
_COMBINED = re.compile(r"(any|all|not)\s*\(", re.IGNORECASE)
_LABELS = re.compile(r"(node|engine)\.labels\.(?P<name>.+)", re.DOTALL)
_COMPOSE = {"node.hostname": HOSTNAME, "node.id": ID}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """A rule in words: each of `rest` is a value, or says how the rule counts."""

    field: str
    operator: str
    rest: tuple[str, ...]
    is_list: bool


class Values:
    """One value, or a list of values."""

    def read(self, reader: Reader, node: Node) -> tuple[str, ...]:
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(reader.each(partial(reader.text, item, "a value") for item in items))

    def schema(self) -> Schema:
        single = {"type": ["string", "number", "boolean"]}
        return {"anyOf": [single, {"type": "array", "items": single, "minItems": 1}]}


RULE = Table(
    "a rule",
    (
        Field("field", Text("a field"), "rule.field", "hostname, @region, @zone, @id, @gpus, or an attribute's name."),
        Field("operator", Text("an operator"), "rule.operator", f"One of {', '.join(KNOWN_OPERATORS)}."),
        Field("value", Values(), "rule.values", "The value."),
        Field("values", Values(), "rule.values", "The values of IN, NOT IN and VERSION."),
        Field(
            "mode",
            Choice({mode.value: mode for mode in GroupByMode}),
            "rule.mode",
            "What GROUP_BY means: minimum or quota (minimum).",
        ),
        Field(
            "counts",
            Choice({counted.value: counted for counted in Counted}),
            "rule.counts",
            "Which of the group's tasks count: all, or those of the same version (all).",
        ),
    ),
)
_REF: Schema = {"$ref": "#/$defs/rule"}


def rule_schema() -> Schema:
    """The JSON Schema of a rule; it stands in `$defs/rule`, for it names itself."""
    many = {"anyOf": [{"type": "array", "items": _REF, "minItems": 1}, _REF]}
    combined = [
        {"type": "object", "required": [name], "properties": {name: inner}, "additionalProperties": False}
        for name, inner in (("any", many), ("all", many), ("not", _REF))
    ]
    words = {"type": "array", "minItems": 2, "items": Values().schema()}
    long = {**RULE.schema(), "required": ["field", "operator"]}
    return {"anyOf": [{"type": "string"}, words, long, *combined]}


class Constraints:
    """A list of rules, or one. Gives each as a Constraint or Spread, and remembers where it stands under `target`."""

    def __init__(self, target: str) -> None:
        self._target = target

    def read(self, reader: Reader, node: Node) -> tuple[Constraint | Spread, ...]:
        return tuple(located(reader, self._target, one_or_more(node), read_rule))

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "array", "items": _REF}, _REF]}


def located(
    reader: Reader, target: str, items: tuple[Node, ...], read: Callable[[Reader, Node, Where], Value]
) -> list[Value]:
    """The readable items, each read as standing at (target, its place among them).

    Where some cannot be read, the target counts as failed: what needs all of them is not judged.
    """
    values: list[Value] = []
    for item in items:
        try:
            values.append(read(reader, item, (target, len(values))))
        except Unreadable:
            reader.failed.add(target)
    return values


def one_or_more(node: Node) -> tuple[Node, ...]:
    """The items of a list of rules; one rule alone, in whatever form, is its own only item."""
    return node.items if isinstance(node, Sequence) and not _is_in_list_form(node) else (node,)


def _is_in_list_form(node: Sequence) -> bool:
    """Whether it is `[rack, GROUP_BY, 3]` and no list of rules: neither word would be a rule by itself."""
    first = [item.text if isinstance(item, Scalar) else " " for item in node.items[:2]]
    return len(first) == 2 and len(first[0].split()) == 1 and first[1].upper() in _OPERATORS


def read_rule(reader: Reader, node: Node, where: Where) -> Constraint | Spread:
    """One rule in any form. Its place and those of its parts are remembered under `where`."""
    reader.locate(where, node)
    if isinstance(node, Mapping):
        return _of_mapping(reader, node, where)
    words = _of_list(reader, node) if isinstance(node, Sequence) else _of_text(reader, node)
    operator = _operator(reader, node, words.operator)
    field = named_field(reader, node, words.field)
    return _spread(reader, node, field, words.rest) if operator is None else _rule(operator, field, words)


def read_constraint(reader: Reader, node: Node, where: Where, place: str) -> Constraint:
    """One rule that is no SPREAD: `place` says where it stands."""
    rule = read_rule(reader, node, where)
    if isinstance(rule, Spread):
        reader.fail(node, f"SPREAD stands for itself, under constraints or spread; got it {place}")
    return rule


def _of_text(reader: Reader, node: Node) -> _Words:
    text = reader.text(node, WANTED).strip()
    if found := _COMBINED.match(text):
        name = found[1].lower()
        reader.fail(node, f"wanted {name} as a mapping: {{{name}: {'RULE' if name == 'not' else '[RULE, ...]'}}}")
    words = text.split(None, 2)
    second, _, last = words[2].partition(" ") if len(words) == 3 else ("", "", "")
    if last and f"{words[1]} {second}".upper() in _OPERATORS:
        words = [words[0], f"{words[1]} {second}", last.strip()]
    if len(words) > 1 and words[1].upper() in _OPERATORS:
        return _Words(field=words[0], operator=words[1], rest=tuple(words[2:]), is_list=False)
    found = _SYMBOLIC.fullmatch(text)
    if not found and len(words) > 1:
        _unknown_operator(reader, node, words[1])
    if not found:
        reader.fail(node, f"wanted {WANTED}, {_AS}; got {text!r}")
    rest = (found["rest"],) if found["rest"] else ()
    return _Words(field=found["field"], operator=found["sign"], rest=rest, is_list=False)


def _of_list(reader: Reader, node: Sequence) -> _Words:
    items = [one for item in node.items for one in (item.items if isinstance(item, Sequence) else (item,))]
    texts = reader.each(partial(reader.text, item, "a field, an operator or a value") for item in items)
    if len(texts) < 2:
        reader.fail(node, f"wanted a rule as [FIELD, OPERATOR, VALUE]; got a list of {len(texts)}")
    return _Words(field=texts[0], operator=texts[1], rest=tuple(texts[2:]), is_list=True)


def _operator(reader: Reader, node: Node, word: str) -> Operator | None:
    """The operator; None for SPREAD."""
    known = " ".join(word.split()).upper()
    if known not in _OPERATORS:
        _unknown_operator(reader, node, word)
    return _OPERATORS[known]


def _unknown_operator(reader: Reader, node: Node, word: str) -> NoReturn:
    by_lower = {known.lower(): known for known in KNOWN_OPERATORS}
    close = _ELSEWHERE.get(word.upper()) or by_lower.get(closest(word, by_lower), "")
    hint = f"; did you mean {close}? Known" if close else "; known"
    reader.fail(node, f"unknown operator {word[:60]!r}{hint} are {', '.join(KNOWN_OPERATORS)}")


def named_field(reader: Reader, node: Node, text: str) -> str:
    """The field that a word names: ours, an attribute, or compose's `node.labels.NAME` and its kin."""
    if found := _LABELS.fullmatch(text):
        return found["name"]
    if text.startswith(("node.", "engine.")) and text not in _COMPOSE:
        reader.fail(
            node,
            f"{text} is refused: Mesos agents have no such thing. Give the agents an attribute (--attributes) and name "
            "that; an attribute that is called so is named as {field: ..., operator: ..., value: ...}",
        )
    return _plain_field(_COMPOSE.get(text, text))


def _plain_field(text: str) -> str:
    return HOSTNAME if text == f"@{HOSTNAME}" else text


def _rule(operator: Operator, field: str, words: _Words) -> Constraint:
    rest = list(words.rest)
    mode, counts = GroupByMode.MINIMUM, Counted.ALL
    declared = DECLARED[operator]
    if declared.takes is not Takes.PATTERN:  # a pattern can end in any words
        rest, counts = _without_version(rest)
    if declared.counting is CountingKind.EVENLY:
        rest, mode = _without_mode(rest)
    if declared.takes.is_several and not words.is_list:
        rest = [part for text in rest for part in _parts(text)]
    if declared.ignores_empty_value and rest == [""]:
        rest = []
    return Constraint(operator=operator, field=field, values=tuple(rest), mode=mode, counts=counts)


@lru_cache(maxsize=256)
def _parts(text: str) -> tuple[str, ...]:
    """The texts between commas. Every group of a service reads the same text again."""
    return tuple(part for one in text.split(",") if (part := one.strip()))


def _without_version(rest: list[str]) -> tuple[list[str], Counted]:
    """The values without the words that say which tasks count."""
    if not rest or not rest[-1].lower().endswith(_OF_ITS_VERSION):
        return rest, Counted.ALL
    before = rest[-1][: -len(_OF_ITS_VERSION)]
    if before and not before[-1].isspace():
        return rest, Counted.ALL
    return [*rest[:-1], *([before.strip()] if before.strip() else [])], Counted.VERSION


def _without_mode(rest: list[str]) -> tuple[list[str], GroupByMode]:
    """The values without the word for one of GROUP_BY's meanings."""
    if not rest:
        return rest, GroupByMode.MINIMUM
    before, _, last = rest[-1].rpartition(" ")
    if last.lower() not in list(GroupByMode):
        return rest, GroupByMode.MINIMUM
    return [*rest[:-1], *([before.strip()] if before.strip() else [])], GroupByMode(last.lower())


def _spread(reader: Reader, node: Node, field: str, rest: tuple[str, ...]) -> Spread:
    if len(rest) > 1 or (rest and not re.fullmatch(r"[0-9]{1,9}", rest[0])):
        got = " ".join(rest)
        reader.fail(node, f"wanted SPREAD with the greatest skew, a whole number as 1, or nothing; got {got!r}")
    return Spread(over=field, max_skew=int(rest[0]) if rest else 1)


def _of_mapping(reader: Reader, node: Mapping, where: Where) -> Constraint | Spread:
    combining = [name for name in ("any", "all", "not") if name in node.values]
    if combining:
        return _combined(reader, node, where, combining[0])
    before = reader.faults.count
    found = {target.partition(".")[2]: one for target, one in RULE.read(reader, node).items()}
    if reader.faults.count > before:
        raise Unreadable
    for key in ("field", "operator"):
        if key not in found:
            reader.fail(node, f"wanted the key {key} in a rule, or any, all or not; got {', '.join(node.values)}")
    field = _plain_field(found["field"].value)
    operator = _operator(reader, found["operator"].node, found["operator"].value)
    values: tuple[str, ...] = found["values"].value if "values" in found else ()
    if operator is None:
        for key in ("mode", "counts"):
            if key in found:
                reader.fail(found[key].node, f"SPREAD has no {key}; leave it out")
        return _spread(reader, node, field, values)
    more = {key: found[key].value for key in ("mode", "counts") if key in found}
    return Constraint(operator=operator, field=field, values=values, **more)


def _combined(reader: Reader, node: Mapping, where: Where, name: str) -> Constraint:
    if len(node.values) > 1:
        got = ", ".join(node.values)
        reader.fail(node, f"wanted {name} alone in its mapping; got {got}: put each into one of its own")
    inner = node.values[name]
    if isinstance(inner, Scalar) and inner.is_null:
        reader.fail(inner, f"has no value; wanted {'a rule' if name == 'not' else 'a list of rules'}")
    items = one_or_more(inner)
    if name == "not" and len(items) != 1:
        reader.fail(inner, f"wanted one rule after not; got {describe(inner)}. Put several into any or all")
    parts = reader.each(
        partial(read_constraint, reader, item, (*where, "parts", index), f"within {name}")
        for index, item in enumerate(items)
    )
    return Constraint(operator=Operator(name), parts=tuple(parts))
