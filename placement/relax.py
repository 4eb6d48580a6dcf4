"""The single changes of a request, or of what keeps it away, that explain() tries as cures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from placement.cluster import DIMENSIONS, amounts
from placement.cluster_snapshot import ClusterSnapshot
from placement.request import Request
from specs.model.constraints import DEDICATED, GPUS, REGION, Constraint, Neighbour, Rules, Spread
from specs.model.operators import CountingKind, Operator
from specs.model.resources import Resources

Pair = tuple[Request, ClusterSnapshot]
_MORE_PER_DOMAIN = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A change of a request, or of its snapshot, that can help."""

    #: The change for people ("rack unconstrained"), without amounts that are lowered.
    text: str = ""
    apply: Callable[[Pair], Pair] = lambda pair: pair
    #: Dimensions whose amounts are lowered, each as little as possible.
    dimensions: tuple[int, ...] = ()

    def then(self, other: Relaxation) -> Relaxation:
        """Both changes."""
        first, second = self.apply, other.apply
        return Relaxation(
            text=" and ".join(text for text in (self.text, other.text) if text),
            apply=lambda pair: second(first(pair)),
            dimensions=self.dimensions + other.dimensions,
        )


def relaxations(request: Request, snapshot: ClusterSnapshot) -> Iterator[tuple[Relaxation, ...]]:
    """The changes that can help, each as a row of alternatives from the smallest to the largest."""
    for dimension in range(len(DIMENSIONS)):
        if amounts(request.resources)[dimension]:
            yield (Relaxation(dimensions=(dimension,)),)
    for rule in request.rules.constraints:
        yield _of_constraint(rule, request)
    for spread in request.rules.spread:
        if not spread.weight:
            yield _of_spread(spread)
    for near in request.rules.near:
        if not near.weight:
            yield (_without_near(near),)
    for apart in request.rules.apart:
        if not apart.weight:
            yield (_without_apart(apart),)
    yield from _of_resources(request)
    yield from _of_surroundings(request, snapshot)


def _with_rules(text: str, change: Callable[[Rules], Rules]) -> Relaxation:
    return Relaxation(text=text, apply=lambda pair: (replace(pair[0], rules=change(pair[0].rules)), pair[1]))


def _without_near(gone: Neighbour) -> Relaxation:
    def change(rules: Rules) -> Rules:
        return replace(rules, near=tuple(neighbour for neighbour in rules.near if neighbour != gone))

    return _with_rules(f"no near {gone}", change)


def _without_apart(gone: Neighbour) -> Relaxation:
    def change(rules: Rules) -> Rules:
        return replace(rules, apart=tuple(neighbour for neighbour in rules.apart if neighbour != gone))

    return _with_rules(f"no apart {gone}", change)


def _of_constraint(rule: Constraint, request: Request) -> tuple[Relaxation, ...]:
    def other(put: tuple[Constraint, ...]) -> Callable[[Rules], Rules]:
        def change(rules: Rules) -> Rules:
            kept = [each for one in rules.constraints for each in (put if one == rule else (one,))]
            return replace(rules, constraints=tuple(kept))

        return change

    is_only = sum(rule.field in each.fields for each in request.rules.constraints) == 1
    text = f"{rule.field} unconstrained" if not rule.declared.is_combining and is_only else f"no {rule}"
    steps = []
    if rule.counting is CountingKind.AT_MOST:
        for more in _MORE_PER_DOMAIN:
            wider = replace(rule, operator=Operator.MAX_PER, values=(str(rule.most + more),))
            steps.append(_with_rules(str(wider), other((wider,))))
    return (*steps, _with_rules(text, other(())))


def _of_spread(spread: Spread) -> tuple[Relaxation, ...]:
    def other(put: tuple[Spread, ...]) -> Callable[[Rules], Rules]:
        def change(rules: Rules) -> Rules:
            kept = [each for one in rules.spread for each in (put if one == spread else (one,))]
            return replace(rules, spread=tuple(kept))

        return change

    steps = []
    if not spread.targets:
        for more in _MORE_PER_DOMAIN:
            wider = replace(spread, max_skew=spread.max_skew + more)
            steps.append(_with_rules(str(wider), other((wider,))))
    return (*steps, _with_rules(f"{spread.over} SPREAD as a preference", other((replace(spread, weight=1),))))


def _of_resources(request: Request) -> Iterator[tuple[Relaxation, ...]]:
    want = request.resources
    for name, _ in (*want.scalars, *want.sets):

        def drop(pair: Pair, gone: str = name) -> Pair:
            resources: Resources = replace(
                pair[0].resources,
                scalars=tuple(each for each in pair[0].resources.scalars if each[0] != gone),
                sets=tuple(each for each in pair[0].resources.sets if each[0] != gone),
            )
            return replace(pair[0], resources=resources), pair[1]

        yield (Relaxation(text=f"no {name}", apply=drop),)
    for port in request.host_ports:
        if port is not None:

            def free(pair: Pair, fixed: int = port) -> Pair:
                ports = tuple(None if each == fixed else each for each in pair[0].host_ports)
                return replace(pair[0], host_ports=ports), pair[1]

            yield (Relaxation(text=f"any host port instead of {port}", apply=free),)
    if request.pins:
        yield (
            Relaxation(
                text="any agent, not only the last one", apply=lambda pair: (replace(pair[0], pins={}), pair[1])
            ),
        )


def _of_surroundings(request: Request, snapshot: ClusterSnapshot) -> Iterator[tuple[Relaxation, ...]]:
    """Guards are lifted by a constraint that speaks of their field; the rest is not the group's to change."""
    fields = request.rules.fields
    guards = (
        (REGION, bool(snapshot.region), f"a constraint that speaks of {REGION}"),
        (DEDICATED, bool(snapshot.cluster.dedicated), f"a constraint that speaks of {DEDICATED}"),
        (GPUS, bool(snapshot.cluster.with_gpus) and not request.resources.gpus, f"the constraint {GPUS} >= 0"),
    )
    for field, is_up, text in guards:
        if is_up and field not in fields:
            yield (_speaking_of(field, text),)
    if snapshot.occupancy.apart:

        def together(pair: Pair) -> Pair:
            return pair[0], replace(pair[1], occupancy=replace(pair[1].occupancy, apart=()))

        yield (Relaxation(text="no apart in other groups", apply=together),)
    if snapshot.unavailable:
        yield (
            Relaxation(
                text="the agents back that are unavailable",
                apply=lambda pair: (pair[0], replace(pair[1], unavailable={})),
            ),
        )


def _speaking_of(field: str, text: str) -> Relaxation:
    always = Constraint(
        operator=Operator.ANY,
        parts=tuple(Constraint(operator=operator, field=field) for operator in (Operator.IS_SET, Operator.IS_NOT_SET)),
    )

    def change(rules: Rules) -> Rules:
        return replace(rules, constraints=(*rules.constraints, always))

    return _with_rules(text, change)
