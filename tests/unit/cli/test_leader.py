"""`framework leader`: who leads and stands by, and a hand-over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.api.app import create_app
from framework.api.info import ExecutorFile
from framework.api.server import Server
from tests.kit.front import INFO, NOW, FakeFront
from tests.kit.leadership import FakeLeadership
from tests.unit.cli.conftest import Run


@pytest.fixture
def leadership(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLeadership]:
    """Of the scheduler at FRAMEWORK_URL."""
    leadership = FakeLeadership()
    executor = ExecutorFile(path=Path(__file__), sha256="a1b2")
    app = create_app(FakeFront(), token=None, executor=executor, info=INFO, clock=lambda: NOW, leadership=leadership)
    with Server(app, "127.0.0.1", 0) as server:
        monkeypatch.setenv("FRAMEWORK_URL", "http://{}:{}".format(*server.address))
        yield leadership


def test_who_leads_and_who_stands_by(run: Run, leadership: FakeLeadership) -> None:
    leadership.standbys = ["10.0.0.10:8080"]
    lines = run("leader").stdout.splitlines()
    assert lines[0].split() == ["SCHEDULER", "ROLE", "FOR", "SINCE"]
    assert lines[1].split()[:2] == ["10.0.0.9:8080", "leads"]
    assert lines[2].split()[:3] == ["10.0.0.10:8080", "stands", "by"]
    assert lines[-1] == "epoch 7, session time-out 10 s"
    assert json.loads(run("leader", "--json").stdout)["standbys"] == [{"address": "10.0.0.10:8080", "since": NOW - 60}]


def test_nobody_leads(run: Run, leadership: FakeLeadership) -> None:
    leadership.leader = ""
    result = run("leader")
    assert (result.exit_code, result.stderr) == (0, "No scheduler leads at the moment.\n")


def test_a_hand_over(run: Run, leadership: FakeLeadership) -> None:
    leadership.standbys = ["10.0.0.10:8080", "10.0.0.11:8080"]
    result = run("leader", "step-down", "--to", "10.0.0.10:8080")
    assert (result.exit_code, leadership.steps_down, leadership.named) == (0, 1, ["10.0.0.10:8080"])
    assert result.stderr == "the scheduler at 10.0.0.9:8080 steps down; 10.0.0.10:8080 takes over\n"
    assert "leads, epoch 8, after 0." in result.stdout


def test_refused_where_nobody_stands_by(run: Run, leadership: FakeLeadership) -> None:
    result = run("leader", "step-down")
    assert (result.exit_code, leadership.steps_down) == (1, 0)
    assert "No scheduler stands by" in result.stderr
    assert run("leader", "step-down", "--anyway", "--json").exit_code == 0
    assert leadership.steps_down == 1


def test_nobody_takes_over_in_time(run: Run, leadership: FakeLeadership, monkeypatch: pytest.MonkeyPatch) -> None:
    leadership.standbys = ["10.0.0.10:8080"]
    monkeypatch.setattr(leadership, "step_down", lambda: None)
    result = run("leader", "step-down", "--timeout", "300ms")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "Nobody has begun to lead within 0.3 s" in result.stderr


def test_options_of_a_hand_over_alone(run: Run) -> None:
    result = run("leader", "--to", "10.0.0.10:8080")
    assert result.exit_code == 2 and "of `framework leader step-down`" in result.stderr
