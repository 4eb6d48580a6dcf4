"""framework top"""

from __future__ import annotations

import pytest

from framework.cli.top import _Picture
from specs.ids import GroupId
from tests.kit.front import FakeFront, a_group, a_stack, a_task, a_view
from tests.kit.usage import FakeUsage, figures
from tests.unit.cli.conftest import Run, Serve

WEB = GroupId("shop", "web", ())
DB = GroupId("shop", "db", ())


@pytest.fixture
def usage(front: FakeFront) -> FakeUsage:
    web, more, database = a_task(WEB, 0, 1), a_task(WEB, 1, 2, agent=2), a_task(DB, 0, 3)
    front.view = a_view(
        [a_stack("shop", [a_group(WEB, instances=2, tasks=[web, more]), a_group(DB, tasks=[database])])]
    )
    return FakeUsage(
        figures(web.id, cpus=0.05, mem_bytes=64 << 20, net_rx_bytes=2048),
        figures(more.id, cpus=0.2, mem_bytes=32 << 20, net_tx_bytes=1024),
        figures(database.id, cpus=None, mem_bytes=128 << 20),
    )


def test_tasks_the_greediest_first(serve: Serve, run: Run, usage: FakeUsage) -> None:
    serve(usage=usage)
    result = run("top", "--once")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:6] == ["TASK", "GROUP", "SLOT", "AGENT", "CPU", "CPU%"]
    assert [line[0] for line in lines[1:]] == ["2", "1", "3"]
    assert lines[1][4:8] == ["0.20", "200%", "32.0", "MiB"]
    assert [line.split()[0] for line in run("top", "--sort", "mem", "-n", "1").stdout.splitlines()] == ["TASK", "3"]


def test_groups_and_agents(serve: Serve, run: Run, usage: FakeUsage) -> None:
    serve(usage=usage)
    lines = [line.split() for line in run("top", "--by", "group").stdout.splitlines()]
    assert [line[:4] for line in lines[1:]] == [["shop/web", "2", "0.25", "125%"], ["shop/db", "1", "-", "-"]]
    lines = [line.split() for line in run("top", "--by", "agent").stdout.splitlines()]
    assert sorted(line[1] for line in lines[1:]) == ["1", "2"]


def test_who_is_silent_is_named(serve: Serve, run: Run, front: FakeFront) -> None:
    task = a_task(WEB)
    front.view = a_view([a_stack("shop", [a_group(WEB, tasks=[task])])])
    serve(usage=FakeUsage(silent={task.agent_id: "no answer within 8 s"}))
    result = run("top")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"1 task on {task.hostname} left out: no answer within 8 s\n"


def test_nothing_runs(serve: Serve, run: Run) -> None:
    serve()
    assert "No task runs." in run("top").stderr
    result = run("top", "nothing/*")
    assert (result.exit_code, result.stderr) == (1, "No group matches nothing/*. `framework ls` lists stacks.\n")


def test_what_goes_on_is_a_seconds() -> None:
    line = {"task": "shop.web.0.1", "group": "shop/web", "slot": 0, "agent": "agent1", "cpus": 0.1, "cpus_wanted": 0.5}
    line |= {"mem_bytes": 0, "mem_wanted_bytes": 1, "net_tx_bytes": 0, "block_read_bytes": 0, "block_write_bytes": 0}
    line |= {"oom_kills": 0}
    before = {"at": 100.0, "tasks": [{**line, "net_rx_bytes": 1024}]}
    now = {"at": 104.0, "tasks": [{**line, "net_rx_bytes": 9216}]}
    picture = _Picture(answer=now, by="task", sort="net", before=before)
    assert picture.headers[8:10] == ["NET IN/s", "NET OUT/s"]
    assert picture.rows()[0][8] == "2.0 KiB"
