"""Rules for a group that is scaled by its load: bounds that leave room, and a target to go by."""

from __future__ import annotations

import math
from collections.abc import Iterator

from specs.model.autoscale import METRIC_NAME, Autoscale
from specs.model.constraints import Mode
from specs.model.limits import MAX_INSTANCES, MAX_METRICS, MAX_SECONDS, MAX_TARGET_PERCENT
from specs.model.stack import Group
from specs.rules.broken import Broken


def broken(group: Group) -> Iterator[Broken]:
    """Every rule that the group's scaling breaks."""
    autoscale = group.autoscale
    if autoscale is None:
        return
    if group.mode is Mode.GLOBAL:
        message = (
            "a global service has one task on every agent that fits, and no number to scale; leave one of the two out"
        )
        yield _one("autoscale", message, "mode")
        return
    bounds = [*_bounds(autoscale)]
    yield from bounds
    if not bounds and not autoscale.min <= group.instances <= autoscale.max:
        message = (
            f"wanted instances between autoscale's min and max, {autoscale.min:,} and {autoscale.max:,};"
            f" got {group.instances:,}"
        )
        yield Broken(message=message, where=("instances",), about=("instances", "autoscale"))
    yield from _targets(autoscale)
    if autoscale.metrics and group.container.metrics is None:
        message = (
            f"goes by {autoscale.metrics[0].name}, and nothing says where tasks tell it; add"
            " metrics: {path: /metrics}"
        )
        yield _one("autoscale.metrics", message, "container.metrics")
    for name, seconds, least in (
        ("up_after", autoscale.up_after_seconds, 0),
        ("cool_down", autoscale.cool_down_seconds, 1),
    ):
        if not least <= seconds <= MAX_SECONDS:
            yield _one(f"autoscale.{name}_seconds", f"wanted {name} from {least}s to 7d; got {seconds:,g} s")


def _one(field: str, message: str, *about: str) -> Broken:
    return Broken(message=message, where=(field,), about=("autoscale", *about))


def _bounds(autoscale: Autoscale) -> Iterator[Broken]:
    if not 1 <= autoscale.min <= MAX_INSTANCES:
        message = (
            f"wanted min from 1 to {MAX_INSTANCES:,}; got {autoscale.min:,}: of no task there is no usage to go by"
        )
        yield _one("autoscale.min", message)
    elif not autoscale.min <= autoscale.max <= MAX_INSTANCES:
        yield _one(
            "autoscale.max",
            f"wanted max from {autoscale.min:,}, which is min, to {MAX_INSTANCES:,}; got {autoscale.max:,}",
        )


def _targets(autoscale: Autoscale) -> Iterator[Broken]:
    if not (autoscale.cpu_percent or autoscale.memory_percent or autoscale.metrics):
        message = "wanted something to go by: cpu: 60%, memory: 70%, or metric: {name: requests_in_flight, target: 20}"
        yield _one("autoscale", message)
    for name, percent in (("cpu", autoscale.cpu_percent), ("memory", autoscale.memory_percent)):
        if not 0 <= percent <= MAX_TARGET_PERCENT:
            yield _one(f"autoscale.{name}_percent", f"wanted {name} from 1% to {MAX_TARGET_PERCENT}%; got {percent:,}%")
    if len(autoscale.metrics) > MAX_METRICS:
        yield _one("autoscale.metrics", f"wanted at most {MAX_METRICS} metrics; got {len(autoscale.metrics):,}")
        return
    names = [each.name for each in autoscale.metrics]
    for each in autoscale.metrics:
        if names.count(each.name) > 1:
            yield _one(
                "autoscale.metrics", f"{each.name} stands there {names.count(each.name)} times; keep one of them"
            )
            return
        if not METRIC_NAME.fullmatch(each.name):
            yield _one("autoscale.metrics", f"wanted a metric's name: letters, digits, _ and :; got {each.name!r}")
        if not 0 < each.target < math.inf:
            yield _one("autoscale.metrics", f"wanted a target of {each.name} above 0; got {each.target:g}")
