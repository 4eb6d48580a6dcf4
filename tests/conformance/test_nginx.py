"""A real nginx kept in step with models, before servers of our own."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.balancer.model import Frontend, Model, Rule
from discovery.balancer.nginx import RELOAD_SECONDS, Nginx
from discovery.balancer.nginx_text import NginxSettings
from specs.model.routes import RouteMode
from tests.conformance.executor_kit import wait_until
from tests.kit.origins import HOST, NewServer, ask, body, model


@pytest.fixture
def new_nginx(subnet: int, tmp_path: Path) -> Iterator[Callable[[], Nginx]]:
    settings = NginxSettings(directory=str(tmp_path / "nginx"), bind=f"127.{subnet}.0.1")
    made: list[Nginx] = []

    def new() -> Nginx:
        made.append(Nginx(settings, "nginx"))
        return made[-1]

    yield new
    for each in made:
        each.end()


def answer(subnet: int, host: str = HOST) -> str:
    """The body of an answer, "" where there is none, its status where that is not 200."""
    try:
        found = ask(subnet, host=host)
    except (OSError, http.client.HTTPException):
        return ""
    return body(found) if found.status == 200 else str(found.status)


def test_servers_and_hosts_come_and_go_and_what_they_are_at_is_finished(
    subnet: int, new_server: NewServer, new_nginx: Callable[[], Nginx]
) -> None:
    one, two = new_server(), new_server()
    nginx, slow = new_nginx(), list[str]()

    def brought(wanted: Model, expected: str, host: str = HOST) -> None:
        def is_so() -> bool:
            nginx.bring(wanted)
            return answer(subnet, host) == expected

        wait_until(is_so, 30 + RELOAD_SECONDS, lambda: answer(subnet, host))

    brought(model(one.server), str(one.server.port))
    thread = threading.Thread(target=lambda: slow.append(body(ask(subnet, "/slow"))))
    thread.start()
    assert one.came.wait(10)
    brought(model(two.server), str(two.server.port))
    assert slow == []
    one.go.set()
    thread.join(10)
    assert slow == [str(one.server.port)], "the worker of before has finished it"
    brought(model(), "503")
    nginx = new_nginx()
    brought(model(two.server, host="*.example.org"), str(two.server.port), "any.example.org")
    assert answer(subnet, "elsewhere.org") == "503"


def test_a_configuration_that_is_refused_leaves_the_last_good_one(
    subnet: int, new_server: NewServer, new_nginx: Callable[[], Nginx], caplog: pytest.LogCaptureFixture
) -> None:
    one, nginx = new_server(), new_nginx()
    nginx.bring(model(one.server))
    wait_until(lambda: answer(subnet) == str(one.server.port), 30, lambda: answer(subnet))
    rules = (Rule(host="a b", path="/;", backend="shop.web"),)
    strange = Frontend(listen=8001, mode=RouteMode.HTTP, is_tls=False, rules=rules)

    def is_refused() -> bool:
        nginx.bring(replace(model(one.server), frontends=(strange,)))
        return "nginx refuses the configuration, and the last good one stays" in caplog.text

    wait_until(is_refused, 30, lambda: caplog.text)
    assert answer(subnet) == str(one.server.port)
