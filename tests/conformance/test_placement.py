"""Every kind of rule on twelve real agents: placed as docs/placement.md says, kept through change, explained, cured."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framework.local.cluster import Cluster
from tests.kit.cli import Cli, eventually
from tests.kit.cluster import running_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.docker, pytest.mark.zookeeper]

ATTRIBUTES = tuple(
    f"rack:r{number % 4 + 1};zone:{'abc'[number % 3]};disk:{'ssd' if number % 2 else 'hdd'};"
    f"kernel:{('4.19.0', '5.15.0-91-generic', '6.1.0')[number % 3]};features:{'avx,avx2' if number < 6 else 'avx'}"
    for number in range(12)
)
SLEEP = (
    "{image: framework-demo/busybox:1, command: sleep 3600, init: true, stop: {grace: 2s},"
    " resources: {cpus: 0.05, memory: 16M}"
)
Task = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, images: None) -> Iterator[Cluster]:
    with running_cluster(
        tmp_path_factory.mktemp("placement"),
        agents=12,
        schedulers=1,
        attributes=ATTRIBUTES,
        resources="cpus:2;mem:1024;disk:1000;bandwidth:100;licence:{gold,silver}",
        scheduler_flags={"agents-interval": "3s"},
    ) as cluster:
        yield cluster


@pytest.fixture
def cli(cluster: Cluster) -> Iterator[Cli]:
    """The command line; whatever a test submitted is removed at its end."""
    cli = Cli(cluster.url)
    yield cli
    for stack in cli.json("ls")["stacks"]:
        cli.run("remove", stack["name"], "--yes", "--wait", code=None)


@pytest.fixture
def agents(cli: Cli) -> dict[str, dict[str, str]]:
    """The attributes of each agent, by the name that tasks show."""
    lines = cli.json("agents")["agents"]
    assert len(lines) == 12
    return {line["hostname"]: line["attributes"] for line in lines}


def submit(cli: Cli, directory: Path, name: str, services: str, *more: str, code: int = 0) -> Any:
    path = directory / f"{name}.yml"
    path.write_text(f"services:\n{services}", encoding="utf-8")
    return cli.run("submit", str(path), "--name", name, "--wait", "--timeout", "90s", *more, code=code)


def per(field: str, tasks: list[Task], agents: dict[str, dict[str, str]]) -> Counter[str]:
    """How many of the tasks there are for each value of a field."""
    return Counter(task["agent"] if field == "hostname" else agents[task["agent"]][field] for task in tasks)


def test_each_kind_of_rule_is_placed_as_its_page_says(
    cli: Cli, agents: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    submit(
        cli,
        tmp_path,
        "rules",
        f"""
  unique: {SLEEP}, instances: 12, constraints: [hostname UNIQUE]}}
  most: {SLEEP}, instances: 4, constraints: [[rack, MAX_PER, "1"]]}}
  even: {SLEEP}, instances: 6, constraints: [rack GROUP_BY 4]}}
  quota: {SLEEP}, instances: 5, constraints: [rack GROUP_BY 2 quota]}}
  together: {SLEEP}, instances: 3, constraints: [zone CLUSTER]}}
  like: {SLEEP}, instances: 2, constraints: ["zone LIKE [ab]", "rack UNLIKE r[34]", node.labels.disk == ssd]}}
  new: {SLEEP}, instances: 2, constraints: ["kernel VERSION >= 5, < 6", "features CONTAINS avx2"]}}
  either: {SLEEP}, instances: 2, constraints: [
      {{any: [zone == c, {{all: [rack == r1, disk == hdd]}}]}}, {{not: rack == r3}}]}}
  nested: {SLEEP}, instances: 6, spread: [zone, rack]}}
  shares: {SLEEP}, instances: 4, spread: {{over: disk, targets: {{ssd: 75%, hdd: 25%}}}}}}
  redis: {SLEEP}, constraints: [rack == r2]}}
  near: {SLEEP}, instances: 2, links: [redis], near: {{service: redis, field: rack}}}}
  apart: {SLEEP}, instances: 2, links: [redis], apart: {{service: redis, field: rack}}}}
  wish: {SLEEP}, instances: 3, prefer: [disk == ssd, {{rule: zone == a, weight: 20}}]}}
  pack: {SLEEP}, instances: 4, strategy: pack}}
  everywhere: {SLEEP}, mode: global, constraints: [disk == ssd]}}
  licensed:
    image: framework-demo/busybox:1
    command: sh -c 'echo "got $$FRAMEWORK_RESOURCE_LICENCE and $$FRAMEWORK_RESOURCE_BANDWIDTH"; exec sleep 3600'
    resources: {{cpus: 0.05, memory: 16M, custom: {{licence: [gold], bandwidth: 60}}}}
    instances: 2
