"""Which server stands in which line of a backend: HAProxy's lines are allotted beforehand, so that servers come and go
without a reload. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from discovery.balancer.model import Backend, BackendServer, Model

LEAST_LINES = 8


class LineState(StrEnum):
    """FREE: no server. READY: requests are sent to it. DRAINING: nothing new is, what it is at is finished."""

    FREE = "free"
    READY = "ready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a backend; `since` is when it began to drain, in seconds of whatever clock."""

    state: LineState = LineState.FREE
    server: BackendServer | None = None
    since: float = 0.0


FREE = Line()
Lines = Mapping[str, tuple[Line, ...]]
"""The lines of each backend by its name, from the first on."""
Busy = Set[tuple[str, int]]
"""Draining lines that are at something still: the backend and the index."""


def allotted(before: Lines, model: Model, now: float, busy: Busy, drain_seconds: float) -> dict[str, tuple[Line, ...]]:
    """The lines for a model, after those of before.

    A server keeps its line; one that is not wanted any more drains until it is not busy, or for `drain_seconds`: with
    sticky sessions for all of that time, as their next request is still sent to it. A backend that has too few lines
    gets twice as many as it has servers.
    """
    return {each.name: _of(each, before.get(each.name, ()), now, busy, drain_seconds) for each in model.backends}


def _of(backend: Backend, before: tuple[Line, ...], now: float, busy: Busy, drain_seconds: float) -> tuple[Line, ...]:
    wanted = dict.fromkeys(backend.servers)
    lines: list[Line] = []
    for index, line in enumerate(before):
        if line.server in wanted:
            wanted.pop(line.server)
            lines.append(Line(state=LineState.READY, server=line.server))
        elif line.state is LineState.READY:
            lines.append(Line(state=LineState.DRAINING, server=line.server, since=now))
        elif line.state is LineState.DRAINING:
            is_at_something = backend.is_sticky or (backend.name, index) in busy
            lines.append(line if is_at_something and now - line.since < drain_seconds else FREE)
        else:
            lines.append(FREE)
    free = [index for index, line in enumerate(lines) if line == FREE]
    if len(wanted) > len(free):
        more = enough(len(lines) - len(free) + len(wanted)) - len(lines)
        free += range(len(lines), len(lines) + more)
        lines += [FREE] * more
    elif not lines:
        lines, free = [FREE] * LEAST_LINES, []
    for server, index in zip(wanted, free, strict=False):
        lines[index] = Line(state=LineState.READY, server=server)
    return tuple(lines)


def enough(servers: int) -> int:
    """The number of lines for a number of servers."""
    lines = LEAST_LINES
    while lines < 2 * servers:
        lines *= 2
    return lines


def emptied(lines: Lines) -> dict[str, tuple[Line, ...]]:
    """The same lines without servers: what is equal of two needs no reload."""
    return {name: (FREE,) * len(each) for name, each in lines.items()}
