"""Checks of near and apart in a whole stack: each means an existing group, and some group can be first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate

from specs.model.constraints import Selector
from specs.model.stack import Group
from specs.suggestions import did_you_mean

_MAX_PAIRS = 1_000_000
"""Pairs of a selector and a group it means, beyond which circles are not looked for."""
_MAX_TOLD = 20


@dataclass(frozen=True, slots=True)
class LostNeighbour:
    """A near or apart, `name`, of the group with this index that cannot be as it is."""

    group: int
    name: str
    index: int
    message: str


def lost_neighbours(groups: Sequence[Group], also_services: frozenset[str]) -> Iterator[LostNeighbour]:
    """Selectors of the own stack that mean no group, and circles of hard nears.

    `also_services` are services that exist, though they could not be read.
    """
    meant = _Meant(groups)
    pairs = 0
    for number, group in enumerate(groups):
        for name, neighbours in (("near", group.rules.near), ("apart", group.rules.apart)):
            for index, neighbour in enumerate(neighbours):
                if not _is_own(neighbour.to, group):
                    continue
                found = meant.by(neighbour.to)
                pairs += len(found)
                if not found and not _may_mean(neighbour.to, also_services, meant.services):
                    message = f"{neighbour.to} means no group of this stack{meant.hint(neighbour.to)}"
                    yield LostNeighbour(number, name, index, message)
    if pairs <= _MAX_PAIRS:
        yield from _circle(groups, meant)


def _is_own(to: Selector, group: Group) -> bool:
    return to.stack in ("", group.id.stack)


def _pattern(to: Selector) -> re.Pattern[str]:
    return re.compile(translate(to.service))


def _may_mean(to: Selector, also_services: frozenset[str], read: dict[str, list[int]]) -> bool:
    pattern = _pattern(to)
    return any(pattern.match(service) for service in also_services if service not in read)


class _Meant:
    """The groups that a selector means, in its own stack."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._known: dict[tuple[str, tuple[str, ...]], tuple[int, ...]] = {}
        self.services: dict[str, list[int]] = {}
        for number, group in enumerate(groups):
            self.services.setdefault(group.id.service, []).append(number)

    def by(self, to: Selector) -> tuple[int, ...]:
        """The indices of the groups."""
        key = (to.service, to.labels)
        if key not in self._known:
            wanted = set(to.labels)
            self._known[key] = tuple(
                number for number in self._of_service(to) if wanted <= set(self._groups[number].id.labels)
            )
        return self._known[key]

    def _of_service(self, to: Selector) -> Iterator[int]:
        if not {"*", "?"} & set(to.service):
            yield from self.services.get(to.service, ())
            return
        pattern = _pattern(to)
        for service, numbers in self.services.items():
            if pattern.match(service):
                yield from numbers

    def hint(self, to: Selector) -> str:
        """A hint to the selector that was probably meant."""
        there = self.services.get(to.service)
        if there:
            every = (self._groups[number].id.labels for number in there)
            labels = dict.fromkeys(f"[{','.join(each)}]" if each else "no labels" for each in every)
            return f"; {to.service} has {', '.join(list(labels)[:_MAX_TOLD])}"
        there_are = f"; there are {', '.join(sorted(self.services)[:_MAX_TOLD])}."
        elsewhere = "" if to.stack else f" Of another stack: STACK/{to}"
        return f"{did_you_mean(to.service, self.services) or there_are}{elsewhere}"


def _circle(groups: Sequence[Group], meant: _Meant) -> Iterator[LostNeighbour]:
    """Groups of which each waits for a task of the next: none of them could be first. One such circle."""
    waits = {number: nears for number, group in enumerate(groups) if (nears := dict(_waits(number, group, meant)))}
    _let_go(waits, [number for number in range(len(groups)) if number not in waits])
    if not waits:
        return
    way: dict[int, int] = {}
    number = next(iter(waits))
    while number not in way:
        way[number] = len(way)
        number = next(iter(waits[number].values()))[0]
    circle = [*list(way)[way[number] :], number]
    names = " -> ".join(str(groups[one].id) for one in circle)
    message = f"a circle: {names}; none of them could be first. Make one a preference: give it a weight"
    yield LostNeighbour(number, "near", next(iter(waits[number])), message)


def _let_go(waits: dict[int, dict[int, tuple[int, ...]]], free: list[int]) -> None:
    """Takes out of `waits` the nears that are met once the free groups run, and what that frees in turn."""
    waiting: dict[int, list[tuple[int, int]]] = {}
    for number, nears in waits.items():
        for index, others in nears.items():
            for other in others:
                waiting.setdefault(other, []).append((number, index))
    while free:
        for number, index in waiting.get(free.pop(), ()):
            if waits.get(number, {}).pop(index, None) is not None and not waits[number]:
                del waits[number]
                free.append(number)


def _waits(number: int, group: Group, meant: _Meant) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The hard nears of a group that others must come before: the index of each, and who may be the first."""
    for index, neighbour in enumerate(group.rules.near):
        if neighbour.weight or not _is_own(neighbour.to, group):
            continue
        others = meant.by(neighbour.to)
        if others and number not in others:
            yield index, others