""",
    )
    of = {name: cli.tasks(f"rules/{name}") for name in cli_services(cli, "rules")}
    assert set(per("hostname", of["unique"], agents).values()) == {1} and len(of["unique"]) == 12
    assert set(per("rack", of["most"], agents).values()) == {1}
    assert sorted(per("rack", of["even"], agents).values()) == [1, 1, 2, 2]
    assert sorted(per("rack", of["quota"], agents).values()) == [2, 3]
    assert len(per("zone", of["together"], agents)) == 1
    for task in of["like"]:
        has = agents[task["agent"]]
        assert has["zone"] in "ab" and has["rack"] in ("r1", "r2") and has["disk"] == "ssd"
    for task in of["new"]:
        assert agents[task["agent"]]["kernel"].startswith("5.") and "avx2" in agents[task["agent"]]["features"]
    for task in of["either"]:
        has = agents[task["agent"]]
        assert (has["zone"] == "c" or (has["rack"], has["disk"]) == ("r1", "hdd")) and has["rack"] != "r3"
    assert set(per("zone", of["nested"], agents).values()) == {2}
    assert len({(agents[task["agent"]]["zone"], agents[task["agent"]]["rack"]) for task in of["nested"]}) == 6
    assert per("disk", of["shares"], agents) == {"ssd": 3, "hdd": 1}
    assert set(per("rack", of["near"], agents)) == {"r2"}
    assert "r2" not in per("rack", of["apart"], agents)
    # Of twelve agents two are on an SSD in zone a.
    assert all(agents[task["agent"]]["disk"] == "ssd" for task in of["wish"])
    assert all(agents[task["agent"]]["zone"] == "a" for task in of["wish"])
    assert len(per("hostname", of["pack"], agents)) == 1
    assert sorted(task["agent"] for task in of["everywhere"]) == sorted(
        name for name, has in agents.items() if has["disk"] == "ssd"
    )
    assert len(per("hostname", of["licensed"], agents)) == 2
    assert "got gold and 60" in cli.run("logs", of["licensed"][0]["id"]).stdout
    why = cli.run("explain", f"rules/wish/{of['wish'][0]['slot']}").stdout
    assert "points" in why.lower() and of["wish"][0]["agent"] in why


def cli_services(cli: Cli, stack: str) -> list[str]:
    """The services of a stack."""
    return sorted({task["service"] for task in cli.tasks(stack)})


def test_rules_hold_through_replacing_scaling_and_the_loss_of_an_agent(
    cli: Cli, cluster: Cluster, agents: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    submit(
        cli,
        tmp_path,
        "kept",
        f"""
  unique: {SLEEP}, instances: 12, constraints: [hostname UNIQUE]}}
  even: {SLEEP}, instances: 8, constraints: [rack GROUP_BY]}}
  most: {SLEEP}, instances: 6, constraints: [rack MAX_PER 2]}}
  everywhere: {SLEEP}, mode: global}}
