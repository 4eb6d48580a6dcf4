"""From routes and endpoints to what a balancer serves, in which lines the servers stand, and what HAProxy is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from discovery.balancer.haproxy_text import Settings, changes, haproxy_text
from discovery.balancer.lines import FREE, LEAST_LINES, Line, LineState, allotted, emptied, enough
from discovery.balancer.model import BackendServer, Exposed, Model, Rule
from discovery.balancer.source import routes_of
from framework.adapters.spec_records import stack_node
from framework.core.model import GroupSpec, StackSpec
from specs.ids import VersionId, group_id
from specs.model.routes import Balance, Route, RouteMode, Tls
from tests.kit.balanced import API, DEV, HOST, WEB, served

SETTINGS = Settings(socket="/run/b/haproxy.sock")


def at(*numbers: int) -> tuple[BackendServer, ...]:
    return tuple(BackendServer(address="10.0.0.5", port=number) for number in numbers)


class TestModel:
    def test_a_route_leads_to_the_port_that_it_names_of_all_endpoints_of_its_group(self) -> None:
        model = served(
            (WEB, Route(port="http", hosts=HOST)), (API, Route(port="admin", listen=9000, mode=RouteMode.TCP))
        )
        assert [(each.listen, each.mode, each.is_tls) for each in model.frontends] == [
            (80, RouteMode.HTTP, False),
            (9000, RouteMode.TCP, False),
        ]
        assert {each.name: each.servers for each in model.backends} == {
            "shop.web.prod.http": at(31000, 31001),
            "shop.api.admin": at(32003),
        }

    def test_the_most_precise_rule_is_tried_first(self) -> None:
        asked = [
            ((), "/"),
            ((), "/a/b"),
            (("*.example.org",), "/"),
            (HOST, "/"),
            (HOST, "/api"),
            (("*.b.example.org",), "/"),
        ]
        model = served(*((WEB, Route(port="http", hosts=hosts, path=path)) for hosts, path in asked))
        assert [(rule.host, rule.path) for rule in model.frontends[0].rules] == [
            ("shop.example.org", "/api"),
            ("shop.example.org", "/"),
            ("*.b.example.org", "/"),
            ("*.example.org", "/"),
            ("", "/a/b"),
            ("", "/"),
        ]
        assert len(model.backends) == 1, "places with the same settings have one backend between them"

    def test_groups_of_a_service_share_a_place_and_another_service_does_not_get_it(self) -> None:
        route = Route(port="http", hosts=HOST)
        model = served((WEB, route), (DEV, route))
        assert model.backends[0].servers == at(31000, 31001, 31002)
        model = served((WEB, route), (API, route))
        assert [each.servers for each in model.backends] == [at(31003)]
        assert model.problems == ("shop/web[prod] wants shop.example.org:80/, which shop/api has",)

    def test_a_port_serves_one_kind(self) -> None:
        model = served((API, Route(port="http", listen=80, mode=RouteMode.TCP)), (WEB, Route(port="http", hosts=HOST)))
        (problem,) = model.problems
        assert "wants port 80 for" in problem
        assert len(model.frontends) == 1

    def test_tls_is_spoken_as_the_route_says_if_there_are_certificates(self) -> None:
        only, also = Route(port="http", hosts=HOST, tls=Tls.ONLY), Route(port="http", hosts=HOST, tls=Tls.ALSO)
        rule = Rule(host=HOST[0], path="/", backend="shop.web.prod.http")
        found = {each.listen: (each.is_tls, each.rules) for each in served((WEB, only)).frontends}
        assert found == {80: (False, (replace(rule, backend=None),)), 443: (True, (rule,))}
        found = {each.listen: (each.is_tls, each.rules) for each in served((WEB, also)).frontends}
        assert found == {80: (False, (rule,)), 443: (True, (rule,))}
        found = {
            each.listen: (each.is_tls, each.rules) for each in served((WEB, also), has_certificates=False).frontends
        }
        assert found == {80: (False, (rule,))}
        bare = served((WEB, only), has_certificates=False)
        assert not bare.frontends
        assert bare.problems == ("shop/web[prod] is served with TLS only, and this balancer has no certificates",)

    def test_a_balancer_serves_the_routes_that_name_it(self) -> None:
        route = Route(port="http", hosts=HOST, balancers=("internal",))
        assert not served((WEB, route)).frontends
        assert served((WEB, route), name="internal").frontends


class TestLines:
    def backend(self, *numbers: int, is_sticky: bool = False) -> Model:
        model = served((WEB, Route(port="http", is_sticky=is_sticky)))
        return replace(model, backends=(replace(model.backends[0], servers=at(*numbers)),))

    def lines(self, *given: Line) -> tuple[Line, ...]:
        return given + (FREE,) * (LEAST_LINES - len(given))

    def ready(self, number: int) -> Line:
        return Line(state=LineState.READY, server=at(number)[0])

    def draining(self, number: int, since: float) -> Line:
        return Line(state=LineState.DRAINING, server=at(number)[0], since=since)

    def test_a_server_that_leaves_drains_and_its_line_is_given_to_another_later(self) -> None:
        name = "shop.web.prod.http"
        lines = allotted({}, self.backend(1, 2), 0.0, set(), 60.0)
        assert lines == {name: self.lines(self.ready(1), self.ready(2))}
        lines = allotted(lines, self.backend(2, 3), 10.0, set(), 60.0)
        assert lines == {name: self.lines(self.draining(1, 10.0), self.ready(2), self.ready(3))}
        busy = {(name, 0)}
        assert allotted(lines, self.backend(2, 3), 69.0, busy, 60.0) == lines, "it is at something"
        assert allotted(lines, self.backend(2, 3), 70.0, busy, 60.0) == {
            name: self.lines(FREE, self.ready(2), self.ready(3))
        }
        assert allotted(lines, self.backend(2, 3), 10.5, set(), 60.0) == {
            name: self.lines(FREE, self.ready(2), self.ready(3))
        }
        back = allotted(lines, self.backend(1, 2, 3), 11.0, busy, 60.0)
        assert back == {name: self.lines(self.ready(1), self.ready(2), self.ready(3))}, "as when it is taken over"

    def test_who_is_sticky_is_sent_there_until_the_drain_is_over(self) -> None:
        lines = allotted({}, self.backend(1, is_sticky=True), 0.0, set(), 60.0)
        lines = allotted(lines, self.backend(is_sticky=True), 1.0, set(), 60.0)
        ((line, *_),) = allotted(lines, self.backend(is_sticky=True), 60.9, set(), 60.0).values()
        assert line.state is LineState.DRAINING
        ((line, *_),) = allotted(lines, self.backend(is_sticky=True), 61.0, set(), 60.0).values()
        assert line == FREE

    def test_there_is_room_for_as_many_again(self) -> None:
        (lines,) = allotted({}, self.backend(*range(1, 10)), 0.0, set(), 60.0).values()
        assert len(lines) == enough(9) == 32
        more = allotted({"shop.web.prod.http": lines}, self.backend(*range(1, 33)), 0.0, set(), 60.0)
        assert len(more["shop.web.prod.http"]) == 32, "within them no reload is needed"
        assert emptied(more) == {"shop.web.prod.http": (FREE,) * 32}
        more = allotted(more, self.backend(*range(1, 34)), 0.0, set(), 60.0)
        assert len(more["shop.web.prod.http"]) == 128

    @pytest.mark.parametrize(
        ("before", "after", "said"),
        [
            (FREE, "ready", ("addr 10.0.0.5 port 1", "weight 1", "state ready")),
            ("ready", "draining", ("state drain",)),
            ("draining", "ready", ("weight 1", "state ready")),
            ("draining", FREE, ("state maint",)),
            ("ready", "ready", ()),
        ],
    )
    def test_what_haproxy_is_told_of_a_line(self, before: object, after: object, said: tuple[str, ...]) -> None:
        lines = {FREE: FREE, "ready": self.ready(1), "draining": self.draining(1, 5.0)}
        words = changes("shop.web", 2, lines[before], lines[after])
        assert words == tuple(f"set server shop.web/s3 {each}" for each in said)


def test_the_routes_of_a_stack_are_read_from_its_record() -> None:
    spec = GroupSpec(
        id=WEB,
        version=VersionId("0123456789ab"),
        instances=1,
        routes=(Route(port="http", hosts=HOST, balance=Balance.SOURCE), Route(port="admin", listen=81)),
    )
    stack = StackSpec(name="shop", groups=(spec, replace(spec, id=API, routes=())), index=1, submitted_at=0.0)
    assert routes_of(stack_node(stack)) == tuple(Exposed(group=WEB, route=route) for route in spec.routes)
    large = replace(stack, groups=tuple(replace(spec, id=group_id("shop", f"s{each}")) for each in range(100)))
    assert len(routes_of(stack_node(large))) == 200, "compressed"
    with pytest.raises(ValueError, match="wanted the record of a stack"):
        routes_of(b"{")


def test_draining_servers_get_nothing_new_after_a_reload() -> None:
    model = served((WEB, Route(port="http")))
    server = model.backends[0].servers[0]
    lines = {"shop.web.prod.http": (Line(state=LineState.DRAINING, server=server), FREE)}
    text = haproxy_text(model, lines, SETTINGS)
    assert "    server s1 10.0.0.5:31000 weight 0\n    server s2 127.0.0.1:1 disabled\n" in text
