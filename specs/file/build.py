"""From a document to groups: the form told, groups laid over their service, fields read, the model filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from specs.file.custom_resources import Custom
from specs.file.dependency_forms import combined
from specs.file.fields import Found
from specs.file.overrides import laid_over, without
from specs.file.placement_forms import rules_of
from specs.file.port_forms import on_network
from specs.file.reader import Reader, Unreadable
from specs.file.route_forms import completed
from specs.file.route_labels import GROUP, routes_of_labels
from specs.file.source import Mapping, Node, Scalar, Sequence, describe
from specs.file.vocabulary import SERVICE, TOP
from specs.file.volume_forms import Mounts
from specs.ids import group_id
from specs.model.autoscale import Autoscale
from specs.model.constraints import Mode
from specs.model.errors import StackError
from specs.model.limits import MAX_GROUP_NODES, MAX_GROUPS, MAX_SERVICES
from specs.model.resources import Resources
from specs.model.routes import Route
from specs.model.stack import (
    DEFAULT_RESOURCES,
    CheckKind,
    Container,
    Group,
    KillOrder,
    Network,
    Port,
    Protocol,
    Restart,
    Retry,
    Stop,
    Unreachable,
)
from specs.model.update import Update
from specs.rules.update_rules import settled


@dataclass(frozen=True, slots=True)
class Built:
    """A group, and where its fields came from. `failed` are the targets that could not be read."""

    group: Group
    reader: Reader
    node: Node
    failed: frozenset[str]


_JOINED = {
    "dependencies": {"links", "depends_on"},
    "rules.constraints": {"deploy.constraints", "deploy.max_per"},
    "rules.spread": {"rules.constraints", "deploy.constraints", "deploy.preferences"},
}
"""Fields of the model, and the targets that they are joined from."""
_TOP_KEYS = frozenset(field.name for field in TOP.fields) | frozenset(TOP.refused)


def services_form(root: Node, known: frozenset[str] = frozenset()) -> Node:
    """The document with its services under `services`: what fig writes at the top level is put there.

    `known` are names of services, of the document that this one overrides.
    """
    if not isinstance(root, Mapping) or "services" in root.values:
        return root
    own = {
        name
        for name, value in root.values.items()
        if name.startswith("x-") or (name in _TOP_KEYS and not _looks_like_service(value))
    }
    services = without(root, *own)
    if not any(name in known or _looks_like_service(value) for name, value in services.values.items()):
        return root
    top = without(root, *services.values)
    key = Scalar(path="", file=root.file, line=root.line, column=root.column, text="services")
    return replace(top, keys={**top.keys, "services": key}, values={**top.values, "services": services})


def _looks_like_service(node: Node) -> bool:
    return isinstance(node, Mapping) and bool({"image", "build", "command"} & set(node.values))


def build(root: Node, stack: str, reader: Reader) -> tuple[list[Built], frozenset[str]]:
    """The groups of a document in the services form, and the names of all its services.

    Mistakes are noted in the reader. Raises StackError where a limit is exceeded.
    """
    services = _services(root, reader)
    if services is None:
        return [], frozenset()
    if len(services.values) > MAX_SERVICES:
        message = f"{len(services.values):,} services; a stack has at most {MAX_SERVICES:,}. Split it into several"
        raise StackError([*reader.faults.in_order(), services.fault(message)])
    pairs = [pair for name, value in services.values.items() for pair in _groups(name, value, reader)]
    if len(pairs) > MAX_GROUPS:
        message = f"{len(pairs):,} groups; a stack has at most {MAX_GROUPS:,}. Split it into several"
        raise StackError([*reader.faults.in_order(), services.fault(message)])
    total = 0
    sizes: dict[int, int] = {}
    for _, service, over in pairs:
        total += sizes.setdefault(id(service), _count(service)) + (_count(over) if over else 0)
        if total > MAX_GROUP_NODES:
            message = f"more than {MAX_GROUP_NODES:,} values in all groups, each with its service's; split the stack"
            raise StackError([*reader.faults.in_order(), services.fault(message)])
    built = [_built(name, service, over, stack, reader) for name, service, over in pairs]
    built.sort(key=lambda one: one.group.id)
    return built, frozenset(services.values)


def _services(root: Node, reader: Reader) -> Mapping | None:
    if isinstance(root, Scalar) and root.is_null:
        reader.note(root, "the file is empty; wanted services")
        return None
    TOP.read(reader, root)
    if not isinstance(root, Mapping):
        return None
    if "services" not in root.values:
        if not reader.faults:
            reader.note(root, "wanted the key services: a mapping of names to services")
        return None
    try:
        services = reader.mapping(root.values["services"], "a mapping of names to services")
    except Unreadable:
        return None
    if not services.values:
        reader.note(services, "wanted at least one service; got none")
    return services


def _count(node: Node) -> int:
    if isinstance(node, Mapping):
        return 1 + sum(_count(value) + 1 for value in node.values.values())
    if isinstance(node, Sequence):
        return 1 + sum(_count(item) for item in node.items)
    return 1


_Pair = tuple[str, Mapping, Mapping | None]
"""A service's name, the service without its groups, and the group laid over it, if it has groups."""


