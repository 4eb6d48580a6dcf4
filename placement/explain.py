"""explain(): how every agent stands to every rule of a request, and the smallest changes that would let it run.

Nothing here is computed unless somebody asks. A cure is not an estimate: the changed request is placed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import Any

from placement.bits import numbers_in
from placement.checks import amount_text
from placement.cluster import DIMENSIONS, amounts
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import fill
from placement.evaluation import Evaluation
from placement.explanation import AgentVerdicts, Cure, Explanation, Verdict
from placement.free_resources import FreeResources
from placement.neighbours import RunningTasks
from placement.relax import Relaxation, relaxations
from placement.request import Request

_MOST_PAIRS = 60
_MOST_CURES = 8


def explain(request: Request, snapshot: ClusterSnapshot, *, seed: int = 0) -> Explanation:
    """Explains the next slot of a request where all fit, else the first that does not."""
    scene = _fresh(request, snapshot)
    evaluation = scene.evaluation(request)
    _, left = fill(evaluation, seed)
    if not left:
        evaluation = _fresh(request, snapshot).evaluation(request)
        return Explanation(refused=None, rows=_rows(evaluation, min(request.slots)), cures=())
    missing = replace(request, slots=left)
    return Explanation(
        refused=evaluation.refused(left), rows=_rows(evaluation, left[0]), cures=tuple(_cures(missing, scene, seed))
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    """A snapshot with what was placed in it."""

    snapshot: ClusterSnapshot
    free: FreeResources
    running: RunningTasks

    def evaluation(self, request: Request) -> Evaluation:
        """The request in this very scene."""
        return Evaluation(request, self.snapshot, self.free, self.running)

    def copy(self, snapshot: ClusterSnapshot) -> _Scene:
        """The same scene, to try something in, perhaps with another snapshot around it."""
        return _Scene(snapshot, self.free.copy(), self.running.copy())


def _fresh(request: Request, snapshot: ClusterSnapshot) -> _Scene:
    free = FreeResources(snapshot)
    free.open((request,))
    return _Scene(snapshot, free, RunningTasks(snapshot.cluster, snapshot.occupancy))


# ---- the table ------------------------------------------------------------------


def _rows(evaluation: Evaluation, slot: int) -> tuple[AgentVerdicts, ...]:
    pin = evaluation.pin_check(slot)
    checks = [*([pin] if pin else []), *evaluation.checks]
    passing = [check.passing(evaluation.cluster.everybody) for check in checks]
    ranks = _ranks(evaluation, slot)
    rows = []
    for number, agent in enumerate(evaluation.cluster.agents):
        verdicts = tuple(
            Verdict(rule=check.rule, is_met=bool(bits >> number & 1), wanted=check.wanted, got=check.got(number))
            for check, bits in zip(checks, passing, strict=True)
        )
        worth = tuple(evaluation.scoring.worth(number))
        rows.append(
            AgentVerdicts(
                agent_id=agent.id,
                hostname=agent.hostname,
                fits=number in ranks,
                verdicts=verdicts,
                points=sum(points for _, points in worth),
                worth=worth,
                tasks=evaluation.running.tasks(evaluation.request.group).get(number, 0),
                free_share=evaluation.free.free_share(number),
                rank=ranks.get(number, 0),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.rank or len(rows) + 1, _broken(row), _in_numbers(row.hostname))))


def _broken(row: AgentVerdicts) -> int:
    """The number of rules that an agent breaks: the nearest fit comes first."""
    return sum(not verdict.is_met for verdict in row.verdicts)


def _in_numbers(name: str) -> list[tuple[str, int]]:
    """A sort key by which agent2 comes before agent10."""
    return [(word, int(digits or 0)) for word, digits in re.findall(r"([^0-9]*)([0-9]{0,18})", name)]


def _ranks(evaluation: Evaluation, slot: int) -> dict[int, int]:
    """1 for the agent that is taken next, 2 for the one that would be if that one were not there, and so on."""
    found = evaluation.fitting(slot)
    ranks: dict[int, int] = {}
    while found:
        number = evaluation.best(found, slot)
        ranks[number] = len(ranks) + 1
        found &= ~(1 << number)
    return ranks


# ---- cures ----------------------------------------------------------------------


def _cures(request: Request, scene: _Scene, seed: int) -> list[Cure]:
    """Single changes that place at least one slot; where there is none, pairs of them."""
    rows = list(relaxations(request, scene.snapshot))
    found = [cure for row in rows if (cure := _first_that_helps(request, scene, seed, row))]
    if not found:
        widest = [row[-1] for row in rows]
        for first, second in islice(combinations(widest, 2), _MOST_PAIRS):
            cure = _first_that_helps(request, scene, seed, (first.then(second),))
            found += [cure] if cure else []
    different = {cure.text: cure for cure in found}
    return sorted(different.values(), key=lambda cure: (-cure.slots, -cure.agents, cure.text))[:_MOST_CURES]


def _first_that_helps(request: Request, scene: _Scene, seed: int, row: tuple[Relaxation, ...]) -> Cure | None:
    """The cure that the smallest of these changes is, None where none of them helps."""
    for change in row:
        cure = _tried(request, scene, seed, change)
        if cure:
            return cure
    return None


def _tried(request: Request, scene: _Scene, seed: int, change: Relaxation) -> Cure | None:
    """Places the changed request. Amounts are lowered only as far as they must be."""
    changed, snapshot = change.apply((request, scene.snapshot))
    texts = [change.text] if change.text else []
    for dimension in change.dimensions:
        most = _lowered(changed, scene.copy(snapshot), seed, dimension)
        if not most:
            return None
        changed = _with_amount(changed, dimension, most)
        texts.append(f"{DIMENSIONS[dimension]} ≤ {amount_text(DIMENSIONS[dimension], most)}")
    evaluation = scene.copy(snapshot).evaluation(changed)
    agents = evaluation.fitting(request.slots[0]).bit_count()
    placed, _ = fill(evaluation, seed)
    return Cure(text=f"with {' and '.join(texts)}", agents=agents, slots=len(placed)) if placed else None


def _lowered(request: Request, scene: _Scene, seed: int, dimension: int) -> int:
    """The largest amount of a dimension with which all slots find a place; where none is small enough for that, with
    which one does; 0 where the amount is not what keeps the request from its place."""
    evaluation = scene.copy(scene.snapshot).evaluation(_with_amount(request, dimension, 0))
    column = evaluation.free.amounts[dimension]
    most = max((column[number] for number in numbers_in(evaluation.fitting(request.slots[0]))), default=0)
    if not 0 < most < amounts(request.resources)[dimension]:
        return 0
    # Mesos counts in thousandths, people in hundredths.
    step = 10 if dimension == 0 else 1
    low, high = 0, most // step
    while low < high:
        middle = (low + high + 1) // 2
        _, left = fill(scene.copy(scene.snapshot).evaluation(_with_amount(request, dimension, middle * step)), seed)
        low, high = (low, middle - 1) if left else (middle, high)
    if low * step == most // step * step:
        return most
    return low * step or most


def _with_amount(request: Request, dimension: int, amount: int) -> Request:
    name = ("cpus_milli", "mem_mib", "disk_mib", "gpus")[dimension]
    changed: dict[str, Any] = {name: amount}
    return replace(request, resources=replace(request.resources, **changed))
