"""framework approve"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from framework.core.commands import Done, Refused
from framework.core.events import ApprovalGiven
from framework.core.model import Mismatch
from tests.kit.front import UNKNOWN_TASKS, FakeFront, a_view
from tests.unit.cli.conftest import Run, Serve


def test_nothing_waits(serve: Serve, run: Run) -> None:
    serve()
    assert run("approve").stdout == "Nothing waits for approval.\n"


def test_what_waits_is_shown_and_how_it_is_approved(serve: Serve, run: Run, front: FakeFront) -> None:
    front.view = replace(a_view(), approval_requests=(UNKNOWN_TASKS,))
    serve()
    result = run("approve", "--tasks")
    assert result.exit_code == 0
    assert "strangers: Mesos runs 2 tasks that are not in the store" in result.stdout
    assert "  other.web.1.2\n" in result.stdout
    assert "framework approve --yes strangers=2" in result.stderr
    assert front.requests == []
    assert json.loads(run("approve", "--json").stdout)["questions"][0]["number"] == 2


def test_approved(serve: Serve, run: Run, front: FakeFront) -> None:
    front.answer = lambda _request: Done(changed=UNKNOWN_TASKS.tasks, message="approved: they are stopped")
    serve()
    result = run("approve", "--yes", "strangers=2")
    assert (result.exit_code, result.stdout) == (0, "strangers: approved: they are stopped (2 tasks)\n")
    assert front.requests == [ApprovalGiven(request_id=1, mismatch=Mismatch.UNKNOWN_TASKS, number=2)]


def test_refused(serve: Serve, run: Run, front: FakeFront) -> None:
    front.answer = lambda _request: Refused(kind="conflict", message="it is about 3 tasks by now")
    serve()
    result = run("approve", "--yes", "strangers=2")
    assert result.exit_code == 1 and "3 tasks by now" in result.stderr


@pytest.mark.parametrize("text", ["strangers", "strangers=", "strangers=0", "all=3", "=3"])
def test_numbers_that_are_none(run: Run, text: str) -> None:
    result = run("approve", "--yes", text)
    assert result.exit_code == 2 and "wants QUESTION=NUMBER" in result.stderr
