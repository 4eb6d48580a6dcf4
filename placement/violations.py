"""The tasks that break a hard rule of their group, as after a change of rules."""

from __future__ import annotations

from collections.abc import Mapping

from placement.cluster import Cluster
from placement.evaluation import possible
from placement.neighbours import NeighbourRule, RunningTasks, selects
from placement.occupancy import Occupancy
from specs.ids import AgentId, GroupId
from specs.model.constraints import Constraint, Rules
from specs.model.operators import CountingKind


def violations(
    group: GroupId, rules: Rules, held: Mapping[int, AgentId], cluster: Cluster, occupancy: Occupancy
) -> dict[int, str]:
    """The slots, of those `held` by a task on an agent, that break a hard rule, each with the rule in a sentence.

    Of too many in one domain of UNIQUE or MAX_PER the highest numbers break it. Rules about evenness (GROUP_BY, spread)
    are broken by no single task, and agents that are not known break nothing.
    """
    found: dict[int, str] = {}
    numbers = {slot: cluster.index[id] for slot, id in sorted(held.items()) if id in cluster.index}
    for rule in rules.constraints:
        allowed = possible(cluster, rule)
        _note(found, {slot: n for slot, n in numbers.items() if not allowed >> n & 1}, cluster, str(rule))
        if rule.counting is CountingKind.AT_MOST:
            _note(found, _too_many(rule, numbers, cluster), cluster, str(rule))
    running = RunningTasks(cluster, occupancy)
    for word, neighbours in (("near", rules.near), ("apart", rules.apart)):
        for neighbour in neighbours:
            if neighbour.weight or selects(neighbour.to, group, group):
                continue
            allowed = NeighbourRule(neighbour, group, running, is_near=word == "near").allowed
            outside = {slot: n for slot, n in numbers.items() if not allowed >> n & 1}
            _note(found, outside, cluster, f"{word} {neighbour}")
    return found


def _too_many(rule: Constraint, numbers: Mapping[int, int], cluster: Cluster) -> dict[int, int]:
    domains = cluster.compared(rule)
    counts: dict[int, int] = {}
    found: dict[int, int] = {}
    for slot, number in numbers.items():
        for domain in domains.holding(number):
            counts[domain] = counts.get(domain, 0) + 1
            if counts[domain] > rule.most:
                found[slot] = number
    return found


def _note(found: dict[int, str], broken: Mapping[int, int], cluster: Cluster, rule: str) -> None:
    for slot, number in broken.items():
        found.setdefault(slot, f"agent {cluster.agents[number].hostname} breaks the rule {rule}")
