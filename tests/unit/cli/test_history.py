"""The history of a stack and rollbacks, on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from framework.core.commands import Done
from framework.core.events import KillRequested, RollbackRequested
from specs.ids import group_id
from specs.model.stack import Stack
from tests.kit.front import WEB, FakeFront, a_group, a_spec, a_stack, a_task, a_view
from tests.kit.histories import with_history
from tests.unit.cli.conftest import Run, Serve

WEB_ID = group_id("shop", "web", ["prod"])


def shop(image: str, instances: int = 1) -> Stack:
    return Stack(name="shop", groups=(a_spec(WEB_ID, instances=instances, container=replace(WEB, image=image)),))


FIRST, SECOND = shop("acme/web:1", 2), shop("acme/web:2", 3)


@pytest.fixture(autouse=True)
def history(front: FakeFront, serve: Serve) -> None:
    front.view = with_history(FIRST, SECOND)
    front.answer = lambda _request: Done(changed=(str(WEB_ID),), index=4, message="back to 1")
    serve()


def test_the_history(run: Run) -> None:
    lines = run("history", "shop").stdout.splitlines()
    assert lines[0].split() == ["REVISION", "AT", "BY", "COMMAND", "CHANGE", "MESSAGE"]
    assert lines[1].startswith("1*") and lines[1].endswith("anna@desk  submit   replaced web of 0  release 0")
    assert lines[2].startswith("2   ") and "scaled db 1 → 2" in lines[2]
    assert len(lines) == 4


def test_of_a_service_and_the_newest(run: Run) -> None:
    told = json.loads(run("history", "shop/db", "--json").stdout)
    assert [line["number"] for line in told["revisions"]] == [2]
    assert run("history", "shop", "-n", "1").stdout.count("\n") == 2
    wrong = run("history", "shop/wbe")
    assert wrong.exit_code == 1
    assert "No change of a service wbe is remembered; there are some of db, web." in wrong.stderr


def test_of_a_removed_one(run: Run, front: FakeFront) -> None:
    front.view = with_history(FIRST, is_removed=True)
    assert "shop was removed. `framework rollback shop` brings it back." in run("history", "shop").stderr


def test_a_rollback_shows_its_plan_and_does_just_that(run: Run, front: FakeFront) -> None:
    said = run("rollback", "shop", "-m", "500s").stdout.splitlines()
    assert said[0].startswith("back to 1 (submit by anna@desk, ") and said[0].endswith(": release 0)")
    assert said[1:4] == [
        "shop (index 3): 1 group would change",
        "~ shop/web[prod]: new tasks take the old ones' places (3)",
        '    image: "acme/web:2" -> "acme/web:1"',
    ]
    (asked,) = front.requests
    assert isinstance(asked, RollbackRequested)
    assert replace(asked, by="") == RollbackRequested(request_id=1, name="shop", to=1, if_index=3, message="500s")
    assert "@" in asked.by


def test_a_rollback_that_cannot_be(run: Run, front: FakeFront) -> None:
    result = run("rollback", "shop", "--to", "9")
    assert (result.exit_code, front.requests) == (1, [])
    assert "shop has no revision 9" in result.stderr


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("shop@1", "shop@3", ['    image: "acme/web:1" -> "acme/web:2"', "~ shop/web[prod]: new tasks take"]),
        ("shop@3", "shop", ["shop@3 -> shop: 0 groups differ"]),
        ("shop@1", "FILE", ["- shop/web[prod]: removed", "+ shop/web[eu,prod]: new (2)", "changed labels are another"]),
    ],
)
def test_what_differs(run: Run, tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    file = tmp_path / "other.yml"
    file.write_text(
        "name: other\nservices: {web: {image: 'acme/web:1', groups: [{labels: [prod, eu], instances: 2}]}}\n"
    )
    result = run("diff", old, new.replace("FILE", str(file)))
    assert result.exit_code == 0, result.stderr
    for text in says:
        assert text in result.stdout


def test_what_is_neither_a_file_nor_a_stack(run: Run) -> None:
    assert run("diff", "shop", "nowhere.yml").exit_code == 2
    assert run("diff", "shop", "-x-").exit_code == 2
    assert run("diff", "shop", "no").exit_code == 1


def test_killing(run: Run, front: FakeFront) -> None:
    task = a_task(WEB_ID, 0, 17)
    front.view = a_view([a_stack("shop", [a_group(WEB_ID, tasks=[task])])])
    assert run("kill", "17", "--scale", "-m", "stuck").exit_code == 0
    (asked,) = front.requests
    assert isinstance(asked, KillRequested)
    assert replace(asked, by="") == KillRequested(request_id=1, tasks=(task.id,), scale=True, message="stuck")
    assert run("kill").exit_code == 2
