"""Rules for one container, whatever its group."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import fields

from specs.ids import name_fault
from specs.model.canonical import container_json
from specs.model.declared import declarations
from specs.model.limits import MAX_PORTS, MAX_SECONDS, MAX_SETTINGS_BYTES, MAX_VALUE_BYTES
from specs.model.stack import Container, Network, Protocol
from specs.rules.broken import Broken, Where
from specs.rules.check_rules import broken_checks
from specs.rules.kernel_limits import MAX_HOST_NAME_BYTES, STACK_BYTES, broken_strings, bytes_of, path_fault
from specs.rules.template_rules import broken_templates

_HOST_PART = (
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
)
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_HOST_PART}(?::[0-9]+)?/)?{_PATH_PART}(?:/{_PATH_PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(?:@[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,})?"
)
_MAX_IMAGE_LENGTH = 500
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
_VARIABLE = re.compile(r"[^=\s\x00-\x1f\x7f]+")
_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_OF_CONTAINERS = tuple(name for name, said in declarations(Container) if said.needs_image)
_LIMITS = tuple((name, said.least, said.most) for name, said in declarations(Container) if said.most is not None)
_DEFAULTS = {field.name: field.default for field in fields(Container)}


def broken(container: Container) -> Iterator[Broken]:
    """Every rule that the container breaks."""
    yield from _program(container)
    yield from _ports(container)
    yield from broken_checks(container)
    yield from broken_templates(container)
    yield from _environment(container)
    yield from _places(container)
    yield from _limits(container)


def _program(container: Container) -> Iterator[Broken]:
    if not container.image:
        yield from _process(container)
    elif len(container.image) > _MAX_IMAGE_LENGTH or not _IMAGE.fullmatch(container.image):
        shown = container.image if len(container.image) <= 60 else container.image[:57] + "..."
        message = f"wanted an image as [registry[:port]/]name[:tag][@digest], the name in lower case; got {shown!r}"
        yield Broken(message=message, where=("container.image",))
    if container.network is Network.NONE and container.ports:
        message = "wanted no ports on network none; leave them out, or take bridge or host"
        yield Broken(message=message, where=("container.ports",), about=("container.ports", "container.network"))
    if container.user and not _USER.fullmatch(container.user):
        message = f"wanted a user, or user:group, by name or number; got {container.user!r}"
        yield Broken(message=message, where=("container.user",))
    size = bytes_of(container.hostname) - 1
    if size > MAX_HOST_NAME_BYTES:
        message = f"wanted a host name of at most {MAX_HOST_NAME_BYTES} bytes, Linux's limit; got {size:,}"
        yield Broken(message=message, where=("container.hostname",))
    elif container.hostname and not _HOSTNAME.fullmatch(container.hostname):
        message = (
            "wanted a host name of letters, digits, '-' and '.', each part of at most 63 and with no '-' at its ends;"
            f" got {container.hostname!r}"
        )
        yield Broken(message=message, where=("container.hostname",))


def _process(container: Container) -> Iterator[Broken]:
    if not container.command:
        message = "wanted an image, or a command for a plain process; got neither"
        yield Broken(message=message, where=("container.image",), about=("container.image", "container.command"))
    if container.network is not Network.HOST:
        message = f"a plain process is on its agent's own network; wanted host, got {container.network}"
        yield Broken(message=message, where=("container.network",), about=("container.network", "container.image"))
    for name in _OF_CONTAINERS:
        if getattr(container, name) != _DEFAULTS[name]:
            word = name.removesuffix("_mib")
            message = (
                f"{word} needs a container, and without an image this is a plain process; add an image, or leave it out"
            )
            yield Broken(message=message, where=(f"container.{name}",), about=(f"container.{name}", "container.image"))


def _ports(container: Container) -> Iterator[Broken]:
    names: dict[str, int] = {}
    hosts: dict[tuple[int, Protocol], int] = {}
    if len(container.ports) > MAX_PORTS:
        yield Broken(
            message=f"wanted at most {MAX_PORTS} ports; got {len(container.ports):,}", where=("container.ports",)
        )
        return
    for index, port in enumerate(container.ports):
        where: Where = ("container.ports", index)
        if fault := name_fault(port.name):
            yield Broken(message=f"the port's name {port.name!r} {fault}", where=where)
        for number in (port.container_port, port.host_port if port.host_port is not None else 1):
            if not 0 <= number <= 65535 or (number == 0 and number is port.host_port):
                yield Broken(message=f"wanted a port from 1 to 65535; got {number}", where=where)
        if container.network is Network.HOST and port.container_port not in (0, port.host_port):
            message = (
                f"maps the host port {port.host_port} to {port.container_port}, but on the agent's own network nothing "
                f"is mapped; write {port.container_port} alone, or 0 for a port of the offer, found in $PORT{index}"
            )
            yield Broken(
                message=message, where=where, about=("container.ports", "container.network", "container.image")
            )
        if port.name in names:
            message = f"the port's name {port.name!r} is taken; give each port a name of its own. The first is at"
            yield Broken(message=message, where=where, other=("container.ports", names[port.name]))
        names.setdefault(port.name, index)
        if port.host_port is not None:
            taken = (port.host_port, port.protocol)
            if taken in hosts:
                message = (
                    f"the host port {port.host_port}/{port.protocol} is taken; a task has it once. The first is at"
                )
                yield Broken(message=message, where=where, other=("container.ports", hosts[taken]))
            hosts.setdefault(taken, index)


def _environment(container: Container) -> Iterator[Broken]:
    for target, pairs in (("container.environment", container.environment), ("container.labels", container.labels)):
        for name, value in pairs:
            if not _VARIABLE.fullmatch(name):
                message = f"wanted a name without '=', spaces and control characters; got {name!r}"
                yield Broken(message=message, where=(target, name))
            if target == "container.labels" and len(value.encode("utf-8", "surrogatepass")) > MAX_VALUE_BYTES:
                message = f"the value of {name} has {len(value.encode()):,} bytes; wanted at most {MAX_VALUE_BYTES:,}"
                yield Broken(message=message, where=(target, name))
    arguments = (*(container.entrypoint or ()), *(container.command or ()))
    stack = next((limit.soft for limit in container.ulimits if limit.name == "stack"), STACK_BYTES)
    about = ("container.command", "container.entrypoint", "container.environment", "container.ulimits")
    for name, message in broken_strings(arguments, container.environment, stack):
        if name:
            yield Broken(message=message, where=("container.environment", name))
        else:
            yield Broken(message=message, where=("container.command",), about=about)


def _places(container: Container) -> Iterator[Broken]:
    targets: dict[str, Where] = {}
    for index, volume in enumerate(container.volumes):
        where: Where = ("container.volumes", index)
        if not volume.target.startswith("/"):
            yield Broken(message=f"wanted an absolute path in the container; got {volume.target!r}", where=where)
        if volume.source and not volume.source.startswith("/") and not _VOLUME.fullmatch(volume.source):
            yield Broken(message=f"wanted an absolute path, or a volume's name; got {volume.source!r}", where=where)
        for path in (volume.source, volume.target):
            if fault := path_fault(path):
                yield Broken(message=f"the path {path[:60]!r} {fault}", where=where)
        target = volume.target.rstrip("/")
        if target in targets:
            message = f"mounts {volume.target} a second time; keep one. The first is at"
            yield Broken(message=message, where=where, other=targets[target])
        targets.setdefault(target, where)
    for index, text in enumerate(container.tmpfs):
        path = text.partition(":")[0].rstrip("/")
        if fault := path_fault(path):
            yield Broken(message=f"the path {path[:60]!r} {fault}", where=("container.tmpfs", index))
        if path in targets:
            message = f"mounts {path} a second time; keep one. The first is at"
            yield Broken(message=message, where=("container.tmpfs", index), other=targets[path])
        targets.setdefault(path, ("container.tmpfs", index))
    if container.working_dir and not container.working_dir.startswith("/"):
        message = f"wanted an absolute path; got {container.working_dir!r}"
        yield Broken(message=message, where=("container.working_dir",))
    if fault := path_fault(container.working_dir):
        yield Broken(message=f"the path {container.working_dir[:60]!r} {fault}", where=("container.working_dir",))


def _limits(container: Container) -> Iterator[Broken]:
    if container.stop.signal not in signal.Signals.__members__:
        message = f"wanted the name of a signal, as SIGTERM; got {container.stop.signal!r}"
        yield Broken(message=message, where=("stop.signal",))
    for where, name, value in (
        ("stop.grace_seconds", "stop.grace", container.stop.grace_seconds),
        ("stop.drain_seconds", "stop.drain", container.stop.drain_seconds),
        ("container.pull_timeout_seconds", "pull_timeout", container.pull_timeout_seconds),
    ):
        if not 0 <= value <= MAX_SECONDS or (value == 0 and name == "pull_timeout"):
            yield Broken(message=f"wanted {name} of at most 7d; got {value:g}s", where=(where,))
    for name, least, most in _LIMITS:
        if not least <= getattr(container, name) <= most:
            word = name.removesuffix("_mib")
            yield Broken(
                message=f"wanted {word} from {least:,} to {most:,}; got {getattr(container, name):,}",
                where=(f"container.{name}",),
            )
    size = len(container_json(container))
    if size > MAX_SETTINGS_BYTES:
        message = (
            f"has {size:,} bytes of settings; wanted at most {MAX_SETTINGS_BYTES:,}, since they travel with each task: "
            "put large contents into the image, or a volume"
        )
        yield Broken(message=message, where=())