""",
    )
    assert set(per("hostname", cli.tasks("kept/everywhere"), agents)) == set(agents)
    cli.run("restart", "kept", "--wait")
    assert set(per("hostname", cli.tasks("kept/unique"), agents).values()) == {1}
    assert set(per("rack", cli.tasks("kept/even"), agents).values()) == {2}
    cli.run("scale", "kept/even", "5", "--wait")
    assert sorted(per("rack", cli.tasks("kept/even"), agents).values()) == [1, 1, 1, 2]

    # The scheduler starts anew, and knows what is where although nothing is offered.
    scheduler = cluster.daemon("scheduler1")
    scheduler.kill()
    scheduler.start().wait()
    eventually(lambda: cli.run("ls", code=None).returncode == 0, "the scheduler answers again")
    cli.run("scale", "kept/even", "8", "--wait")
    assert set(per("rack", cli.tasks("kept/even"), agents).values()) == {2}
    cli.run("scale", "kept/unique", "11", "--wait")

    lost = next(task["agent"] for task in cli.tasks("kept/most"))
    number = next(n for n in range(1, 13) if cluster.shape.agent_ip(n) == _address(cli, lost))
    # The agent ends its tasks and goes for good; its end is waited for, as what it had runs elsewhere sooner than that.
    cluster.daemon(f"agent{number}").kill(signal.SIGUSR1)

    def is_whole() -> bool:
        groups = cli.json("ps", "kept")
        on = [task for task in groups["tasks"] if task["state"] == "RUNNING" and task["agent"] != lost]
        return len(on) == 11 + 8 + 6 + 11

    eventually(is_whole, "the tasks of the lost agent run elsewhere", 120)
    assert set(per("hostname", cli.tasks("kept/unique"), agents).values()) == {1}
    assert max(per("rack", cli.tasks("kept/most"), agents).values()) <= 2
    assert sorted(per("rack", cli.tasks("kept/even"), agents).values()) == [2, 2, 2, 2]

    # It comes back as a new agent, and what is everywhere is there too; from one that is drained it goes.
    cluster.daemon(f"agent{number}").start().wait()
    eventually(lambda: len(running(cli, "kept/everywhere")) == 12, "the agent that joined has its task")
    drained = next(line for line in cli.json("agents")["agents"] if line["hostname"] != lost)
    operate(cluster, {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": drained["id"]}}})

    def is_drained() -> bool:
        return drained["hostname"] not in per("hostname", running(cli, "kept"), agents)

    eventually(is_drained, "nothing runs on the drained agent")
    eventually(lambda: len(running(cli, "kept")) == 11 + 8 + 6 + 11, "what was there runs elsewhere")
    assert set(per("hostname", cli.tasks("kept/unique"), agents).values()) == {1}
    assert drained["hostname"] not in per("hostname", cli.tasks("kept/everywhere"), agents)
    eventually(lambda: "drain" in cli.run("agents").stdout, "the scheduler knows of it")
    operate(cluster, {"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": {"value": drained["id"]}}})
    eventually(lambda: len(running(cli, "kept/everywhere")) == 12, "the agent that is back has its task")


def running(cli: Cli, pattern: str) -> list[Task]:
    """The tasks that run."""
    return [task for task in cli.tasks(pattern) if task["state"] == "RUNNING"]


def operate(cluster: Cluster, call: dict[str, Any]) -> None:
    """A call to the master's operator API."""
    leader = cluster.wait_for_leader()
    request = urllib.request.Request(
        f"http://{leader.address}/api/v1", json.dumps(call).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status < 300


def _address(cli: Cli, hostname: str) -> str:
    return str(next(line["address"] for line in cli.json("agents")["agents"] if line["hostname"] == hostname))


def test_what_does_not_fit_is_explained_and_its_cure_is_one(cli: Cli, tmp_path: Path) -> None:
    wants = "image: framework-demo/busybox:1, command: sleep 3600, init: true, instances: 2"
    tight = (
        f"  big: {{{wants}, resources: {{cpus: 1.5, memory: 16M}}, constraints: [zone == a, kernel VERSION >= 6]}}\n"
    )
    path = tmp_path / "tight.yml"
    path.write_text(f"services:\n{tight}", encoding="utf-8")
    planned = cli.run("plan", str(path), "--name", "tight").stdout
    gave_up = cli.run("submit", str(path), "--name", "tight", "--wait", "--timeout", "6s", code=4)
    sentence = re.search(r"0/\d+ agents fit: [^\n;]+", gave_up.stderr)
    assert sentence, gave_up.stderr
    assert "agents fit" in planned and "agents fit" in cli.run("ps", "tight").stdout
    assert any("agents fit" in line["text"] for line in events(cli))
    explained = cli.run("explain", "tight/big", code=1).stdout
    assert "kernel" in explained and "with kernel unconstrained" in explained
    answer = json.loads(cli.run("explain", "tight/big", "--json", code=1).stdout)
    assert answer["cures"] and len(answer["rows"]) == answer["agents"]

    submit(cli, tmp_path, "tight", tight.replace(", kernel VERSION >= 6", ""))
    assert len(cli.tasks("tight")) == 2
    cli.run("explain", "tight/big/0")


def events(cli: Cli) -> list[dict[str, Any]]:
    """The events that are still kept."""
    return [json.loads(line) for line in cli.run("events", "--json").stdout.splitlines()]


def test_the_cluster_in_a_file_answers_as_the_cluster_does(cli: Cli, tmp_path: Path) -> None:
    told = cli.run("agents", "--json").stdout
    saved = tmp_path / "cluster.json"
    saved.write_text(told, encoding="utf-8")
    count = sum(line["state"] == "active" for line in json.loads(told)["agents"])
    stack = tmp_path / "what-if.yml"
    stack.write_text(
        f"services:\n  web: {SLEEP}, instances: {2 * count + 6}, constraints: [hostname MAX_PER 2]}}\n",
        encoding="utf-8",
    )
    for said in (cli.run("plan", str(stack)), cli.run("simulate", str(stack), "--from-cluster", str(saved), code=1)):
        assert "6 slots" in said.stdout and f"0/{count} agents fit: {count} hostname" in said.stdout
        assert "with hostname MAX_PER 3" in said.stdout
    assert cli.json("ls")["stacks"] == []
