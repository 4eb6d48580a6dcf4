"""The rules for every stack, whatever it came from: a file, the API, the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from specs.ids import MAX_LABELS_LENGTH, GroupId, name_fault
from specs.model.errors import Fault
from specs.model.limits import (
    MAX_CPUS_MILLI,
    MAX_CUSTOM_MILLI,
    MAX_CUSTOM_RESOURCES,
    MAX_DISK_MIB,
    MAX_FAULTS,
    MAX_GPUS,
    MAX_GROUPS,
    MAX_INSTANCES,
    MAX_MEM_MIB,
    MAX_SERVICES,
    MAX_TASK_ID_LENGTH,
    MIN_MEM_MIB,
)
from specs.model.resources import Resources, format_cpus, format_size_mib
from specs.model.stack import Condition, Group, Restart, Stack
from specs.rules import autoscale_rules, container_rules, placement_rules, route_rules, update_rules
from specs.rules.broken import Where
from specs.rules.custom_resource_rules import items_fault, resource_name_fault
from specs.rules.neighbour_rules import lost_neighbours
from specs.rules.restart_rules import broken_retry
from specs.rules.template_trial import Trial
from specs.suggestions import did_you_mean

_NORMALISED: dict[str | int, str] = {
    "labels": "id.labels",
    "service": "id.service",
    "stop.signal": "container.stop.signal",
}
_SLOT_AND_SERIAL = len(".100000.1000000000000")
"""Characters that a task id adds to its group's name, at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A broken rule. `group` is the index in the stack, None the stack itself; `where` the field, or an item of it.

    `about` are all the fields that the rule looked at; `other` is a second place that the message ends with.
    """

    message: str
    group: int | None = None
    where: Where = ()
    about: tuple[str, ...] = ()
    other: tuple[int, Where] | None = None


def check(stack: Stack) -> tuple[Fault, ...]:
    """Every broken rule of a stack, with its path in the normalised form: `groups[3].container.ports[1]`.

    Of more than MAX_FAULTS, the first so many.
    """
    return tuple(
        Fault(
            normalised_path(finding.group, finding.where),
            finding.message + (f" {normalised_path(*finding.other)}" if finding.other else ""),
        )
        for finding in islice(findings(stack), MAX_FAULTS)
    )


def normalised_path(group: int | None, where: Where) -> str:
    """The path of a field in the normalised form."""
    if group is None:
        return ".".join(str(step) for step in where)
    path = f"groups[{group}]"
    if where:
        path += f".{_NORMALISED.get(where[0], where[0])}"
    is_rule = bool(where) and str(where[0]).startswith("rules.")
    return path + "".join(f".{step}" if is_rule and isinstance(step, str) else f"[{step!r}]" for step in where[1:])


def findings(stack: Stack, also_services: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Every broken rule. `also_services` are services that exist, though they could not be read."""
    if fault := name_fault(stack.name):
        yield Finding(message=f"the stack's name {stack.name!r} {fault}", where=("name",))
    services = {group.id.service: index for index, group in reversed(list(enumerate(stack.groups)))}
    if len(services) > MAX_SERVICES:
        yield Finding(message=f"{len(services):,} services; a stack has at most {MAX_SERVICES:,}. Split it")
        return
    if len(stack.groups) > MAX_GROUPS:
        yield Finding(message=f"{len(stack.groups):,} groups; a stack has at most {MAX_GROUPS:,}. Split it")
        return
    yield from _duplicates(stack.groups)
    with Trial() as trial:
        for index, group in enumerate(stack.groups):
            yield from _of_group(stack, index, group, trial)
    yield from _dependencies(stack.groups, services, also_services)
    yield from _cycles(stack.groups, services)
    for lost in lost_neighbours(stack.groups, also_services):
        where: Where = (f"rules.{lost.name}", lost.index)
        yield Finding(message=lost.message, group=lost.group, where=where, about=(f"rules.{lost.name}.each",))


