"""Rules for the checks, the metrics and the hooks of a container."""

from __future__ import annotations

import re
from collections.abc import Iterator

from specs.model.limits import MAX_CHECK_CODES, MAX_CHECK_HEADERS, MAX_FAILURES, MAX_HOOKS, MAX_SECONDS, MAX_VALUE_BYTES
from specs.model.stack import CheckKind, Container, HealthCheck, Hook, MetricsPage, Port, Protocol
from specs.rules.broken import Broken, Where
from specs.rules.kernel_limits import broken_strings, path_fault

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*")
_METHODS = ("GET", "HEAD")
_FIRST_FINAL = 200
_SWITCHING = 101
"""The one interim code that ends an answer."""


def broken_checks(container: Container) -> Iterator[Broken]:
    """Every rule that the container's checks, metrics and hooks break."""
    if container.health:
        yield from _check(container.health, container.ports, "health")
    if container.ready:
        yield from _check(container.ready, container.ports, "ready")
        if not container.ready.failures:
            message = f"wanted failures from 1 to {MAX_FAILURES:,}; got 0"
            yield Broken(message=message, where=("container.ready",))
    if container.metrics:
        yield from _metrics(container.metrics, container.ports)
    yield from _hooks(container.post_start, "container.post_start")
    yield from _hooks(container.pre_stop, "container.pre_stop")


def _check(check: HealthCheck, ports: tuple[Port, ...], key: str) -> Iterator[Broken]:
    where: Where = (f"container.{key}",)
    for name in ("interval_seconds", "timeout_seconds", "grace_seconds", "start_interval_seconds"):
        value = getattr(check, name)
        if not 0 <= value <= MAX_SECONDS or (value == 0 and name != "grace_seconds"):
            message = f"wanted {name.removesuffix('_seconds')} above 0s and at most 7d; got {value:g}s"
            yield Broken(message=message, where=where)
    for name, low in (("failures", 0), ("successes", 1)):
        if not low <= getattr(check, name) <= MAX_FAILURES:
            message = f"wanted {name} from {low} to {MAX_FAILURES:,}; got {getattr(check, name):,}"
            yield Broken(message=message, where=where)
    if check.kind is CheckKind.COMMAND:
        if not check.command:
            so = {"health": "healthy"}.get(key, key)
            yield Broken(message=f"wanted a command that tells whether the task is {so}; got an empty one", where=where)
        for _, message in broken_strings(check.command):
            yield Broken(message=message, where=where)
        return
    if check.kind in (CheckKind.HTTP, CheckKind.HTTPS):
        yield from _request(check, where)
    yield from _port(check, ports, where)


def _request(check: HealthCheck, where: Where) -> Iterator[Broken]:
    yield from _path(check.path, where)
    if check.method not in _METHODS:
        yield Broken(message=f"wanted the method {' or '.join(_METHODS)}; got {check.method!r}", where=where)
    if not 1 <= len(check.codes) <= MAX_CHECK_CODES:
        message = f"wanted 1 to {MAX_CHECK_CODES} status codes or ranges; got {len(check.codes):,}"
        yield Broken(message=message, where=where)
    for first, last in check.codes[:MAX_CHECK_CODES]:
        if not 100 <= first <= last <= 599:
            yield Broken(message=f"wanted status codes from 100 to 599; got {first}-{last}", where=where)
        elif last < _FIRST_FINAL and not first <= _SWITCHING <= last:
            message = f"wanted status codes of final answers, from 200 on; got {first}-{last}, which are read over"
            yield Broken(message=message, where=where)
    if len(check.headers) > MAX_CHECK_HEADERS:
        yield Broken(message=f"wanted at most {MAX_CHECK_HEADERS} headers; got {len(check.headers):,}", where=where)
    for name, value in check.headers:
        if not _HEADER.fullmatch(name) or not _HEADER_VALUE.fullmatch(value) or len(value) > MAX_VALUE_BYTES:
            message = f"wanted a header's name and value as HTTP has them; got {name[:100]!r}: {value[:100]!r}"
            yield Broken(message=message, where=where)


def _port(check: HealthCheck, ports: tuple[Port, ...], where: Where) -> Iterator[Broken]:
    about = (str(where[0]), "container.ports", "expose")
    names = [port.name for port in ports if port.protocol is Protocol.TCP]
    if not names:
        message = f"checks by {check.kind}, and there is no tcp port; name it under ports, or check by command"
        yield Broken(message=message, where=where, about=about)
    elif not check.port:
        message = f"which port? There are several; add port: {' or '.join(names)}"
        yield Broken(message=message, where=where, about=about)
    elif check.port not in names:
        message = f"checks the port {check.port!r}, which does not exist; there are {', '.join(names)}"
        yield Broken(message=message, where=where, about=about)


def _metrics(metrics: MetricsPage, ports: tuple[Port, ...]) -> Iterator[Broken]:
    where: Where = ("container.metrics",)
    about = ("container.metrics", "container.ports", "expose")
    names = [port.name for port in ports if port.protocol is Protocol.TCP]
    yield from _path(metrics.path, where)
    if not 1 <= metrics.interval_seconds <= MAX_SECONDS:
        message = f"wanted interval from 1s to 7d; got {metrics.interval_seconds:g}s"
        yield Broken(message=message, where=where)
    if not names:
        message = "wants a port to ask, and there is no tcp port; name it under ports"
        yield Broken(message=message, where=where, about=about)
    elif not metrics.port:
        message = f"which port? There are several; add port: {' or '.join(names)}"
        yield Broken(message=message, where=where, about=about)
    elif metrics.port not in names:
        message = f"asks the port {metrics.port!r}, which does not exist; there are {', '.join(names)}"
        yield Broken(message=message, where=where, about=about)


def _path(path: str, where: Where) -> Iterator[Broken]:
    if not re.fullmatch(r"/[^\s\x00-\x1f]*", path):
        yield Broken(message=f"wanted a path that begins with / and has no spaces; got {path!r}", where=where)


def _hooks(hooks: tuple[Hook, ...], target: str) -> Iterator[Broken]:
    where: Where = (target,)
    if len(hooks) > MAX_HOOKS:
        yield Broken(message=f"wanted at most {MAX_HOOKS} commands; got {len(hooks):,}", where=where)
    for hook in hooks[:MAX_HOOKS]:
        if not hook.command or not hook.command[0]:
            yield Broken(message="wanted a command; got an empty one", where=where)
        for _, message in broken_strings(hook.command, hook.environment):
            yield Broken(message=message, where=where)
        if fault := path_fault(hook.working_dir):
            yield Broken(message=f"the path {hook.working_dir[:60]!r} {fault}", where=where)
        if "\0" in hook.user:
            yield Broken(message="the user holds a null character, which no name can have", where=where)
        if not 0 < hook.timeout_seconds <= MAX_SECONDS:
            message = f"wanted timeout above 0s and at most 7d; got {hook.timeout_seconds:g}s"
            yield Broken(message=message, where=where)
        if hook.working_dir and not hook.working_dir.startswith("/"):
            message = f"wanted an absolute path as working_dir; got {hook.working_dir!r}"
            yield Broken(message=message, where=where)
        for name, value in hook.environment:
            if not name or "=" in name or "\0" in name:
                message = f"wanted a variable's name and value; got {name[:100]!r}={value[:100]!r}"
                yield Broken(message=message, where=where)
