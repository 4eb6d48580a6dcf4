"""In which order groups are placed: those that want to be near others after these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from placement.request import Request
from placement.selectors import Groups, ResolvedSelector
from specs.ids import GroupId

Node = GroupId | ResolvedSelector


def depths(requests: Sequence[Request]) -> dict[GroupId, int]:
    """The length of the chain of groups that each must wait for, because it must be near the next. Groups that wait for
    each other in a circle count as one.

    A group leads to its selectors and these to the groups that they mean, so that a thousand groups near a thousand
    others are a few thousand steps.
    """
    leads: dict[Node, Iterable[Node]] = {}
    for request in requests:
        near = [
            ResolvedSelector.of(neighbour.to, request.group) for neighbour in request.rules.near if not neighbour.weight
        ]
        leads[request.group] = [*leads.get(request.group, ()), *near]
    selectors = dict.fromkeys(node for found in list(leads.values()) for node in found)
    if not selectors:
        return dict.fromkeys((request.group for request in requests), 0)
    groups = Groups()
    for request in requests:
        groups.add(request.group)
    for selector in selectors:
        assert isinstance(selector, ResolvedSelector)
        leads[selector] = list(groups.of(selector))
    found = _Circles(leads).depths
    return {request.group: found[request.group] for request in requests}


@dataclass(slots=True)
class _Visit:
    """A node on the way, and where its edges go that were not followed."""

    node: Node
    rest: list[Node]


@dataclass(slots=True)
class _Circles:
    """Tarjan's search for circles, which ends each of them after all to which it leads: so its depth is known then."""

    leads: Mapping[Node, Iterable[Node]]
    depths: dict[Node, int] = field(default_factory=dict)
    _after: dict[Node, int] = field(default_factory=dict)
    """The depth of what leads there: selectors alone are no step on the way."""
    _index: dict[Node, int] = field(default_factory=dict)
    _low: dict[Node, int] = field(default_factory=dict)
    _open: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        for node in self.leads:
            if node not in self._index:
                self._search(node)

    def _search(self, start: Node) -> None:
        way = [self._enter(start)]
        while way:
            visit = way[-1]
            if visit.rest:
                other = visit.rest.pop()
                if other not in self._index:
                    way.append(self._enter(other))
                elif other not in self.depths:
                    self._low[visit.node] = min(self._low[visit.node], self._index[other])
                continue
            way.pop()
            if way:
                self._low[way[-1].node] = min(self._low[way[-1].node], self._low[visit.node])
            if self._low[visit.node] == self._index[visit.node]:
                self._end(visit.node)

    def _enter(self, node: Node) -> _Visit:
        self._index[node] = self._low[node] = len(self._index)
        self._open.append(node)
        return _Visit(node, list(self.leads[node]))

    def _end(self, first: Node) -> None:
        """A circle, or a node in none, is complete: it is one deeper than the deepest group to which it leads."""
        place = len(self._open) - 1
        while self._open[place] != first:
            place -= 1
        members = self._open[place:]
        del self._open[place:]
        others = (other for node in members for other in self.leads[node])
        deepest = max((self._after[other] for other in others if other in self.depths), default=0)
        self.depths |= dict.fromkeys(members, deepest)
        has_group = any(isinstance(node, GroupId) for node in members)
        self._after |= dict.fromkeys(members, deepest + has_group)
