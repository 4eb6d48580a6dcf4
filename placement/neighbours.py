"""Near and apart: where tasks of other groups are, and what that means for a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from placement.cluster import Cluster
from placement.request import Tenants
from specs.constraints import Neighbour, Selector
from specs.ids import AgentId, GroupId, VersionId


def selects(selector: Selector, home: GroupId, group: GroupId) -> bool:
    """Whether a selector in the stack file of `home` means `group`."""
    stack = selector.stack or home.stack
    return (
        (stack == group.stack or fnmatchcase(group.stack, stack))
        and (selector.service == group.service or fnmatchcase(group.service, selector.service))
        and all(label in group.labels for label in selector.labels)
    )


class Standing:
    """Which agents have how many tasks of which group, with what was placed meanwhile."""

    def __init__(self, cluster: Cluster, tenants: Tenants) -> None:
        self._cluster = cluster
        self._tenants = tenants
        self._tasks: dict[GroupId, dict[int, int]] = {}

    def copy(self) -> Standing:
        """The same, to try something with."""
        other = Standing(self._cluster, self._tenants)
        other._tasks = {group: dict(tasks) for group, tasks in self._tasks.items()}
        return other

    def tasks(self, group: GroupId) -> dict[int, int]:
        """How many living tasks of the group each agent has, by the agent's number."""
        known = self._tasks.get(group)
        if known is None:
            counts = self._tenants.counts.get(group, {})
            known = self._tasks[group] = {
                number: sum(versions.values())
                for id, versions in counts.items()
                if (number := self._cluster.index.get(id)) is not None
            }
        return known

    def same_version(self, group: GroupId, version: VersionId) -> dict[int, int]:
        """The same, of tasks of one version; as it was at the beginning."""
        counts: Mapping[AgentId, Mapping[VersionId, int]] = self._tenants.counts.get(group, {})
        return {
            number: versions[version]
            for id, versions in counts.items()
            if version in versions and (number := self._cluster.index.get(id)) is not None
        }

    def placed(self, group: GroupId, number: int) -> None:
        """Counts a task that was placed."""
        tasks = self.tasks(group)
        tasks[number] = tasks.get(number, 0) + 1

    def agents_near(self, neighbour: Neighbour, home: GroupId) -> int:
        """The agents whose field has a value that it has where tasks run that the selector means, beside home's own."""
        found = 0
        for group in self._groups():
            if group != home and selects(neighbour.to, home, group):
                found |= self.agents_with(group, neighbour.field)
        return found

    def agents_with(self, group: GroupId, field: str) -> int:
        """The agents whose field has a value that it has where tasks of the group run."""
        domains = self._cluster.domains((field,))
        found = 0
        for domain in dict.fromkeys(domains.of[number] for number, count in self.tasks(group).items() if count):
            if domain >= 0:
                found |= domains.bits[domain]
        return found

    def _groups(self) -> Iterator[GroupId]:
        yield from self._tenants.counts
        yield from (group for group in self._tasks if group not in self._tenants.counts)


class Beside:
    """A hard near or apart. Tasks of the group itself count where the selector means them; the first of a group that
    wants to be near itself alone may go anywhere."""

    def __init__(self, neighbour: Neighbour, home: GroupId, standing: Standing, *, is_near: bool) -> None:
        self._domains = standing._cluster.domains((neighbour.field,))
        self._everybody = standing._cluster.everybody
        self._is_near = is_near
        self._means_itself = selects(neighbour.to, home, home)
        self._near = standing.agents_near(neighbour, home)
        if self._means_itself:
            self._near |= standing.agents_with(home, neighbour.field)
        self.allowed = self._find()

    def placed(self, number: int) -> None:
        if self._means_itself and self._domains.of[number] >= 0:
            self._near |= self._domains.bits[self._domains.of[number]]
            self.allowed = self._find()

    def _find(self) -> int:
        if not self._is_near:
            return self._everybody & ~self._near
        return self._domains.having if self._means_itself and not self._near else self._near
