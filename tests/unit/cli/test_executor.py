"""framework executor ls, framework executor roll"""

from __future__ import annotations

import json
from dataclasses import replace

from framework.core.commands import Done, Refused
from framework.core.events import ExecutorUpgradeRequested
from framework.core.views import EMPTY
from framework.core.volatile import Connection
from tests.kit.front import FakeFront, a_view, three_tasks
from tests.unit.cli.conftest import Run, Serve


def test_the_executors_of_each_agent(serve: Serve, run: Run, front: FakeFront) -> None:
    problem = "the roll stopped: why"
    front.view = replace(three_tasks(), executor_id="framework-executor-2", executor_upgrade_problem=problem)
    serve()
    lines = run("executor", "ls").stdout.splitlines()
    assert lines[0].split() == ["AGENT", "EXECUTOR", "VERSION", "TASKS"]
    assert lines[1].split() == ["agent1", "framework-executor-1", "older", "2"]
    assert lines[-1] == "the roll stopped: why"
    assert json.loads(run("executor", "ls", "--json").stdout)["current"] == "framework-executor-2"


def test_there_is_none(serve: Serve, run: Run, front: FakeFront) -> None:
    front.view = replace(EMPTY, connection=Connection.SUBSCRIBED)
    serve()
    assert "No executor has a task." in run("executor", "ls").stderr


def test_a_roll_is_asked_for(serve: Serve, run: Run, front: FakeFront) -> None:
    front.answer = lambda _request: Done(changed=("agent1",), message="rolling, one agent after the other")
    serve()
    result = run("executor", "roll", "--agent", "agent*", "--processes")
    assert (result.exit_code, result.stdout) == (0, "rolling, one agent after the other\n")
    assert front.requests == [ExecutorUpgradeRequested(request_id=1, pattern="agent*", has_processes=True)]


def test_its_end_is_waited_for(serve: Serve, run: Run, front: FakeFront) -> None:
    front.answer = lambda _request: Done(changed=("agent1",), message="rolling")
    serve()
    result = run("executor", "roll", "--wait", "--json")
    assert (result.exit_code, json.loads(result.stdout)["is_rolling"]) == (0, False)
    front.view = replace(a_view(), is_upgrading_executors=True, upgrading_agent="agent1", agents_to_upgrade=2)
    result = run("executor", "roll", "--wait", "--timeout", "1s")
    assert result.exit_code == 4
    assert "rolling agent1, 2 to come\n" in result.stdout
    assert "The roll is not over after 1 s; it goes on." in result.stderr


def test_one_that_was_given_up_fails(serve: Serve, run: Run, front: FakeFront) -> None:
    front.answer = lambda _request: Done(changed=("agent1",), message="rolling")
    front.view = replace(a_view(), executor_upgrade_problem="the roll stopped at agent1: why")
    serve()
    result = run("executor", "roll", "--wait")
    assert result.exit_code == 1
    assert "the roll stopped at agent1: why" in result.stderr


def test_a_refusal_is_told(serve: Serve, run: Run, front: FakeFront) -> None:
    front.answer = lambda _request: Refused(kind="not_found", message="no agent that has an older executor matches 'x'")
    serve()
    result = run("executor", "roll", "--agent", "x")
    assert result.exit_code == 1
    assert "no agent that has an older executor matches 'x'" in result.stderr
