"""Addresses of what keeps something for us: `zk://host:port,host:port/path` and its kin. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

PORTS = {"zk": 2181, "etcd": 2379, "consul": 8500}
"""The ports of addresses that name none."""
FORMS = {
    "zk": "zk://HOST:PORT,HOST:PORT/PATH",
    "etcd": "etcd://HOST:PORT,HOST:PORT/PATH",
    "consul": "consul://HOST:PORT",
}

_PLACE = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_ROOT = re.compile(r"(/[A-Za-z0-9._-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """Where servers are, and the path below which everything of ours is; "" where the scheme knows none."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    root: str

    @property
    def addresses(self) -> str:
        """host:port,host:port"""
        return ",".join(f"{host}:{port}" for host, port in self.hosts)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.addresses}{self.root}"


def parse_url(text: str, *schemes: str) -> Url:
    """The parts of an address of one of the schemes, which are keys of FORMS. Raises ValueError, in words for users.

    What may be a password is not repeated.
    """
    wanted = " or ".join(FORMS[scheme] for scheme in schemes)
    scheme, separator, rest = text.partition("://")
    places, slash, path = rest.partition("/")
    if "@" in text:
        raise ValueError(f"wanted {wanted}; a user and a password before '@' are not supported")
    if scheme not in schemes or not separator:
        raise ValueError(f"wanted {wanted}; got {text!r}")
    root = (slash + path).rstrip("/")
    hosts = tuple(_host(place, PORTS[scheme], f"wanted {FORMS[scheme]}; got") for place in places.split(","))
    if scheme == "consul":
        if root or len(hosts) > 1:
            raise ValueError(f"wanted {FORMS[scheme]}, one agent without a path; got {text!r}")
    elif not _ROOT.fullmatch(root) or {".", ".."} & set(root.split("/")):
        raise ValueError(f"wanted {FORMS[scheme]}; got the path {slash + path!r}; name one, such as /framework")
    return Url(scheme=scheme, hosts=hosts, root=root)


def _host(place: str, default_port: int, wanted: str) -> tuple[str, int]:
    found = _PLACE.fullmatch(place.strip())
    port = int(found["port"] or default_port) if found else 0
    if not found or not 0 < port < 65536:
        raise ValueError(f"{wanted} the address {place!r}")
    return found["name"], port
