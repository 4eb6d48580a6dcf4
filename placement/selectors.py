"""Where tasks of the groups run that a selector means: kept while requests are placed, so that a thousand groups which
look at all others cost a thousand steps and not a million.

A selector is looked up by what it names exactly, its stack and its service: only those with wildcards are tried one by
one. Groups that use the same selector share one SelectedTasks.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import reduce
from itertools import islice
from operator import or_
from typing import Generic, TypeVar

from placement.cluster import Domains
from specs.ids import GroupId
from specs.model.constraints import Selector

Thing = TypeVar("Thing")
Names = tuple[str | None, str | None]
"""A stack and a service, None for one that is not named exactly."""
_SHOWN_OWNERS = 3
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class ResolvedSelector:
    """A selector as it is read in the stack file of a group: the stack is always named."""

    stack: str
    service: str
    labels: tuple[str, ...]

    @classmethod
    def of(cls, selector: Selector, home: GroupId) -> ResolvedSelector:
        """The selector in the stack file of `home`."""
        return cls(selector.stack or home.stack, selector.service, selector.labels)

    @property
    def names(self) -> Names:
        """The names that it gives exactly."""
        return (_exact(self.stack), _exact(self.service))

    def means(self, group: GroupId) -> bool:
        """Whether it means `group`."""
        return (
            (self.stack == group.stack or fnmatchcase(group.stack, self.stack))
            and (self.service == group.service or fnmatchcase(group.service, self.service))
            and all(label in group.labels for label in self.labels)
        )


def _exact(pattern: str) -> str | None:
    return None if _WILD.intersection(pattern) else pattern


def names_of(group: GroupId) -> tuple[Names, ...]:
    """The names under which a selector can be found that means the group."""
    return ((group.stack, group.service), (group.stack, None), (None, group.service), (None, None))


class SelectedTasks:
    """The agents whose domain has a task of some groups, by the domains of one field."""

    __slots__ = ("_counts", "_domains", "bits", "owners")

    def __init__(self, domains: Domains) -> None:
        self._domains = domains
        self._counts: defaultdict[int, int] = defaultdict(int)
        self.bits = 0
        self.owners: list[GroupId] = []
        """Groups that have a task in any of the domains, in their order."""

    def enter(self, group: GroupId, domain: int, *, is_first: bool) -> None:
        """A group has its first task in a domain, or its first at all."""
        if is_first:
            insort(self.owners, group)
        self._counts[domain] += 1
        self.bits |= self._domains.bits[domain]

    def without(self, own: Iterable[int]) -> int:
        """The agents but for a group that is in these domains."""
        left = [domain for domain in own if self._counts[domain] == 1]
        if self._domains.several:
            # An agent can be in a domain that is left and in another one.
            there = (domain for domain, count in self._counts.items() if count and domain not in left)
            return reduce(or_, (self._domains.bits[domain] for domain in there), 0)
        found = self.bits
        for domain in left:
            found &= ~self._domains.bits[domain]
        return found

    def others(self, group: GroupId) -> str:
        """The groups but one, for people: "a/x, a/y, a/z and 7 more"."""
        names = list(islice((str(owner) for owner in self.owners if owner != group), _SHOWN_OWNERS))
        place = bisect_left(self.owners, group)
        more = len(self.owners) - (group in self.owners[place : place + 1]) - len(names)
        return ", ".join(names) + (f" and {more} more" if more > 0 else "")


class Selectors(Generic[Thing]):
    """Things, each under a selector; `of` finds those whose selector means a group."""

    def __init__(self) -> None:
        self._by_names: dict[Names, list[tuple[ResolvedSelector, Thing]]] = {}

    def add(self, selector: ResolvedSelector, thing: Thing) -> None:
        """Adds one."""
        self._by_names.setdefault(selector.names, []).append((selector, thing))

    def of(self, group: GroupId) -> Iterator[Thing]:
        """The things whose selector means the group."""
        for names in names_of(group):
            for selector, thing in self._by_names.get(names, ()):
                if selector.means(group):
                    yield thing


class Groups:
    """Groups by their names; `of` finds those that a selector means."""

    def __init__(self) -> None:
        self._known: set[GroupId] = set()
        self._by_names: dict[Names, list[GroupId]] = {}

    def __contains__(self, group: GroupId) -> bool:
        return group in self._known

    def add(self, group: GroupId) -> None:
        """Adds a group, once."""
        if group not in self._known:
            self._known.add(group)
            for names in names_of(group):
                self._by_names.setdefault(names, []).append(group)

    def of(self, selector: ResolvedSelector) -> Iterator[GroupId]:
        """The groups that the selector means."""
        return (group for group in self._by_names.get(selector.names, ()) if selector.means(group))