def _of_group(stack: Stack, index: int, group: Group, trial: Trial) -> Iterator[Finding]:
    """The rules that a group breaks by itself."""
    if group.id.stack != stack.name:
        message = f"belongs to the stack {group.id.stack!r}; wanted {stack.name!r}"
        yield Finding(message=message, group=index, where=("id.stack",))
    for finding in _group_findings(group):
        yield Finding(
            message=finding.message, group=index, where=finding.where, about=finding.about, other=finding.other
        )
    for broken in (
        *container_rules.broken(group.container),
        *trial.broken(group.container),
        *placement_rules.broken(group),
        *broken_retry(group.retry),
        *update_rules.broken(group),
        *route_rules.broken(group),
        *autoscale_rules.broken(group),
    ):
        other = (index, broken.other) if broken.other else None
        yield Finding(
            message=broken.message,
            group=index,
            where=broken.where,
            about=broken.about or _about(broken.where),
            other=other,
        )


def _about(where: Where) -> tuple[str, ...]:
    return (str(where[0]),) if where else ()


def _duplicates(groups: Sequence[Group]) -> Iterator[Finding]:
    first: dict[GroupId, int] = {}
    for index, group in enumerate(groups):
        if group.id in first:
            labels = f"the labels [{', '.join(group.id.labels)}]" if group.id.labels else "no labels"
            message = f"{group.id.service} has a second group with {labels}; give it others. The first is at"
            yield Finding(message=message, group=index, where=("labels",), other=(first[group.id], ("labels",)))
        first.setdefault(group.id, index)


def _group_findings(group: Group) -> Iterator[Finding]:
    if fault := name_fault(group.id.service):
        yield Finding(message=f"the service's name {group.id.service!r} {fault}", where=("service",))
    for label in group.id.labels:
        if fault := name_fault(label):
            yield Finding(message=f"the label {label!r} {fault}", where=("labels", label))
    joined = len("-".join(group.id.labels))
    if joined > MAX_LABELS_LENGTH:
        message = f"the labels, joined by '-', have {joined} characters; wanted at most {MAX_LABELS_LENGTH}"
        yield Finding(message=message, where=("labels",))
    if list(group.id.labels) != sorted(set(group.id.labels)):
        yield Finding(message="wanted labels in order, each once", where=("labels",))
    length = len(group.id.dotted) + _SLOT_AND_SERIAL
    if length > MAX_TASK_ID_LENGTH:
        message = (
            f"its tasks' ids ({group.id.dotted}.SLOT.NUMBER) would have up to {length} characters; wanted at most "
            f"{MAX_TASK_ID_LENGTH}: shorten the names of stack, service or labels"
        )
        yield Finding(message=message, where=("labels",))
    if not 0 <= group.instances <= MAX_INSTANCES:
        message = f"wanted instances from 0 to {MAX_INSTANCES:,}; got {group.instances:,}"
        yield Finding(message=message, where=("instances",), about=("instances",))
    yield from _resources(group.resources)


def _resources(resources: Resources) -> Iterator[Finding]:
    def out_of_bounds(name: str, low: int, high: int, value: int, shown: Callable[[int], str]) -> Iterator[Finding]:
        if not low <= value <= high:
            word = {"mem_mib": "memory"}.get(name, name.split("_")[0])
            message = f"wanted {word} from {shown(low)} to {shown(high)}; got {shown(value)}"
            yield Finding(message=message, where=(f"resources.{name}",), about=(f"resources.{name}",))

    def megabytes(mib: int) -> str:
        return format_size_mib(mib)

    yield from out_of_bounds("cpus_milli", 1, MAX_CPUS_MILLI, resources.cpus_milli, format_cpus)
    yield from out_of_bounds("mem_mib", MIN_MEM_MIB, MAX_MEM_MIB, resources.mem_mib, megabytes)
    yield from out_of_bounds("disk_mib", 0, MAX_DISK_MIB, resources.disk_mib, megabytes)
    yield from out_of_bounds("gpus", 0, MAX_GPUS, resources.gpus, str)
    yield from _custom(resources)
    if resources.ports.ranges:
        yield Finding(message="wanted no ports here; they stand in container.ports", where=("resources.ports",))


