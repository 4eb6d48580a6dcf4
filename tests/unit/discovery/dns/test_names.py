"""Which name means which tasks."""

from __future__ import annotations

import pytest

from discovery.dns.names import KnownName, Names, Reach, SrvTarget, address_label, address_of_label
from discovery.endpoints import EndpointPort
from tests.kit.named_endpoints import endpoint, grouped

PORTS = (
    EndpointPort(name="http", number=31001, container_port=80),
    EndpointPort(name="", number=31002, container_port=9000),
    EndpointPort(name="dns", number=31003, container_port=53, protocol="udp"),
)
NAMES = Names(Reach.AGENT)
NAMES.update(
    grouped(
        endpoint("shop/web[dev,frontend]", 0, address="10.0.0.1", own=("172.17.0.1",)),
        endpoint("shop/web[dev,frontend]", 1, address="10.0.0.2", own=("172.17.0.2",)),
        endpoint("shop/web[prod]", 1, address="10.0.0.3"),
        endpoint("abc/pricing", 2, address="10.0.0.4", own=("172.17.0.4", "fd00::4"), ports=PORTS),
        endpoint("xyz/pricing", 2, address="10.0.0.5"),
        endpoint("abc/my-db", 0, address="agent7.example", own=("172.17.0.7",)),
        endpoint("abc/odd[2]", 0, address="10.0.0.8"),
        endpoint("abc/odd[other]", 2, address="10.0.0.9"),
    )
)


def found(name: str, kind: str = "service") -> KnownName | None:
    return NAMES.find(name.split(".") if name else [], kind)


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("pricing.abc", ["10.0.0.4"]),
        ("pricing.xyz", ["10.0.0.5"]),
        ("web.shop", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ("dev-frontend.web.shop", ["10.0.0.1", "10.0.0.2"]),
        ("prod.web.shop", ["10.0.0.3"]),
        ("0.web.shop", ["10.0.0.1"]),
        ("1.web.shop", ["10.0.0.2", "10.0.0.3"]),
        ("1.prod.web.shop", ["10.0.0.3"]),
        ("2.pricing.abc", ["10.0.0.4"]),
        # A label that is a number has the name of that slot for itself.
        ("2.odd.abc", ["10.0.0.8"]),
        ("0.2.odd.abc", ["10.0.0.8"]),
        # An agent that is not known by an IP address has no record; its name is there.
        ("my-db.abc", []),
        ("abc", []),
        ("", []),
    ],
)
def test_a_name_means_addresses_of_agents(name: str, addresses: list[str]) -> None:
    assert found(name) == KnownName(addresses=tuple(addresses))


@pytest.mark.parametrize(
    "name",
    [
        *("x", "x.abc", "pricing", "frontend.web.shop", "dev.web.shop", "2.web.shop", "00.web.shop", "-1.web.shop"),
        *("0.prod.web.shop", "0.1.prod.web.shop", "prod.1.web.shop", "a.b.c.pricing.abc", "_x._tcp.pricing.abc"),
        *("_http._udp.pricing.abc", "http._tcp.pricing.abc", "_http.pricing.abc", "_http.x._tcp.pricing.abc"),
        *("_._tcp.pricing.abc", "_sctp.pricing.abc", ".pricing.abc"),
    ],
)
def test_what_nobody_is_called(name: str) -> None:
    assert found(name) is None


def test_a_name_says_from_where_one_goes() -> None:
    assert found("pricing.abc", "container") == KnownName(addresses=("172.17.0.4", "fd00::4"))
    assert found("prod.web.shop", "container") == KnownName(addresses=("10.0.0.3",)), "it has no other than its agent's"
    assert found("my-db.abc", "container") == KnownName(addresses=("172.17.0.7",))
    assert found("pricing.abc", "agent") == KnownName(addresses=("10.0.0.4",))


def test_ports_are_named_by_name_or_by_their_number_in_the_container() -> None:
    http = KnownName(targets=(SrvTarget("10.0.0.4", 31001),))
    assert found("_http._tcp.pricing.abc") == found("_80._tcp.pricing.abc") == found("_http._tcp.2.pricing.abc") == http
    assert found("_9000._tcp.pricing.abc") == KnownName(targets=(SrvTarget("10.0.0.4", 31002),))
    assert found("_dns._udp.pricing.abc") == KnownName(targets=(SrvTarget("10.0.0.4", 31003),))
    assert found("_http._tcp.pricing.abc", "container") == KnownName(
        targets=(SrvTarget("172.17.0.4", 80), SrvTarget("fd00::4", 80))
    )
    assert found("_http._tcp.prod.web.shop", "container") == KnownName(targets=(SrvTarget("10.0.0.3", 31000),))
    assert found("_tcp.pricing.abc") == KnownName(), "the name above theirs is there, and means nothing"


def test_changes_are_told_by_service() -> None:
    names = Names(Reach.AGENT)
    one, two = endpoint("s/a", 0), endpoint("s/a[x]", 0, address="10.0.0.2")
    assert names.update(grouped(one, two, endpoint("s/b"))) == [("s", "a"), ("s", "b")]
    assert names.update(grouped(one, two, endpoint("s/b"))) == []
    assert names.update(grouped(one, endpoint("s/b"))) == [("s", "a")]
    assert names.find(["a", "s"], "service") == KnownName(addresses=("10.0.0.1",))
    assert names.find(["x", "a", "s"], "service") is None
    assert names.update({}) == [("s", "a"), ("s", "b")]
    assert names.find(["s"], "service") is None


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("pricing-abc", KnownName(addresses=("10.0.0.4",))),
        ("my-db-abc", KnownName()),
        ("_pricing-abc._udp", KnownName(targets=(SrvTarget("10.0.0.4", 31003),))),
        ("_pricing-abc._tcp", KnownName(targets=(SrvTarget("10.0.0.4", 31001), SrvTarget("10.0.0.4", 31002)))),
        ("_http._pricing-abc._tcp", KnownName(targets=(SrvTarget("10.0.0.4", 31001),))),
        ("_tcp", KnownName()),
        ("pricing", None),
        ("abc-pricing", None),
        ("x.pricing-abc", None),
        ("_x._pricing-abc._tcp", None),
        ("_x._y._pricing-abc._tcp", None),
        ("pricing-abc._tcp", None),
    ],
)
def test_the_names_of_mesos_dns(name: str, wanted: KnownName | None) -> None:
    assert NAMES.find_as_mesos_dns(name.split(".")) == wanted


def test_mesos_dns_has_a_name_for_the_agent_whatever_the_default() -> None:
    names = Names(Reach.CONTAINER)
    names.update(grouped(endpoint("abc/pricing", own=("172.17.0.4",))))
    assert names.find_as_mesos_dns(["pricing-abc"]) == KnownName(addresses=("172.17.0.4",))
    assert names.find_agents_as_mesos_dns(["pricing-abc"]) == KnownName(addresses=("10.0.0.1",))


def test_every_address_has_a_label_of_its_own_and_every_such_label_an_address() -> None:
    for address in ("10.0.0.5", "0.0.0.0", "fd00::1", "::1", "2001:db8:0:1:1:1:1:1"):
        label = address_label(address)
        assert len(label) <= 63
        assert label[0] != "-" != label[-1]
        assert address_of_label(label) == address
    for label in ("10-0-0", "10-0-0-256", "a-b-c-d", "1-2-3-4-5-6-7-8-9", "", "-", "10.0.0.5"):
        assert address_of_label(label) is None