def _groups(name: str, node: Node, reader: Reader) -> Iterator[_Pair]:
    if name.startswith("x-"):
        return
    try:
        service = reader.mapping(node, "a service: a mapping with image or command")
    except Unreadable:
        return
    bare = without(service, "groups")
    if "groups" not in service.values:
        yield name, bare, None
        return
    groups = service.values["groups"]
    if not isinstance(groups, Sequence) or not groups.items:
        reader.note(groups, f"wanted a list of groups, each a mapping with labels; got {describe(groups)}")
        yield name, bare, None
        return
    for item in groups.items:
        if isinstance(item, Mapping):
            yield name, bare, item
        else:
            reader.note(item, f"wanted a group: a mapping with labels; got {describe(item)}")


def _built(name: str, service: Mapping, over: Mapping | None, stack: str, shared: Reader) -> Built:
    reader = Reader(shared.variables, stack, shared.faults)
    place = over or service
    reader.locate((), place)
    reader.locate(("service",), service)
    reader.locate(("labels",), place)
    labels: tuple[str, ...] = ()
    whole: Node = service
    if over is not None:
        labels = _labels(over, reader)
        whole = laid_over(service, without(over, "labels"))
    found = SERVICE.read(reader, replace(whole, path=service.path))
    values = {target: one.value for target, one in found.items()}
    mode = values.get("mode", Mode.REPLICATED)
    if mode is Mode.GLOBAL and "instances" in found:
        message = "a global service has one task on every agent that fits; leave this out, or leave mode out"
        reader.note(found["instances"].node, message)
        values["instances"] = 1
    container = _container(values, reader, found)
    rollback: Update | None = values.get("rollback")
    autoscale: Autoscale | None = values.get("autoscale")
    group = Group(
        id=group_id(stack, name, labels),
        instances=values.get("instances", autoscale.min if autoscale else 1),
        container=container,
        resources=_resources(values),
        restart=values.get("restart", Restart.ALWAYS),
        retry=_retry(values),
        dependencies=combined(values.get("links", ()), values.get("depends_on", ())),
        metadata=values.get("metadata", ()),
        mode=mode,
        rules=rules_of(values, reader),
        unreachable=Unreachable(**_below("unreachable", values)),
        kill_order=values.get("kill_order", KillOrder.YOUNGEST),
        routes=_routes(values, container, reader, found),
        update=settled(values.get("update", Update()), container),
        rollback=settled(rollback, container) if rollback else None,
        autoscale=autoscale,
    )
    failed = frozenset(reader.failed)
    for whole_field, sources in _JOINED.items():
        failed |= {whole_field} if failed & sources else set()
    return Built(group, reader, place, failed)


