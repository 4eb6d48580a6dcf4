"""When the master is asked for its agents, and what becomes of answers that are none."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from framework.adapters import codec, mesos_agents
from framework.adapters.mesos import MesosDriver
from framework.adapters.mesos_agents import AgentsWatch
from framework.adapters.mesos_config import ExecutorConfig, MesosConfig
from framework.core.commands import Subscribe
from framework.core.events import AgentsReported, OffersReceived, Subscribed
from specs.ids import FrameworkId
from tests.kit.fake_master import FakeMaster, Inbox, Say, eventually
from tests.kit.mesos_samples import make_agent, make_offer

EXECUTOR = ExecutorConfig(uri="http://127.0.0.1:8080/executor.pyz")


def told(*agents: dict[str, Any]) -> tuple[int, str]:
    return 200, json.dumps({"get_agents": {"agents": [*agents]}}, separators=(",", ":"))


def kinds(master: FakeMaster) -> list[str]:
    return [seen.body["type"] for seen in list(master.asked)]


@contextmanager
def watching(address: str, authorization: str = "", **settings: Any) -> Iterator[tuple[AgentsWatch, Inbox]]:
    """A watch of a master that has just taken our subscription."""
    inbox = Inbox()
    config = MesosConfig(master=address, executor=EXECUTOR, role="apps", **settings)
    watch = AgentsWatch(config, authorization, inbox.post)
    watch.start()
    watch.observe(Subscribed(framework_id=FrameworkId("f"), master=address))
    try:
        yield watch, inbox
    finally:
        watch.close()


def offers(agent: str) -> OffersReceived:
    return OffersReceived(offers=(codec.offer(make_offer() | {"agent_id": {"value": agent}}),))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_agents, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(mesos_agents, "COST_FACTOR", 0)
    monkeypatch.setattr(mesos_agents, "AGAIN_COST_FACTOR", 0)


def test_the_driver_reports_after_each_subscription_with_its_region() -> None:
    answers = {"GET_AGENTS": told(make_agent())}
    with FakeMaster([Say(region="eu", then_close=True), Say()], answers=answers) as master:
        inbox = Inbox()
        config = MesosConfig(master=master.address, executor=EXECUTOR, role="apps", principal="p", secret="s")
        driver = MesosDriver(config, inbox.post)
        driver.perform(Subscribe(framework_id=None))
        assert inbox.wait(Subscribed).region == "eu"
        assert inbox.wait(Subscribed, 2).region == ""
        count = len(inbox.of(AgentsReported))
        report = inbox.wait(AgentsReported, max(1, count))
        driver.close()
        assert [agent.id for agent in report.agents] == ["a-S0"]
        assert set(kinds(master)) == {"GET_AGENTS", "GET_MAINTENANCE_SCHEDULE"}
        pair = base64.b64encode(b"p:s").decode()
        assert master.asked[0].headers["Authorization"] == f"Basic {pair}"
        first = next(number for number, event in enumerate(inbox.events) if isinstance(event, AgentsReported))
        assert any(isinstance(event, Subscribed) for event in inbox.events[:first])


def test_the_master_is_asked_again_and_again(quick: None) -> None:
    with (
        FakeMaster(answers={"GET_AGENTS": told(make_agent())}) as master,
        watching(master.address, agents_interval_seconds=0.01) as (_, inbox),
    ):
        inbox.wait(AgentsReported, 4)
        assert "Authorization" not in master.asked[0].headers


def test_it_is_asked_soon_when_a_strange_agent_is_heard_of(quick: None) -> None:
    with (
        FakeMaster(answers={"GET_AGENTS": told(make_agent("a-S0"))}) as master,
        watching(master.address, agents_interval_seconds=60.0) as (watch, inbox),
    ):
        inbox.wait(AgentsReported)
        watch.observe(offers("a-S0"))
        master.answers["GET_AGENTS"] = told(make_agent("a-S0"), make_agent("a-S1"))
        watch.observe(offers("a-S1"))
        assert len(inbox.wait(AgentsReported, 2).agents) == 2
        watch.observe(offers("a-S1"))
        watch.observe(offers("a-S7"))
        inbox.wait(AgentsReported, 3)
        watch.observe(offers("a-S7"))
        time.sleep(0.05)
        assert len(inbox.of(AgentsReported)) == 3, "what the master does not tell of is not asked for again"


def test_strange_agents_do_not_make_it_ask_without_a_pause() -> None:
    with (
        FakeMaster(answers={"GET_AGENTS": told(make_agent("a-S0"))}) as master,
        watching(master.address, agents_interval_seconds=60.0) as (watch, inbox),
    ):
        inbox.wait(AgentsReported)
        for number in range(1, 50):
            watch.observe(offers(f"a-S{number}"))
        time.sleep(0.05)
        assert kinds(master).count("GET_AGENTS") == 1


def test_nobody_is_asked_while_no_master_takes_calls(quick: None) -> None:
    with FakeMaster() as master, watching(master.address, agents_interval_seconds=0.01) as (watch, inbox):
        inbox.wait(AgentsReported)
        watch.pause()
        count = len(inbox.of(AgentsReported))
        time.sleep(0.05)
        assert len(inbox.of(AgentsReported)) == count
        watch.observe(Subscribed(framework_id=FrameworkId("f"), master=master.address))
        inbox.wait(AgentsReported, count + 1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, "no"), "it refuses our principal and secret (401 (no))"),
        ((403, ""), "it forbids them to us (403)"),
        ((503, "No leader elected"), "it does not lead (503 (No leader elected))"),
        ((404, ""), "it answered 404; check that it is Mesos 1.4 or newer"),
        ((200, "<html>"), "the answer cannot be read"),
        ((200, "{}"), "the answer cannot be read (KeyError('get_agents'))"),
        ((200, '{"get_agents":{"agents":[{"agent_info":1}]}}'), "the answer cannot be read"),
    ],
)
def test_no_answer_is_a_problem_and_no_agents(answer: tuple[int, str], said: str) -> None:
    with FakeMaster(answers={"GET_AGENTS": answer}) as master, watching(master.address) as (_, inbox):
        report = inbox.wait(AgentsReported)
        assert report.agents == ()
        assert report.problem.startswith(f"the Mesos master at {master.address} does not tell its agents: ")
        assert said in report.problem


def test_a_master_that_forbids_its_schedule_still_tells_its_agents() -> None:
    answers = {"GET_AGENTS": told(make_agent()), "GET_MAINTENANCE_SCHEDULE": (403, "")}
    with FakeMaster(answers=answers) as master, watching(master.address) as (_, inbox):
        report = inbox.wait(AgentsReported)
        assert (len(report.agents), report.problem) == (1, "")


@pytest.mark.parametrize("gzips", [False, True])
def test_answers_may_be_compressed_but_not_endless(monkeypatch: pytest.MonkeyPatch, gzips: bool) -> None:
    answers = {"GET_AGENTS": told(*(make_agent(f"a-S{number}") for number in range(20)))}
    with FakeMaster(answers=answers, gzips=gzips) as master:
        with watching(master.address) as (_, inbox):
            assert len(inbox.wait(AgentsReported).agents) == 20
        assert master.asked[0].headers["Accept-Encoding"] == "gzip"
        monkeypatch.setattr(mesos_agents, "MOST_BYTES", 4000)
        with watching(master.address) as (_, inbox):
            assert "wanted less than 4000 bytes, got more" in inbox.wait(AgentsReported).problem


def test_what_only_says_that_it_is_compressed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip, "compress", lambda data: data)
    with FakeMaster(gzips=True) as master, watching(master.address) as (_, inbox):
        assert "the answer cannot be read" in inbox.wait(AgentsReported).problem


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with watching(address) as (_, inbox):
        assert "Connection refused" in inbox.wait(AgentsReported).problem


@contextmanager
def mute_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_master_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_agents, "SILENCE_SECONDS", 0.05)
    with mute_server() as address, watching(address) as (_, inbox):
        assert "nothing came for 0.05 s" in inbox.wait(AgentsReported).problem


def test_the_end_does_not_wait_for_an_answer() -> None:
    with mute_server() as address:
        with watching(address) as (watch, inbox):
            eventually(lambda: watch._connection and watch._connection.sock)
            begin = time.monotonic()
        eventually(lambda: "mesos-agents" not in {thread.name for thread in threading.enumerate()})
        assert time.monotonic() - begin < 1.0
        assert not inbox.events


def test_an_answer_of_an_older_subscription_is_dropped(quick: None) -> None:
    with (
        mute_server() as address,
        FakeMaster() as master,
        watching(address, agents_interval_seconds=60.0) as (watch, inbox),
    ):
        eventually(lambda: watch._connection and watch._connection.sock)
        watch.pause()
        watch.observe(Subscribed(framework_id=FrameworkId("f"), master=master.address))
        assert inbox.wait(AgentsReported).problem == ""
        assert len(inbox.of(AgentsReported)) == 1