def _custom(resources: Resources) -> Iterator[Finding]:
    for target, pairs in (("resources.scalars", resources.scalars), ("resources.sets", resources.sets)):
        names = [name for name, _ in pairs]
        if names != sorted(set(names)):
            yield Finding(message="wanted resources in the order of their names, each once", where=(target,))
        if len(names) > MAX_CUSTOM_RESOURCES:
            message = f"wanted at most {MAX_CUSTOM_RESOURCES} custom resources; got {len(names):,}"
            yield Finding(message=message, where=(target,))
            return
        for name in names:
            if fault := resource_name_fault(name):
                yield Finding(message=fault, where=(target, name), about=("resources.custom",))
    for name, amount in resources.scalars:
        if not 1 <= amount <= MAX_CUSTOM_MILLI:
            message = f"wanted {name} from 0.001 to {MAX_CUSTOM_MILLI // 1000:,}; got {format_cpus(amount)}"
            yield Finding(message=message, where=("resources.scalars", name), about=("resources.custom",))
        if name in dict(resources.sets):
            message = f"{name} is wanted as an amount and as a set; keep one of them"
            yield Finding(message=message, where=("resources.sets", name), about=("resources.custom",))
    for name, items in resources.sets:
        if fault := items_fault(items):
            yield Finding(message=f"{name}: {fault}", where=("resources.sets", name), about=("resources.custom",))


def _dependencies(
    groups: Sequence[Group], services: dict[str, int], also_services: frozenset[str]
) -> Iterator[Finding]:
    by_service: dict[str, list[Group]] = {}
    for group in groups:
        by_service.setdefault(group.id.service, []).append(group)
    known = sorted({*services, *also_services})
    for index, group in enumerate(groups):
        for dependency in group.dependencies:
            name = dependency.service
            where: Where = ("dependencies", name)
            if name not in by_service:
                if name not in also_services:
                    hint = did_you_mean(name, known) or "; there are " + ", ".join(known[:20])
                    message = f"{group.id.service} needs the service {name}, which does not exist{hint}"
                    yield Finding(message=message, group=index, where=where, about=("dependencies",))
                continue
            if dependency.condition is Condition.HEALTHY and any(not _is_checked(g) for g in by_service[name]):
                message = (
                    f"waits until {name} is healthy, but {name} has no health check; give it one, or wait for started"
                )
                about = ("dependencies", "container.health", "container.ready", "container.post_start")
                yield Finding(message=message, group=index, where=where, about=about)
            ends = all(g.restart is not Restart.ALWAYS for g in by_service[name])
            if dependency.condition is Condition.COMPLETED and not ends:
                message = (
                    f"waits until {name} has completed, but {name} has restart: always and is started again for ever; "
                    f'give {name} restart: "no" or on-failure'
                )
                yield Finding(message=message, group=index, where=where, about=("dependencies", "restart"))


def _cycles(groups: Sequence[Group], services: dict[str, int]) -> Iterator[Finding]:
    """Each service that needs itself in the end is named once, with the way round."""
    needs: dict[str, dict[str, int]] = {service: {} for service in services}
    for index, group in enumerate(groups):
        for dependency in group.dependencies:
            if dependency.service in needs:
                needs[group.id.service].setdefault(dependency.service, index)
    done: set[str] = set()
    for start in sorted(needs):
        way: list[str] = []
        pending: list[tuple[str, Iterator[str]]] = []

        def enter(service: str, way: list[str] = way, pending: list[tuple[str, Iterator[str]]] = pending) -> None:
            way.append(service)
            pending.append((service, iter(sorted(needs[service]))))

        if start not in done:
            enter(start)
        while pending:
            service, rest = pending[-1]
            following = next(rest, None)
            if following is None:
                done.add(service)
                way.pop()
                pending.pop()
            elif following in way:
                circle = [*way[way.index(following) :], following]
                message = f"a cycle: {' -> '.join(circle)}; none of them could start first"
                where: Where = ("dependencies", following)
                yield Finding(message=message, group=needs[service][following], where=where, about=("dependencies",))
            elif following not in done:
                enter(following)


def _is_checked(group: Group) -> bool:
    """Whether its tasks are ready later than they start."""
    return bool(group.container.health or group.container.ready or group.container.post_start)
