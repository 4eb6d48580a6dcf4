"""framework port"""

from __future__ import annotations

import pytest

from specs.ids import GroupId
from tests.kit.front import FakeFront, a_group, a_stack, a_task, a_view
from tests.unit.cli.conftest import Run, Serve

WEB = GroupId("shop", "web", ())
IDLE = GroupId("shop", "idle", ())


@pytest.fixture(autouse=True)
def shop(serve: Serve, front: FakeFront) -> None:
    groups = [a_group(WEB, tasks=[a_task(WEB)]), a_group(IDLE)]
    front.view = a_view([a_stack("shop", groups)])
    serve()


@pytest.mark.parametrize("port", ["http", "8080", "8080/tcp"])
def test_where_a_port_is_reached_by_its_name_or_number(run: Run, port: str) -> None:
    lines = run("port", port, "shop").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["shop/web"]
    assert lines[1].split()[-1] == "127.0.1.1:31001"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("http", "shpo"), "No group matches shpo."),
        (("http", "shop/idle"), "No task of shop/idle that runs has ports."),
        (("htpt", "shop"), "No task of shop has a port htpt. There are: http (8080)"),
    ],
)
def test_where_there_is_none_it_says_what_there_is(run: Run, words: tuple[str, ...], said: str) -> None:
    result = run("port", *words)
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith(said)
