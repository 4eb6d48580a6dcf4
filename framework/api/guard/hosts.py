"""Hosts: the names by which a browser may call this scheduler.

A page of another site can point its own name at this address (DNS rebinding), and its script then counts as ours. The
header `Host` shows that: it holds the name of that site.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers

from framework.api.errors import Problem
from specs.addresses import ip


class Hosts:
    """Accepts every IP address, localhost, and `names`; and requests without a Host, which no browser sends."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(_plain(name) for name in names if name) | {"localhost"}

    def refusal(self, headers: Headers) -> Problem | None:
        """The answer to a request that calls this scheduler by a name that it does not have; None for all others."""
        for host in headers.getlist("host"):
            name = _plain(_without_port(host))
            if name not in self._names and not _is_address(_bare(name)):
                return Problem(
                    403,
                    f"This scheduler is not called {name[:200]!r}, the Host of the request. Wanted an IP address, or"
                    f" {', '.join(sorted(self._names))}. `framework scheduler --allow-host NAME` adds a name.",
                )
        return None


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _without_port(host: str) -> str:
    """`[::1]:8080` -> `[::1]`, `shop.example:80` -> `shop.example`"""
    name, colon, port = host.rpartition(":")
    return name if colon and (not port or port.isdecimal()) and not _is_address(host) else host


def _bare(name: str) -> str:
    """`[::1]` -> `::1`"""
    return name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name


def _is_address(name: str) -> bool:
    # What follows a % is the name of a network device, and may be any text.
    return "%" not in name and ip(name) is not None
