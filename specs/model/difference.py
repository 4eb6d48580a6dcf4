"""The difference of two stacks, group by group: which fields changed, and how much that disturbs the tasks."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from specs.ids import GroupId, is_same_container
from specs.model.autoscale import Autoscale
from specs.model.canonical import to_plain, version_of
from specs.model.constraints import STICKY_ALWAYS, Rules, Strategy
from specs.model.declared import Effect, declarations, with_effect
from specs.model.resources import format_cpus
from specs.model.stack import Container, Group, Stack
from specs.model.update import Update


class Change(StrEnum):
    """The class of a change, from the most disturbing: REPLACED alone ends tasks and launches new ones; APPLIED gives
    running tasks other in-place settings (specs.model.in_place)."""

    ADDED = "added"
    REMOVED = "removed"
    REPLACED = "replaced"
    APPLIED = "applied"
    SCALED = "scaled"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """A field with its old and new value in plain form; None where it was or is absent, or has its default."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDifference:
    """The change of one group. `fields` are all that differ, whatever their class; empty for ADDED and REMOVED."""

    group: GroupId
    change: Change
    old_instances: int
    new_instances: int
    fields: tuple[FieldDifference, ...] = ()


def difference(old: Stack | None, new: Stack) -> tuple[GroupDifference, ...]:
    """The groups that differ, by id; empty where nothing changes. `old` None is a stack that does not exist yet."""
    before = {group.id: group for group in (old.groups if old else ())}
    after = {group.id: group for group in new.groups}
    changed: list[GroupDifference] = []
    for group in sorted({*before, *after}):
        one = _changed(group, before.get(group), after.get(group))
        if one is not None:
            changed.append(one)
    return tuple(changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A group that is removed while a similar one is added under another id. As text: a sentence that says so."""

    old: GroupId
    new: GroupId
    old_instances: int
    new_instances: int

    def __str__(self) -> str:
        what = "changed labels are" if self.old.service == self.new.service else "a changed name is"
        tasks = "its task is replaced at once" if self.old_instances == 1 else "its tasks are replaced all at once"
        numbers = f"({self.old_instances} -> {self.new_instances})"
        return f"{self.old} is removed and {self.new} is added: {what} another group; {tasks} {numbers}"


def renames(old: Stack, new: Stack) -> tuple[Rename, ...]:
    """Removed groups, each with the added group that seems to be the same: of its service, with the most labels in
    common; or of its labels and settings, under another name. Groups without instances are left out."""
    gone = {group.id: group for group in old.groups if group.instances}
    come = {group.id: group for group in new.groups if group.instances and group.id not in gone}
    for group in new.groups:
        gone.pop(group.id, None)
    found = []
    for id, was in sorted(gone.items(), key=lambda item: item[0]):
        likes = [(_likeness(was, come[other]), other) for other in sorted(come)]
        best, other = max(likes, key=lambda like: like[0], default=(0, id))
        if best:
            new_instances = come.pop(other).instances
            found.append(Rename(old=id, new=other, old_instances=was.instances, new_instances=new_instances))
    return tuple(found)


def _likeness(old: Group, new: Group) -> int:
    if old.id.service == new.id.service:
        return 1 + len(set(old.id.labels) & set(new.id.labels))
    return 1 if old.id.labels == new.id.labels and is_same_container(version_of(old), version_of(new)) else 0


def _changed(group: GroupId, old: Group | None, new: Group | None) -> GroupDifference | None:
    if old == new:
        return None
    if old is None or new is None:
        return GroupDifference(
            group=group,
            change=Change.ADDED if old is None else Change.REMOVED,
            old_instances=old.instances if old else 0,
            new_instances=new.instances if new else 0,
        )
    fields = tuple(_fields("", _comparable(old), _comparable(new)))
    if not fields:  # different values may have one text
        fields = tuple(_fields("", to_plain(old), to_plain(new)))
    change = Change.METADATA
    was, shall = version_of(old), version_of(new)
    if not is_same_container(was, shall):
        change = Change.REPLACED
    elif was != shall:
        change = Change.APPLIED
    elif any(getattr(old, name) != getattr(new, name) for name in with_effect(Group, Effect.SCALES)):
        change = Change.SCALED
    return GroupDifference(
        group=group, change=change, old_instances=old.instances, new_instances=new.instances, fields=fields
    )


def _comparable(group: Group) -> dict[str, Any]:
    """The group in plain form, its lists of pairs and of named things as mappings, the container's fields on top."""
    plain: dict[str, Any] = to_plain(group)
    del plain["id"]
    plain.update(plain.pop("container"))
    plain.update(_rules(group.rules))
    plain.pop("rules", None)
    plain["update"] = _pace(group.update)
    plain["autoscale"] = _scaling(group.autoscale)
    plain["rollback"] = _pace(group.rollback) if group.rollback else {}
    for name in _pairs():
        plain[name] = dict(plain.get(name, ()))
    for name, said in (*declarations(Group), *declarations(Container)):
        if said.named_by:
            plain[name] = {item[said.named_by]: item for item in plain.get(name, ())}
    amounts = group.resources
    plain["resources"] = {
        "cpus_milli": amounts.cpus_milli,
        "mem_mib": amounts.mem_mib,
        "disk_mib": amounts.disk_mib,
        "gpus": amounts.gpus,
        "custom": {name: format_cpus(amount) for name, amount in amounts.scalars}
        | {name: list(items) for name, items in amounts.sets},
    }
    return plain


@cache
def _pairs() -> tuple[str, ...]:
    """The fields of a group and of its container that hold names and values."""
    hints = typing.get_type_hints(Container) | typing.get_type_hints(Group)
    return tuple(name for name, hint in hints.items() if hint == tuple[tuple[str, str], ...])


def _rules(rules: Rules) -> dict[str, Any]:
    """The rules as texts for people; empty lists and defaults are left out."""
    texts: dict[str, Any] = {
        "constraints": [str(rule) for rule in rules.constraints],
        "spread": [f"{spread}{_points(spread.weight)}" for spread in rules.spread],
        "near": [f"{neighbour}{_points(neighbour.weight)}" for neighbour in rules.near],
        "apart": [f"{neighbour}{_points(neighbour.weight)}" for neighbour in rules.apart],
        "prefer": [f"{preference.rule}{_points(preference.weight)}" for preference in rules.prefer],
    }
    if rules.strategy is not Strategy.SPREAD:
        texts["strategy"] = rules.strategy.value
    if rules.sticky:
        wait = rules.sticky_wait_seconds
        texts["sticky"] = "always" if wait == STICKY_ALWAYS else f"{wait:g}s" if wait else "true"
    return {name: text for name, text in texts.items() if text}


def _pace(update: Update) -> dict[str, Any]:
    """An update in the words of a file, defaults included; fields without a value are left out."""
    texts: dict[str, Any] = {
        "parallelism": str(update.parallelism),
        "min_healthy": str(update.min_healthy) if update.min_healthy is not None else None,
        "max_surge": str(update.max_surge),
        "order": update.order.value if update.order else None,
        "wait": f"{update.wait_seconds:g}s",
        "monitor": f"{update.monitor_seconds:g}s",
        "deadline": f"{update.deadline_seconds:g}s",
        "max_failures": str(update.max_failures),
        "on_failure": update.on_failure.value,
        "steps": [str(step) for step in update.steps],
    }
    return {name: text for name, text in texts.items() if text}


def _scaling(autoscale: Autoscale | None) -> dict[str, Any]:
    """Autoscaling in the words of a file, defaults included; fields without a value are left out."""
    if autoscale is None:
        return {}
    texts: dict[str, Any] = {
        "min": autoscale.min,
        "max": autoscale.max,
        "cpu": f"{autoscale.cpu_percent}%" if autoscale.cpu_percent else None,
        "memory": f"{autoscale.memory_percent}%" if autoscale.memory_percent else None,
        "metric": {each.name: each.target for each in autoscale.metrics},
        "up_after": f"{autoscale.up_after_seconds:g}s",
        "cool_down": f"{autoscale.cool_down_seconds:g}s",
    }
    return {name: text for name, text in texts.items() if text}


def _points(weight: int) -> str:
    return f" ({weight:+d} points)" if weight else ""


def _fields(path: str, old: Any, new: Any) -> Iterator[FieldDifference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            inner = f"{path}.{name}" if path else name
            yield from _fields(inner, old.get(name), new.get(name))
    elif old != new:
        yield FieldDifference(path=path, old=old, new=new)
