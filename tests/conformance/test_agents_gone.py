"""An agent of a real cluster that never comes back: a removed stack waits for it until it is marked as gone."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.kit.cli import Cli, eventually
from tests.kit.cluster import NewCluster

pytestmark = [pytest.mark.cluster, pytest.mark.zookeeper]

STACK = """
services:
  work:
    command: sleep 600
    resources: {cpus: 0.05, memory: 8M}
    instances: 2
    constraints: [hostname UNIQUE]
"""
SOON = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": 2}


def test_a_removed_stack_goes_once_its_agent_is_marked_as_gone(new_cluster: NewCluster, tmp_path: Path) -> None:
    cluster = new_cluster(schedulers=1, agents=2, master_flags=SOON)
    cli = Cli(cluster.url)
    (tmp_path / "stack.yml").write_text(STACK, encoding="utf-8")
    cli.run("submit", str(tmp_path / "stack.yml"), "--name", "gone", "--wait")
    lost, kept = cli.tasks("gone")
    assert "is registered with the master: it is not gone" in cli.run("agents", "gone", lost["agent"], code=1).stderr
    assert "no agent is called nobody" in cli.run("agents", "gone", "nobody", "--yes", code=1).stderr

    cluster.daemon(lost["agent"]).kill(signal.SIGKILL)
    eventually(
        lambda: lost["id"] in {each["id"] for each in cli.tasks("gone") if each["state"] == "UNREACHABLE"}, "lost"
    )
    eventually(lambda: not alive(cli, lost), "the master no longer has it")
    cli.run("remove", "gone", "--yes")
    gave_up = cli.run("remove", "gone", "--yes", "--wait", "--timeout", "5s", code=4)
    for said in (gave_up.stderr, cli.run("ls").stderr, cli.run("explain", "gone/work", code=None).stdout):
        assert f"waits for 1 task on {lost['agent']}, out of reach since " in said
        assert f"`framework agents gone {lost['agent']}`" in said
    asked = cli.run("agents", "gone", lost["agent"], code=2).stderr
    assert f"1 task of this framework: {lost['id']}" in asked and "being removed, and waiting for it: gone" in asked
    assert cli.json("ls")["stacks"], "nothing was done"
    assert "is marked as gone" in cli.run("agents", "gone", lost["agent"], "--yes").stdout
    cli.run("remove", "gone", "--yes", "--wait", "--timeout", "30s", code=None)
    eventually(lambda: cli.json("ls")["stacks"] == [], "the stack is gone", 30)
    again = cli.run("agents", "gone", lost["agent_id"], "--yes", code=None)
    assert "no agent is called" in again.stderr or "is marked as gone" in again.stdout
    assert kept["agent"] in {each["hostname"] for each in cli.json("agents")["agents"]}


def alive(cli: Cli, task: dict[str, str]) -> bool:
    """Whether the master has the task's agent registered."""
    return any(each["id"] == task["agent_id"] and not each["unavailable"] for each in cli.json("agents")["agents"])
