"""A real HAProxy kept in step with models, before servers of our own: what it serves, and that nothing is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.balancer.haproxy import Haproxy
from discovery.balancer.haproxy_text import BASE, Settings
from discovery.balancer.process import Process
from tests.conformance.executor_kit import wait_until
from tests.kit.origins import HOST, NewServer, ask, body, model
from tests.kit.traffic import Traffic


@pytest.fixture
def new_haproxy(subnet: int, tmp_path: Path) -> Iterator[Callable[[], Haproxy]]:
    settings = Settings(socket=str(tmp_path / "haproxy.sock"), bind=f"127.{subnet}.0.1")
    base = tmp_path / "own-base.cfg"
    base.write_text(BASE)
    made: list[Haproxy] = []

    def new() -> Haproxy:
        made.append(Haproxy(tmp_path, settings, str(base), 30.0, "haproxy"))
        return made[-1]

    yield new
    for each in made:
        each.end()


def asked(subnet: int, times: int = 12) -> set[str]:
    return {body(ask(subnet)) for _ in range(times)}


def test_servers_come_and_go_without_a_reload_and_what_they_are_at_is_finished(
    subnet: int, new_server: NewServer, new_haproxy: Callable[[], Haproxy]
) -> None:
    one, two, three = new_server(), new_server(), new_server()
    haproxy = new_haproxy()
    haproxy.bring(model(one.server, two.server))
    worker = haproxy._worker()
    assert asked(subnet) == {str(one.server.port), str(two.server.port)}
    assert ask(subnet, host="other.example.org").status == 503
    slow: list[str] = []
    thread = threading.Thread(target=lambda: slow.append(body(ask(subnet, "/slow"))))
    with Traffic(lambda: f"127.{subnet}.0.1:8000", HOST) as traffic:
        haproxy.bring(model(one.server))
        thread.start()
        assert one.came.wait(10)
        haproxy.bring(model(three.server))
        assert asked(subnet) == {str(three.server.port)}, "who drains gets nothing new"
        haproxy.bring(model(three.server))
        assert slow == [], "and is at something still"
        one.go.set()
        thread.join(10)
        haproxy.bring(model(*(new_server().server for _ in range(6)), three.server))
        assert len(asked(subnet, 30)) == 7
        wait_until(lambda: len(traffic.seconds) > 20, 30, lambda: traffic.failures)
    assert slow == [str(one.server.port)]
    assert haproxy._worker() == worker, "no reload"
    assert traffic.failures == []


def test_more_servers_than_lines_and_other_routes_take_a_reload_in_which_nothing_is_lost(
    subnet: int, new_server: NewServer, new_haproxy: Callable[[], Haproxy]
) -> None:
    servers = [new_server().server for _ in range(10)]
    haproxy = new_haproxy()
    haproxy.bring(model(*servers[:1]))
    with Traffic(lambda: f"127.{subnet}.0.1:8000", HOST) as traffic:
        for number in (9, 10):
            worker = haproxy._worker()
            haproxy.bring(model(*servers[:number]))
            assert (haproxy._worker() == worker) == (number == 10)
        taken_over = new_haproxy()
        taken_over.bring(model(*servers[:2]))
        assert asked(subnet) == {str(each.port) for each in servers[:2]}, "as after the end of the follower"
    assert traffic.failures == []


def test_who_follows_finds_it_also_while_it_begins_anew(
    new_server: NewServer, new_haproxy: Callable[[], Haproxy], tmp_path: Path
) -> None:
    haproxy, another = new_haproxy(), Process([], tmp_path)
    haproxy.bring(model(new_server().server))
    worker = haproxy._worker()
    haproxy._reload()

    def is_done() -> bool:
        assert another.is_running
        return haproxy._worker() not in ("", worker)

    wait_until(is_done, 30, haproxy._worker)


def test_who_is_sticky_comes_back_to_the_same_server_until_that_is_gone(
    subnet: int, new_server: NewServer, new_haproxy: Callable[[], Haproxy]
) -> None:
    one, two = new_server(), new_server()
    haproxy = new_haproxy()
    haproxy.bring(model(one.server, two.server, is_sticky=True))
    first = ask(subnet)
    cookie = str(first.getheader("Set-Cookie")).partition(";")[0]
    assert {body(ask(subnet, Cookie=cookie)) for _ in range(6)} == {body(first)}
    left, stays = (one, two) if body(first) == str(one.server.port) else (two, one)
    haproxy.bring(model(stays.server, is_sticky=True))
    assert body(ask(subnet, Cookie=cookie)) == str(left.server.port), "while it drains"
    left.shutdown()
    left.server_close()
    assert body(ask(subnet, Cookie=cookie)) == str(stays.server.port)


def test_a_configuration_that_is_refused_leaves_the_last_good_one(
    subnet: int,
    new_server: NewServer,
    new_haproxy: Callable[[], Haproxy],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = new_server(), new_server()
    haproxy = new_haproxy()
    haproxy.bring(model(one.server))
    (tmp_path / "own-base.cfg").write_text(BASE + "    such words\n")
    for _ in range(3):
        haproxy.bring(model(one.server, host="other.example.org"))
    assert caplog.text.count("HAProxy refuses the configuration, and the last good one stays") == 1
    assert "unknown keyword" in caplog.text
    haproxy.bring(model(two.server, host="other.example.org"))
    assert asked(subnet) == {str(two.server.port)}, "servers are kept in step nevertheless"
    (tmp_path / "own-base.cfg").write_text(BASE)
    with caplog.at_level(logging.INFO):
        haproxy.bring(model(two.server, host="new.example.org"))
    assert body(ask(subnet, host="new.example.org")) == str(two.server.port)


def test_one_that_was_killed_is_started_again(
    subnet: int, new_server: NewServer, new_haproxy: Callable[[], Haproxy]
) -> None:
    one = new_server()
    haproxy = new_haproxy()
    haproxy.bring(model(one.server))
    haproxy._process._child.kill()  # type: ignore[union-attr]
    wait_until(lambda: not haproxy._process.is_running, 10, lambda: "running")
    haproxy.bring(replace(model(one.server)))
    assert asked(subnet) == {str(one.server.port)}