def _labels(over: Mapping, reader: Reader) -> tuple[str, ...]:
    if "labels" not in over.values:
        return ()
    node = over.values["labels"]
    reader.locate(("labels",), node)
    if not isinstance(node, Sequence):
        wanted = "wanted a list of labels, as [prod, frontend]"
        reader.note(node, f"{wanted}; got {describe(node)}. Docker's labels stand in the service, as labels")
        return ()
    labels: dict[str, Node] = {}
    for item in node.items:
        try:
            label = reader.text(item, "a label")
        except Unreadable:
            continue
        if label in labels:
            reader.note(item, f"the label {label!r} stands here a second time; keep one")
        labels.setdefault(label, item)
        reader.locate(("labels", label), item)
    return tuple(labels)


def _below(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values whose targets begin with the prefix and a dot, without these."""
    return {name.partition(".")[2]: value for name, value in values.items() if name.startswith(f"{prefix}.")}


def _retry(values: dict[str, Any]) -> Retry:
    """The longest wait is no shorter than the first one, where nothing is said of it."""
    given = _below("retry", values)
    least = max(Retry().max_delay_seconds, given.get("delay_seconds", 0.0))
    return Retry(**{"max_delay_seconds": least, **given})


def _resources(values: dict[str, Any]) -> Resources:
    given = _below("resources", values)
    custom: Custom = given.pop("custom", Custom())
    return replace(DEFAULT_RESOURCES, scalars=custom.scalars, sets=custom.sets, **given)


def _container(values: dict[str, Any], reader: Reader, found: dict[str, Found]) -> Container:
    given, stop = _below("container", values), _below("stop", values)
    image = given.get("image", "")
    unread = "container.image" in reader.failed
    network = given.setdefault("network", Network.BRIDGE if image or unread else Network.HOST)
    given["ports"] = _ports(given.get("ports", ()), values.get("expose", ()), network, reader)
    mounts = values.get("volumes", Mounts((), ()))
    given["volumes"] = mounts.volumes
    given["tmpfs"] = (*given.get("tmpfs", ()), *mounts.tmpfs)
    if mounts.tmpfs and ("container.tmpfs",) not in reader.origins:
        reader.locate(("container.tmpfs",), found["volumes"].node)
    names = [port.name for port in given["ports"] if port.protocol is Protocol.TCP]
    for key in ("health", "ready"):
        check = given.get(key)
        if check is not None and check.kind is not CheckKind.COMMAND and not check.port and len(names) == 1:
            given[key] = replace(check, port=names[0])
    metrics = given.get("metrics")
    if metrics is not None and not metrics.port and len(names) == 1:
        given["metrics"] = replace(metrics, port=names[0])
    return Container(stop=Stop(**stop), **given)


def _routes(values: dict[str, Any], container: Container, reader: Reader, found: dict[str, Found]) -> tuple[Route, ...]:
    """Those under `routes`, or else what the labels of Marathon-lb say."""
    if "routes" in values or "routes" in reader.failed:
        return completed(values.get("routes", ()), container.ports)
    labels = {**dict(container.labels), **dict(values.get("metadata", ()))}
    place = found.get("metadata" if GROUP in dict(values.get("metadata", ())) else "container.labels")
    try:
        routes = routes_of_labels(tuple(labels.items()), container.ports)
    except ValueError as error:
        reader.note(place.node if place else reader.origins[()], str(error))
        return ()
    for index in range(len(routes)):
        reader.locate(("routes", index), place.node if place else reader.origins[()])
    return routes


def _ports(ports: tuple[Port, ...], exposed: tuple[Port, ...], network: Network, reader: Reader) -> tuple[Port, ...]:
    known = {(port.container_port, port.protocol) for port in ports}
    names = {port.name for port in ports}
    more = [port for port in exposed if (port.container_port, port.protocol) not in known and port.name not in names]
    for index, port in enumerate(exposed):
        if port in more and ("expose", index) in reader.origins:
            reader.locate(("container.ports", len(ports) + more.index(port)), reader.origins["expose", index])
    return tuple(on_network(port, network) for port in (*ports, *more))


def located(built: list[Built], group: int, where: tuple[str | int, ...]) -> Node:
    """The node that a field of a group came from: the item, else the field, else the group."""
    origins = built[group].reader.origins
    for length in range(len(where), -1, -1):
        if where[:length] in origins:
            return origins[where[:length]]
    return built[group].node
