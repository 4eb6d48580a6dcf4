"""The back ends by the scheme of their addresses."""

from __future__ import annotations

from discovery.backends.consul import Consul
from discovery.backends.etcd import Etcd
from discovery.backends.registry import Registry
from discovery.backends.zookeeper import ZooKeeper
from specs.urls import Url, parse_url

SCHEMES = ("zk", "etcd", "consul")


def parse(text: str) -> Url:
    """The address of a back end. Raises ValueError, in words for users."""
    return parse_url(text, *SCHEMES)


def registry_at(url: Url) -> Registry:
    """The registry at this address; it connects in the background."""
    match url.scheme:
        case "zk":
            return ZooKeeper(url)
        case "etcd":
            return Etcd(url)
        case _:
            return Consul(url)
