"""Checks of a group's rules about agents: of each rule by itself, and of all of one group."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import assert_never

from specs.ids import name_fault
from specs.model.constraints import (
    GPUS,
    HOSTNAME,
    ID,
    REGION,
    REST,
    STICKY_ALWAYS,
    ZONE,
    Constraint,
    Counted,
    GroupByMode,
    Mode,
    Neighbour,
    Rules,
    Spread,
    Strategy,
)
from specs.model.limits import (
    MAX_CONSTRAINTS,
    MAX_FIELD_LENGTH,
    MAX_INSTANCES,
    MAX_NEIGHBOURS,
    MAX_PATTERN_LENGTH,
    MAX_PREFERENCES,
    MAX_RULE_DEPTH,
    MAX_RULE_VALUES,
    MAX_SECONDS,
    MAX_SPREADS,
    MAX_WEIGHT,
)
from specs.model.operators import COMBINING, CountingKind, Operator, Takes
from specs.model.patterns import pattern_fault
from specs.model.stack import Group
from specs.model.thousandths import thousandths
from specs.model.versions import condition_fault
from specs.rules.broken import Broken, Where
from specs.rules.contradictions import contradictions
from specs.suggestions import did_you_mean

_OURS = (HOSTNAME, REGION, ZONE, ID, GPUS)
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SERVICE_PATTERN = re.compile(r"[a-z0-9*?]([a-z0-9*?-]{0,61}[a-z0-9*?])?")
_CONSTRAINTS, _SPREAD, _PREFER = "rules.constraints", "rules.spread", "rules.prefer"
_Found = tuple[Where, str]
"""The place within a rule, and what is wrong there."""


def broken(group: Group) -> Iterator[Broken]:
    """Every rule about rules that the group breaks by itself."""
    rules = group.rules
    if rules == Rules() and group.mode is Mode.REPLICATED:
        return
    counted = _counts(rules)
    yield from counted
    if counted:
        return
    alone = [
        *(_at((_CONSTRAINTS, index), one) for index, rule in enumerate(rules.constraints) for one in _faults(rule)),
        *(one for index, spread in enumerate(rules.spread) for one in _spread((_SPREAD, index), spread)),
        *_levels(rules),
        *_neighbours(rules),
        *_preferences(rules),
        *_sticky(rules),
    ]
    yield from alone
    yield from _duplicates(rules)
    if not alone:
        yield from _together(group)
    yield from _of_mode(group)


def _at(where: Where, found: _Found) -> Broken:
    return _alone((*where, *found[0]), found[1])


def _alone(where: Where, message: str) -> Broken:
    """A fault of one rule of a list: reported even if others of the list could not be read."""
    return Broken(message=message, where=where, about=(f"{where[0]}.each",))


def _counts(rules: Rules) -> list[Broken]:
    constraints = sum(_size(rule) for rule in rules.constraints)
    neighbours = len(rules.near) + len(rules.apart)
    amounts = (
        (constraints, MAX_CONSTRAINTS, "constraints, those within any, all and not counted", _CONSTRAINTS),
        (len(rules.spread), MAX_SPREADS, "spreads", _SPREAD),
        (neighbours, MAX_NEIGHBOURS, "of near and apart together", "rules.near" if rules.near else "rules.apart"),
        (len(rules.prefer), MAX_PREFERENCES, "preferences", _PREFER),
    )
    return [
        Broken(message=f"wanted at most {most} {what}; got {count:,}", where=(where,))
        for count, most, what, where in amounts
        if count > most
    ]


def _size(rule: Constraint) -> int:
    return 1 + sum(_size(part) for part in rule.parts)


@lru_cache(maxsize=1024)
def _faults(rule: Constraint, depth: int = 0) -> tuple[_Found, ...]:
    """The faults of a constraint and its parts."""
    if depth > MAX_RULE_DEPTH:
        return (((), f"any, all and not stand in one another more than {MAX_RULE_DEPTH} deep"),)
    if rule.operator in COMBINING:
        if rule.field or rule.values:
            return (((), f"{rule.operator} has parts alone, no field and no values"),)
        if not rule.parts or (rule.operator is Operator.NOT and len(rule.parts) > 1):
            wanted = "exactly one rule" if rule.operator is Operator.NOT else "one rule or more"
            return (((), f"wanted {wanted} in {rule.operator}; got {len(rule.parts)}"),)
        parts = enumerate(rule.parts)
        return tuple(
            (("parts", index, *where), why) for index, part in parts for where, why in _faults(part, depth + 1)
        )
    return tuple(((), why) for why in _leaf(rule))


def _leaf(rule: Constraint) -> Iterator[str]:
    if rule.parts:
        yield f"{rule.operator} has a field and values, and no parts"
    if fault := field_fault(rule.field):
        yield fault
    if rule.mode is not GroupByMode.MINIMUM and rule.declared.counting is not CountingKind.EVENLY:
        yield f"wanted the mode {rule.mode} with GROUP_BY alone; got it with {rule.operator}"
    if rule.counts is not Counted.ALL and not rule.is_counting:
        yield f"{rule.operator} counts no tasks: 'of its version' means nothing there; leave it out"
    if len(rule.values) > MAX_RULE_VALUES:
        yield f"wanted at most {MAX_RULE_VALUES} values; got {len(rule.values):,}"
    elif long := next((value for value in rule.values if len(value) > MAX_PATTERN_LENGTH), ""):
        yield f"a value has {len(long):,} characters; wanted at most {MAX_PATTERN_LENGTH:,}"
    elif fault := _values_fault(rule):
        yield fault


def field_fault(field: str) -> str:
    """The reason why `field` is no field; "" if it is one."""
    if not field or len(field) > MAX_FIELD_LENGTH or _CONTROL.search(field) or field != field.strip():
        wanted = f"wanted a field of 1 to {MAX_FIELD_LENGTH} characters"
        return f"{wanted}; got {field[:MAX_FIELD_LENGTH]!r}" if field else f"{wanted}; got none"
    if field.startswith("@") and field not in _OURS:
        hint = did_you_mean(field, _OURS) or f"; known are {', '.join(_OURS)}"
        return f"unknown field {field!r}{hint}. An attribute is named without @"
    return ""


def _values_fault(rule: Constraint) -> str:
    """The reason why the number of values or one of them is wrong; "" where all are right."""
    operator, values, declared = rule.operator, rule.values, rule.declared
    got = "none" if not values else repr(values[0]) if len(values) == 1 else f"{len(values)}: {', '.join(values[:5])}"
    if declared.takes is Takes.NOTHING:
        return f"{operator} takes no value; got {got}" if values else ""
    if declared.takes.may_be_none:
        if len(values) > 1:
            return f"{operator} takes one value or none; got {got}"
    elif declared.takes.is_several:
        if not values:
            return f"{operator} takes one value or more; got none"
    elif len(values) != 1:
        hint = f". Write {rule.field} {declared.for_several} for several" if declared.for_several and values else ""
        return f"{operator} takes one value; got {got}{hint}"
    return _content_fault(rule) if values else ""


def _content_fault(rule: Constraint) -> str:
    operator, value, takes = rule.operator, rule.values[0], rule.declared.takes
    match takes:
        case Takes.COUNT | Takes.COUNT_OR_NOTHING:
            if not _COUNT.fullmatch(value) or int(value) > MAX_INSTANCES:
                or_none = ", or nothing" if takes.may_be_none else ""
                return f"{operator} takes a whole number from 1 to {MAX_INSTANCES:,}{or_none}; got {value!r}"
        case Takes.NUMBER:
            if thousandths(value) is None:
                instead = f"{rule.field} VERSION {operator} {value}"
                return f"{operator} compares numbers; got {value[:100]!r}. Versions are compared by {instead[:200]}"
        case Takes.PATTERN:
            if fault := pattern_fault(value):
                return f"{operator} {value[:100]} {fault}"
        case Takes.CONDITIONS:
            faults = (condition_fault(condition) for condition in rule.values)
            return next((f"{operator}: {fault}" for fault in faults if fault), "")
        case Takes.NOTHING | Takes.TEXT | Takes.TEXT_OR_NOTHING | Takes.TEXTS | Takes.RULES:
            pass
        case _:
            assert_never(takes)
    return ""


def _spread(where: Where, spread: Spread) -> Iterator[Broken]:
    def found(message: str) -> Broken:
        return _alone(where, message)

    for field in (spread.over, *spread.within):
        if fault := field_fault(field):
            yield found(fault)
    if len(spread.within) >= MAX_SPREADS:
        yield found(f"wanted at most {MAX_SPREADS} levels; got {len(spread.within) + 1:,}")
    if not 0 <= spread.weight <= MAX_WEIGHT:
        yield found(f"wanted a weight from 1 to {MAX_WEIGHT}, or none for a must; got {spread.weight}")
    for name, value, low in (("max_skew", spread.max_skew, 1), ("min_domains", spread.min_domains, 0)):
        if not low <= value <= MAX_INSTANCES:
            yield found(f"wanted {name} from {low} to {MAX_INSTANCES:,}; got {value:,}")
        elif value != low and (spread.weight or spread.targets):
            why = "targets say how many each domain has" if spread.targets else "each task too many costs its points"
            yield found(f"{name} means nothing here: {why}; leave it out")
    if spread.targets:
        yield from (found(fault) for fault in _targets(spread))


def _levels(rules: Rules) -> Iterator[Broken]:
    """The first spread in which a field stands for two levels; those within it repeat that."""
    for index, spread in enumerate(rules.spread):
        levels = (*spread.within, spread.over)
        if len(set(levels)) < len(levels):
            message = f"{spread.over} stands in two levels of one spread; each level wants a field of its own"
            yield _alone((_SPREAD, index), message)
            return


def _targets(spread: Spread) -> Iterator[str]:
    names = [name for name, _ in spread.targets]
    if len(names) > MAX_RULE_VALUES:
        yield f"wanted at most {MAX_RULE_VALUES} targets; got {len(names):,}"
    if names != sorted(set(names)):
        yield "wanted targets in the order of their values, each once"
    if any(not name or len(name) > MAX_PATTERN_LENGTH for name in names):
        yield f"wanted values of 1 to {MAX_PATTERN_LENGTH:,} characters as targets"
    total = sum(percent for _, percent in spread.targets)
    if any(not 1 <= percent <= 100 for _, percent in spread.targets):
        yield "wanted targets from 1% to 100%"
    elif total > 100:
        yield f"the targets are {total}% together; wanted at most 100%"


def _neighbours(rules: Rules) -> Iterator[Broken]:
    for name, neighbours in (("near", rules.near), ("apart", rules.apart)):
        for index, neighbour in enumerate(neighbours):
            for fault in _neighbour(name, neighbour):
                yield _alone((f"rules.{name}", index), fault)


def _neighbour(name: str, neighbour: Neighbour) -> Iterator[str]:
    if fault := field_fault(neighbour.field):
        yield fault
    if not 0 <= neighbour.weight <= MAX_WEIGHT:
        instead = f"; write it under {'apart' if name == 'near' else 'near'}" if neighbour.weight < 0 else ""
        yield f"wanted a weight from 1 to {MAX_WEIGHT}, or none for a must; got {neighbour.weight}{instead}"
    to = neighbour.to
    if to.stack not in ("", "*") and (wrong := name_fault(to.stack)):
        yield f"the stack {to.stack[:100]!r} {wrong}; or * for every stack"
    if not _SERVICE_PATTERN.fullmatch(to.service):
        yield f"the service {to.service[:100]!r} is none: wanted a name, in which * and ? may stand for anything"
    for label in to.labels[:MAX_RULE_VALUES]:
        if wrong := name_fault(label):
            yield f"the label {label[:100]!r} {wrong}"
    if list(to.labels) != sorted(set(to.labels)) or len(to.labels) > MAX_RULE_VALUES:
        yield f"wanted labels in order, each once, at most {MAX_RULE_VALUES}"


def _preferences(rules: Rules) -> Iterator[Broken]:
    for index, preference in enumerate(rules.prefer):
        where: Where = (_PREFER, index)
        yield from (_at((*where, "rule"), fault) for fault in _faults(preference.rule))
        if _size(preference.rule) > MAX_CONSTRAINTS:
            yield _alone(where, f"wanted at most {MAX_CONSTRAINTS} rules in one preference")
        if preference.rule.is_counting:
            message = f"{preference.rule} counts tasks and cannot be preferred; write a spread with a weight"
            yield _alone(where, message)
        if not preference.weight or abs(preference.weight) > MAX_WEIGHT:
            wanted = f"wanted a weight from -{MAX_WEIGHT} to {MAX_WEIGHT}, not 0"
            yield _alone(where, f"{wanted}; got {preference.weight}")


def _sticky(rules: Rules) -> Iterator[Broken]:
    wait = rules.sticky_wait_seconds
    if not (0 <= wait <= MAX_SECONDS or wait == STICKY_ALWAYS):
        yield Broken(
            message=f"wanted a wait of at most {MAX_SECONDS:,.0f} seconds; got {wait:,}", where=("rules.sticky",)
        )
    elif wait and not rules.sticky:
        yield Broken(message="wanted no time to wait where sticky is false", where=("rules.sticky",))


def _duplicates(rules: Rules) -> Iterator[Broken]:
    for name in ("constraints", "near", "apart", "prefer"):
        first: dict[object, int] = {}
        for index, value in enumerate(getattr(rules, name)):
            what = value.rule if name == "prefer" else (value.to, value.field) if name != "constraints" else value
            if what in first:
                yield _twice(f"rules.{name}", index, first[what], str(value.rule if name == "prefer" else value))
            first.setdefault(what, index)
    levels: dict[object, int] = {}
    for index, spread in enumerate(rules.spread):
        what = (spread.over, spread.within)
        if what in levels:
            yield _twice(_SPREAD, index, levels[what], f"a spread over {spread.over}")
        levels.setdefault(what, index)


def _twice(target: str, index: int, first: int, text: str) -> Broken:
    message = f"{text} stands here a second time; the first is at"
    return Broken(message=message, where=(target, index), other=(target, first))


def _together(group: Group) -> Iterator[Broken]:
    """Rules of one group that cannot all hold. Each is known to be right by itself."""
    rules, instances = group.rules, group.instances if group.mode is Mode.REPLICATED else 1
    for one in contradictions(rules.constraints, instances):
        where, other = (_CONSTRAINTS, *one.second), (_CONSTRAINTS, *one.first)
        yield Broken(message=one.message, where=where, about=(_CONSTRAINTS, "instances"), other=other)
    near = {
        (neighbour.to, neighbour.field): index for index, neighbour in enumerate(rules.near) if not neighbour.weight
    }
    for index, neighbour in enumerate(rules.apart):
        if not neighbour.weight and (neighbour.to, neighbour.field) in near:
            other = ("rules.near", near[neighbour.to, neighbour.field])
            message = f"apart from {neighbour} and near it cannot both be; the other is at"
            yield Broken(
                message=message, where=("rules.apart", index), about=("rules.near", "rules.apart"), other=other
            )
    for index, spread in enumerate(rules.spread):
        if spread.targets and not spread.weight and not spread.within and REST not in dict(spread.targets):
            room = sum(-(-instances * percent // 100) for _, percent in spread.targets)
            if room < instances:
                message = (
                    f"the targets leave room for {room:,} of {instances:,} tasks; give the rest to other values (*)"
                )
                yield Broken(message=message, where=(_SPREAD, index), about=(_SPREAD, "instances"))


def _of_mode(group: Group) -> Iterator[Broken]:
    """A global group has one task on every agent that fits: nothing can be counted, chosen or returned to."""
    if group.mode is not Mode.GLOBAL:
        return
    if group.instances != 1:
        message = "a global group has one task on every agent that fits; leave instances out"
        yield Broken(message=message, where=("instances",), about=("instances", "mode"))
    for index, rule in enumerate(group.rules.constraints):
        if rule.is_counting:
            message = f"{rule} counts tasks, and a global group has one on every agent that fits; leave one of them out"
            yield Broken(message=message, where=(_CONSTRAINTS, index), about=(_CONSTRAINTS, "mode"))
    if group.rules.spread:
        message = (
            "a global group has one task on every agent that fits: there is nothing to spread; leave one of them out"
        )
        yield Broken(message=message, where=(_SPREAD, 0), about=(_SPREAD, "mode"))
    if group.rules.sticky:
        message = "a global group's slots belong to their agents anyway; leave sticky out"
        yield Broken(message=message, where=("rules.sticky",), about=("rules.sticky", "mode"))
    if group.rules.strategy is not Strategy.SPREAD:
        message = "a global group goes to every agent that fits: there is none to choose; leave strategy out"
        yield Broken(message=message, where=("rules.strategy",), about=("rules.strategy", "mode"))
