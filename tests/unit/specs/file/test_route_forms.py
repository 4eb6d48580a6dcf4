"""Routes in a stack file, and the labels of Marathon-lb that say the same."""

from __future__ import annotations

import json

import pytest

from specs.file.load import load_stack
from specs.model.canonical import version_of
from specs.model.difference import Change, difference
from specs.model.errors import StackError
from specs.model.routes import Balance, Route, RouteMode, Tls
from specs.model.stack import Group


def group(service: dict[str, object]) -> Group:
    document = {"services": {"web": {"image": "acme/web", "ports": {"http": 80, "admin": 81}, **service}}}
    (found,) = load_stack(json.dumps(document), name="shop", variables={}).groups
    return found


def mistakes(service: dict[str, object]) -> list[str]:
    with pytest.raises(StackError) as caught:
        group(service)
    return [str(fault) for fault in caught.value.faults]


def test_one_route_needs_no_list_and_the_only_port_no_name() -> None:
    found = group({"ports": {"http": 80, "dns": "53/udp"}, "routes": {"host": "shop.example.org"}})
    assert found.routes == (Route(port="http", hosts=("shop.example.org",)),)


@pytest.mark.parametrize("host", ["shop.example.org.", ["shop.example.org.", "shop.example.org"]])
def test_a_host_with_its_final_dot_is_the_same_host(host: object) -> None:
    found = group({"ports": {"http": 80}, "routes": {"host": host}})
    assert found.routes == (Route(port="http", hosts=("shop.example.org",)),)
    routes = [{"port": "http", "host": "*.example.org"}, {"port": "admin", "host": "*.example.org."}]
    assert "another route of this group has the same address" in mistakes({"routes": routes})[0]


def test_a_route_says_how_a_balancer_serves() -> None:
    found = group(
        {
            "routes": [
                {"port": "http", "host": ["a.example", "*.b.example"], "path": "/api", "sticky": True, "tls": True},
                {"port": "http", "tls": "also", "listen": 8443, "balancer": "internal", "balance": "source"},
                {"port": "admin", "mode": "tcp", "listen": 5432, "balancer": ["internal", "external"]},
            ]
        }
    )
    assert found.routes == (
        Route(port="http", hosts=("a.example", "*.b.example"), path="/api", is_sticky=True, tls=Tls.ONLY),
        Route(port="http", listen=8443, tls=Tls.ALSO, balancers=("internal",), balance=Balance.SOURCE),
        Route(port="admin", mode=RouteMode.TCP, listen=5432, balancers=("internal", "external")),
    )


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({}, "which port? There are several; add port: http or admin"),
        ({"port": "htpp"}, "there is no tcp port 'htpp'; there are http, admin"),
        (
            {"port": "http", "host": "a;b"},
            "wanted a host as shop.example.org or *.example.org, in small letters; got 'a;b'",
        ),
        ({"port": "http", "path": "/a b"}, "wanted a path that begins with /"),
        ({"port": "http", "path": "/a\n bind :1"}, "wanted a path that begins with /"),
        ({"port": "http", "mode": "tcp"}, "wants a port of the balancer; add listen: PORT"),
        (
            {"port": "http", "mode": "tcp", "listen": 1, "path": "/a"},
            "has no path; leave it out, or make it mode: http",
        ),
        ({"port": "http", "mode": "tcp", "listen": 1, "sticky": True}, "has no sticky"),
        ({"port": "http", "balancer": "A_B"}, "the balancer's name 'A_B'"),
        ({"port": "http", "tls": "maybe"}, "wanted true, false or also; got 'maybe'"),
        ({"port": "http", "hots": "x"}, "did you mean host?"),
    ],
)
def test_what_is_wrong_with_a_route_is_said_where_it_stands(route: dict[str, object], said: str) -> None:
    (mistake,) = mistakes({"routes": [route]})
    assert said in mistake
    assert "services.web.routes" in mistake


def test_two_routes_of_a_group_to_one_address_are_a_mistake() -> None:
    routes: list[dict[str, object]] = [
        {"port": "http", "host": ["b.example", "a.example"]},
        {"port": "admin", "host": "a.example"},
    ]
    (mistake,) = mistakes({"routes": routes})
    assert "another route of this group has the same address, a.example/" in mistake
    routes[1]["balancer"] = "internal"
    assert len(group({"routes": routes}).routes) == 2


def test_a_group_without_a_tcp_port_has_no_route() -> None:
    assert (
        "a route leads to a tcp port, and there is none" in mistakes({"ports": ["53/udp"], "routes": {"path": "/"}})[0]
    )


def test_a_changed_route_replaces_no_task() -> None:
    stack = {"services": {"web": {"image": "acme/web", "ports": [80]}}}
    before = load_stack(json.dumps(stack), name="shop", variables={})
    stack["services"]["web"]["routes"] = {"host": "shop.example.org"}  # type: ignore[assignment]
    after = load_stack(json.dumps(stack), name="shop", variables={})
    (changed,) = difference(before, after)
    assert changed.change is Change.METADATA
    assert [field.path for field in changed.fields] == ["routes"]
    assert version_of(before.groups[0]) == version_of(after.groups[0])


LB = {
    "HAPROXY_GROUP": "external, internal",
    "HAPROXY_0_VHOST": "Shop.example.org,www.example.org",
    "HAPROXY_0_PATH": "/api",
    "HAPROXY_0_STICKY": "true",
    "HAPROXY_0_REDIRECT_TO_HTTPS": "true",
    "HAPROXY_0_BACKEND_HEAD": "not understood, and passed over",
    "HAPROXY_1_PORT": "5432",
    "HAPROXY_1_MODE": "tcp",
    "HAPROXY_1_BALANCE": "leastconn",
}
LB_ROUTES = (
    Route(
        port="http",
        hosts=("shop.example.org", "www.example.org"),
        path="/api",
        is_sticky=True,
        tls=Tls.ONLY,
        balance=Balance.ROUNDROBIN,
        balancers=("external", "internal"),
    ),
    Route(port="admin", listen=5432, mode=RouteMode.TCP, balancers=("external", "internal")),
)


@pytest.mark.parametrize("key", ["labels", "metadata"])
def test_the_labels_of_marathon_lb_are_understood(key: str) -> None:
    assert group({key: LB}).routes == LB_ROUTES
    assert group({key: {name: value for name, value in LB.items() if name != "HAPROXY_GROUP"}}).routes == ()
    assert group({key: {**LB, "HAPROXY_0_ENABLED": "false"}}).routes == LB_ROUTES[1:]
    assert group({key: LB, "routes": []}).routes == (), "what is said in our own words counts"


@pytest.mark.parametrize(
    ("label", "value", "said"),
    [
        ("HAPROXY_0_PORT", "http", "HAPROXY_0_PORT: wanted a port from 1 to 65535; got 'http'"),
        ("HAPROXY_0_BALANCE", "best", "HAPROXY_0_BALANCE: wanted one of roundrobin, leastconn, source; got 'best'"),
        ("HAPROXY_2_PORT", "80", "HAPROXY_2_…: there are 2 tcp ports, counted from 0; wanted one of them"),
        ("HAPROXY_0_VHOST", "a b", "wanted a host"),
    ],
)
def test_a_label_that_cannot_be_understood_is_a_mistake(label: str, value: str, said: str) -> None:
    (mistake,) = mistakes({"labels": {**LB, label: value}})
    assert said in mistake
    assert "services.web.labels" in mistake
