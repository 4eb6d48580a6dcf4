"""`framework agents gone`, and the commands that name an agent that is waited for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.api.app import create_app
from framework.api.info import ExecutorFile
from framework.api.server import Server
from framework.core.state.agents import ABSENT
from framework.core.views import GroupState
from specs.ids import group_id
from specs.model.stack import Container, Volume
from specs.states import Goal, TaskState
from tests.kit.front import INFO, NOW, FakeFront, FakeOperator, a_group, a_stack, a_task, a_view, an_agent
from tests.unit.cli.conftest import Run

WEB = group_id("shop", "web", [])
STORED = Container(image="db:1", volumes=(Volume(source="/data", target="/data"),))


@pytest.fixture
def operator(front: FakeFront, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOperator]:
    """Of the scheduler at FRAMEWORK_URL, whose stack `shop` waits for agent2."""
    task = a_task(WEB, agent=2, state=TaskState.UNREACHABLE, goal=Goal.STOP, container=STORED)
    group = a_group(WEB, tasks=[task], state=GroupState.REMOVING, wanted=0, container=STORED)
    gone = an_agent(2, unavailable=ABSENT)
    front.view = a_view([a_stack("shop", [group], is_removed=True)], agents=[an_agent(1), gone])
    operator = FakeOperator()
    executor = ExecutorFile(path=Path(__file__), sha256="a1b2")
    app = create_app(front, token=None, executor=executor, info=INFO, clock=lambda: NOW, operator=operator)
    with Server(app, "127.0.0.1", 0) as server:
        monkeypatch.setenv("FRAMEWORK_URL", "http://{}:{}".format(*server.address))
        yield operator


def test_it_names_what_is_lost_and_asks(run: Run, operator: FakeOperator) -> None:
    result = run("agents", "gone", "agent2")
    assert (result.exit_code, operator.gone) == (2, [])
    assert result.stderr.splitlines() == [
        "agent agent2, agent-2",
        "  1 task of this framework: shop.web.0.1 (slot shop/web/0)",
        "  being removed, and waiting for it: shop",
        "  3 tasks of framework chronos (c-1)",
        "  no longer reached: what is in 1 volume: /data: of shop/web",
        "An agent that is marked as gone never comes back: say --yes where nobody can be asked.",
    ]


def test_with_yes_it_is_done(run: Run, operator: FakeOperator) -> None:
    result = run("agents", "gone", "agent2", "--yes", "-m", "burnt")
    assert (result.exit_code, operator.gone) == (0, [("10.0.0.1:5050", "agent-2")])
    assert result.stdout == "agent agent2 (agent-2) is marked as gone: Mesos ends what was there\n"
    assert json.loads(run("agents", "gone", "agent2", "--yes", "--json").stdout)["stacks"] == ["shop"]


def test_one_that_is_registered_is_left_alone(run: Run, operator: FakeOperator) -> None:
    result = run("agents", "gone", "agent1", "--yes")
    assert (result.exit_code, operator.gone) == (1, [])
    assert result.stderr.startswith("Agent agent1 (agent-1) is registered with the master: it is not gone.")
    result = run("agents", "gone", "agent1", "--yes", "--anyway")
    assert (result.exit_code, operator.gone) == (0, [("10.0.0.1:5050", "agent-1")])
    assert "  it is registered with the master: what runs there is ended\n" in result.stderr


def test_a_wrong_name(run: Run, operator: FakeOperator) -> None:
    result = run("agents", "gone", "agnt2", "--yes")
    assert (result.exit_code, operator.gone) == (1, [])
    assert result.stderr.startswith("no agent is called agnt2; wanted the host name or id")


def test_agents_are_still_listed(run: Run, operator: FakeOperator) -> None:
    assert run("agents").stdout.splitlines()[1].split()[0] == "agent1"
    assert len(json.loads(run("agents", "--json").stdout)["agents"]) == 2


@pytest.mark.parametrize(
    "words",
    [("ls",), ("explain", "shop/web"), ("remove", "shop", "--yes", "--wait", "--timeout", "300ms")],
    ids=" ".join,
)
def test_who_waits_for_it_says_so_and_what_helps(run: Run, operator: FakeOperator, words: tuple[str, ...]) -> None:
    said = run(*words).output
    assert "waits for 1 task on agent2, out of reach since 2027-01-15" in said
    assert "`framework agents gone agent2` ends what was there" in said
    assert operator.gone == []
