"""Near and apart: where tasks of other groups are, and what that means for a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from placement.cluster import Cluster
from placement.occupancy import Occupancy
from placement.selectors import Groups, ResolvedSelector, SelectedTasks, Selectors
from specs.ids import AgentId, GroupId, VersionId
from specs.model.constraints import Neighbour, Selector


def selects(selector: Selector, home: GroupId, group: GroupId) -> bool:
    """Whether a selector in the stack file of `home` means `group`."""
    return ResolvedSelector.of(selector, home).means(group)


class RunningTasks:
    """The running tasks by group and agent, with those placed meanwhile."""

    def __init__(self, cluster: Cluster, occupancy: Occupancy) -> None:
        self._cluster = cluster
        self._occupancy = occupancy
        self._tasks: dict[GroupId, dict[int, int]] = {}
        self._groups: Groups | None = None
        """All groups; None until a rule about neighbours is looked at."""
        self._selected: dict[tuple[ResolvedSelector, str], SelectedTasks] = {}
        """The tasks of the groups that a selector means, by the domains of a field."""
        self._meaning: Selectors[tuple[str, SelectedTasks]] = Selectors()
        """The same, each with its field."""
        self._keepers: Selectors[tuple[str, SelectedTasks]] | None = None
        """The tasks of groups that keep others away, under the selector that means the others."""
        self._joined: dict[GroupId, list[tuple[str, SelectedTasks]]] = {}
        """The selected tasks of which a group's are a part."""
        self._places: dict[GroupId, dict[str, dict[int, None]]] = {}
        """The domains in which a group has tasks, by field."""

    def copy(self) -> RunningTasks:
        """The same, to try something with."""
        other = RunningTasks(self._cluster, self._occupancy)
        other._tasks = {group: dict(tasks) for group, tasks in self._tasks.items()}
        return other

    def tasks(self, group: GroupId) -> dict[int, int]:
        """The number of living tasks of the group, by the agent's number."""
        known = self._tasks.get(group)
        if known is None:
            counts = self._occupancy.counts.get(group, {})
            known = self._tasks[group] = {
                number: sum(versions.values())
                for id, versions in counts.items()
                if (number := self._cluster.index.get(id)) is not None
            }
        return known

    def same_version(self, group: GroupId, version: VersionId) -> dict[int, int]:
        """The same, of tasks of one version; as it was at the beginning."""
        counts: Mapping[AgentId, Mapping[VersionId, int]] = self._occupancy.counts.get(group, {})
        return {
            number: versions[version]
            for id, versions in counts.items()
            if version in versions and (number := self._cluster.index.get(id)) is not None
        }

    def placed(self, group: GroupId, number: int) -> None:
        """Counts a task that was placed."""
        if self._groups is not None and group not in self._groups:
            self._meet(group)
        tasks = self.tasks(group)
        tasks[number] = tasks.get(number, 0) + 1
        for field, places in self._places.get(group, {}).items():
            for domain in self._cluster.overlapping(field).holding(number):
                if domain not in places:
                    for of_field, selected in self._joined[group]:
                        if of_field == field:
                            selected.enter(group, domain, is_first=not places)
                    places[domain] = None

    # ---- selected tasks -------------------------------------------------------------------

    def agents_near(self, neighbour: Neighbour, home: GroupId) -> int:
        """The agents whose field has a value that it has where tasks run that the selector means, home's own too."""
        selector, field = ResolvedSelector.of(neighbour.to, home), neighbour.field
        selected = self._selected.get((selector, field))
        if selected is None:
            selected = self._selected[selector, field] = SelectedTasks(self._cluster.overlapping(field))
            for group in self._all_groups().of(selector):
                self._join(group, field, selected)
            self._meaning.add(selector, (field, selected))
        return selected.bits

    def kept_away(self, group: GroupId) -> Iterator[tuple[str, str, int]]:
        """(field, names of the groups, agents): where tasks of others run that keep the group away from themselves."""
        if self._keepers is None:
            self._keepers = self._find_keepers()
        places = self._places.get(group, {})
        for field, selected in self._keepers.of(group):
            is_own = any(selected is joined for _, joined in self._joined.get(group, ()))
            agents = selected.without(places[field]) if is_own else selected.bits
            if agents:
                yield field, selected.others(group), agents

    def _find_keepers(self) -> Selectors[tuple[str, SelectedTasks]]:
        by_selector: dict[tuple[ResolvedSelector, str], SelectedTasks] = {}
        found: Selectors[tuple[str, SelectedTasks]] = Selectors()
        kept = ((owner, ResolvedSelector.of(rule.to, owner), rule.field) for owner, rule in self._occupancy.apart)
        for owner, selector, field in dict.fromkeys(kept):
            selected = by_selector.get((selector, field))
            if selected is None:
                selected = by_selector[selector, field] = SelectedTasks(self._cluster.overlapping(field))
                found.add(selector, (field, selected))
            self._join(owner, field, selected)
        return found

    def _all_groups(self) -> Groups:
        if self._groups is None:
            self._groups = Groups()
            for group in (*self._occupancy.counts, *self._tasks):
                self._groups.add(group)
        return self._groups

    def _meet(self, group: GroupId) -> None:
        """Takes note of a group that had no task before."""
        self._all_groups().add(group)
        for field, selected in self._meaning.of(group):
            self._join(group, field, selected)

    def _join(self, group: GroupId, field: str, selected: SelectedTasks) -> None:
        places = self._places.setdefault(group, {})
        if field not in places:
            domains = self._cluster.overlapping(field)
            numbers = (number for number, count in self.tasks(group).items() if count)
            places[field] = dict.fromkeys(domain for number in numbers for domain in domains.holding(number))
        self._joined.setdefault(group, []).append((field, selected))
        for place, domain in enumerate(places[field]):
            selected.enter(group, domain, is_first=not place)


class NeighbourRule:
    """A hard near or apart. Tasks of the group itself count where the selector means them; the first of a group that
    wants to be near itself alone may go anywhere."""

    def __init__(self, neighbour: Neighbour, home: GroupId, running: RunningTasks, *, is_near: bool) -> None:
        self._domains = running._cluster.overlapping(neighbour.field)
        self._everybody = running._cluster.everybody
        self._is_near = is_near
        self._means_itself = selects(neighbour.to, home, home)
        self._near = running.agents_near(neighbour, home)
        self.allowed = self._find()

    def placed(self, number: int) -> None:
        if self._means_itself:
            for domain in self._domains.holding(number):
                self._near |= self._domains.bits[domain]
            self.allowed = self._find()

    def _find(self) -> int:
        if not self._is_near:
            return self._everybody & ~self._near
        return self._domains.having if self._means_itself and not self._near else self._near
