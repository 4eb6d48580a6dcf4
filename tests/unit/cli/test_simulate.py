"""framework simulate: a stack on agents of a file, without any server; and every mistake of such a file."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from framework.adapters.mesos_config import EXECUTOR_RESOURCES
from framework.cli.agents_file import read_agents
from framework.cli.cluster_file import read_cluster
from framework.cli.fleet import EXECUTOR, MAX_AGENTS, content_of
from specs.ids import group_id
from specs.model.errors import StackError
from specs.model.resources import PortRanges, Resources
from tests.kit.front import AGENT, FakeFront, a_group, a_stack, a_task, a_view, an_agent
from tests.unit.cli.conftest import Run, Serve

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"
WEB = group_id("shop", "web")
AGENTS = """\
executor: {cpus: 0.1, memory: 32M}
agents:
  - count: 3
    hostname: big{n}
    cpus: 4
    memory: 8G
    attributes: {rack: [r1, r2], disk: ssd}
  - {hostname: odd, cpus: 1, memory: 2G, disk: 10G, gpus: 1, zone: z1, ports: "80, 31000-31004"}
"""
STACK = """\
name: shop
services:
  web:
    image: acme/web:1.4
    ports: {http: 80}
    instances: 5
    constraints: [rack GROUP_BY 2]
    resources: {cpus: 1, memory: 512M}
  heavy:
    image: acme/heavy:1
    instances: 2
    resources: {cpus: 6, memory: 64M}
  agent: {image: acme/agent:1, mode: global, resources: {cpus: 0.1, memory: 32M}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.yml").write_text(STACK, encoding="utf-8")
    (tmp_path / "agents.yml").write_text(AGENTS, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("simulate", "simulate shop.yml --agents agents.yml"),
        (
            "simulate-verbose",
            "simulate shop.yml --agents agents.yml --set services.heavy.instances=0 --verbose --limit 1",
        ),
    ],
)
def test_golden(run: Run, name: str, command: str) -> None:
    result = run(*command.split())
    text = f"$ framework {command}\n{result.stdout}"
    text += f"-- standard error\n{result.stderr}" if result.stderr else ""
    text += f"-- exit code {result.exit_code}\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.usefixtures("here")
def test_json_has_it_all(run: Run) -> None:
    result = run("simulate", "shop.yml", "--agents", "agents.yml", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert not told["fits"]
    groups = {line["group"]: line for line in told["groups"]}
    assert groups["shop/heavy"]["unplaced"]["slots"] == [0, 1]
    assert groups["shop/heavy"]["unplaced"]["cures"]
    assert groups["shop/web"]["balances"][0] == {
        "fields": ["rack"],
        "skew": 1,
        "tasks": [{"values": ["r1"], "tasks": 3}, {"values": ["r2"], "tasks": 2}],
    }
    # What asks for no gpu keeps off the agent that has one.
    assert {line["agent"]: line["tasks"] for line in told["agents"]} == {"big1": 3, "big2": 3, "big3": 2, "odd": 0}


@pytest.mark.usefixtures("here")
def test_a_global_group_that_fits_nowhere_is_no_success(run: Run) -> None:
    service = "{image: acme/agent:1, mode: global, constraints: [rack == r9], resources: {cpus: 0.1, memory: 32M}}"
    Path("shop.yml").write_text(f"name: shop\nservices: {{agent: {service}}}\n", encoding="utf-8")
    result = run("simulate", "shop.yml", "--agents", "agents.yml")
    assert result.exit_code == 1
    assert "  shop/agent: 0/1 placed\n" in result.stdout
    assert "0/4 agents fit: 3 rack (wanted r9), 1 @gpus (wanted none, as no gpus are asked for)" in result.stdout


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("options", [[], ["--agents", "agents.yml", "--from-cluster", "agents.json"]])
def test_exactly_one_file_of_agents(run: Run, options: list[str]) -> None:
    result = run("simulate", "shop.yml", *options)
    assert (result.exit_code, result.stderr) == (
        2,
        "simulate wants exactly one of --agents FILE and --from-cluster FILE.\n",
    )


@pytest.mark.usefixtures("here")
def test_mistakes_of_the_stack_file_come_first(run: Run) -> None:
    Path("shop.yml").write_text("name: shop\nservices: {web: {imgae: x}}\n", encoding="utf-8")
    result = run("simulate", "shop.yml", "--agents", "nope.yml")
    assert result.exit_code == 2
    assert result.stderr.startswith("shop.yml:2:")


def test_the_executor_takes_what_the_scheduler_gives_it() -> None:
    assert EXECUTOR == EXECUTOR_RESOURCES


# ---- agents.yml -------------------------------------------------------------------


def test_agents_are_what_the_file_says(here: Path) -> None:
    fleet = read_agents("agents.yml")
    assert fleet.executor == Resources(cpus_milli=100, mem_mib=32)
    assert [(one.hostname, dict(one.attributes)) for one in fleet.agents] == [
        ("big1", {"disk": "ssd", "rack": "r1"}),
        ("big2", {"disk": "ssd", "rack": "r2"}),
        ("big3", {"disk": "ssd", "rack": "r1"}),
        ("odd", {}),
    ]
    assert fleet.agents[0].total == Resources(cpus_milli=4000, mem_mib=8192, ports=PortRanges.of([(31000, 32000)]))
    assert fleet.agents[3].total == Resources(
        cpus_milli=1000, mem_mib=2048, disk_mib=10_240, gpus=1, ports=PortRanges.of([(80, 80), (31000, 31004)])
    )
    assert (fleet.agents[3].zone, fleet.region) == ("z1", "")
    plain = (
        "- {count: 2, cpus: 1, memory: 1G, region: [a, b], custom: {bandwidth: 2.5, fpga: [y, x, x]}}\n"
        "- {cpus: 1, memory: 1G}\n"
    )
    (here / "plain.yml").write_text(plain, encoding="utf-8")
    fleet = read_agents("plain.yml")
    assert [(one.hostname, one.region) for one in fleet.agents] == [("agent1", "a"), ("agent2", "b"), ("agent3", "")]
    assert fleet.executor == EXECUTOR
    total = fleet.agents[0].total
    assert total is not None
    assert (total.scalars, total.sets) == ((("bandwidth", 2500),), (("fpga", ("x", "y")),))
    several = "- {count: 2, cpus: 1, memory: 1G, attributes: {rack: [[r1, r2], r3]}}\n"
    (here / "several.yml").write_text(several, encoding="utf-8")
    assert [one.attributes for one in read_agents("several.yml").agents] == [
        (("rack", "r1"), ("rack", "r2")),
        (("rack", "r3"),),
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["a.yml:1:1: wanted a list of agents, each as {cpus: 4, memory: 16G}; got nothing"]),
        ("[]", ["a.yml:1:1: wanted a list of agents, each as {cpus: 4, memory: 16G}; got an empty list"]),
        ("agents:\n", ["a.yml:1:8: agents: wanted a list of agents, each as {cpus: 4, memory: 16G}; got nothing"]),
        ("{region: a}", ["a.yml:1:1: agents: wanted a list of agents, each as {cpus: 4, memory: 16G}; got nothing"]),
        ("just words", ["a.yml:1:1: wanted a list of agents, each as {cpus: 4, memory: 16G}; got 'just words'"]),
        ("- 3", ["a.yml:1:3: [0]: wanted a mapping: agents; got 3"]),
        (
            "- {count: -1, cpus: 0, memory: 512}",
            [
                "a.yml:1:11: [0].count: wanted a whole number from 1 to 20,000; got -1",
                "a.yml:1:21: [0].cpus: wanted a number above 0; got 0",
                "a.yml:1:32: [0].memory: wanted a number and its unit (b, k, m, g or t, of 1024), as 256M; got 512,"
                " without a unit: 512 bytes, or 512M?",
            ],
        ),
        ("- {cpus: 1}", ["a.yml:1:3: [0]: has no memory; wanted what each of the agents has"]),
        ("- {cpus: , memory: 1G}", ["a.yml:1:10: [0].cpus: has no value; give one, or leave the key out"]),
        ("- {cpu: 1, memory: 1G}", ["a.yml:1:4: [0].cpu: unknown key 'cpu' in agents; did you mean cpus?"]),
        (
            "- {cpus: 1, memory: 1G, role: x}",
            ["a.yml:1:25: [0].role: role is of no use here: say what our role may use as cpus, memory and so on"],
        ),
        (
            "- {cpus: 1, memory: 1G, ports: 32000-31000}",
            ["a.yml:1:32: [0].ports: wanted port ranges within 1-65535, as 31000-32000; got '32000-31000'"],
        ),
        (
            "- {cpus: 1, memory: 1G, custom: {cpus: 4}}",
            ["a.yml:1:40: [0].custom.cpus: cpus is no custom resource; give it beside custom"],
        ),
        (
            "- {cpus: 1, memory: 1G, attributes: {rack: []}}",
            [
                "a.yml:1:44: [0].attributes.rack: wanted a text, or a list of texts that agents get in turn; got an"
                " empty list"
            ],
        ),
        (
            "- {count: 2, hostname: big, cpus: 1, memory: 1G}",
            ["a.yml:1:24: [0].hostname: wanted {n} in it, as big{n}: 2 agents have other names"],
        ),
        (
            "- {hostname: a, cpus: 1, memory: 1G}\n- {hostname: a, cpus: 1, memory: 1G}",
            ["a.yml:2:3: [1]: the host name a stands here again; the first is at a.yml:1:3"],
        ),
        ("agents: [{cpus: 1, memory: 1G}]\nexecutor: {cpu: 1}", ["a.yml:2:12: executor.cpu: unknown key 'cpu'"]),
        ("- {cpus: 1, memory: 1G", ["a.yml:1:23: not YAML: wanted ',' or '}' in the mapping"]),
    ],
)
def test_mistakes_of_agents_files(here: Path, run: Run, text: str, lines: list[str]) -> None:
    (here / "a.yml").write_text(text, encoding="utf-8")
    result = run("simulate", "shop.yml", "--agents", "a.yml")
    assert (result.exit_code, result.stdout) == (2, "")
    told = result.stderr.splitlines()
    assert len(told) == len(lines), result.stderr
    for got, wanted in zip(told, lines, strict=True):
        assert got.startswith(wanted)


def test_more_agents_than_are_simulated(here: Path) -> None:
    entry = f"- {{count: {MAX_AGENTS}, cpus: 1, memory: 1G}}\n"
    (here / "many.yml").write_text(entry * 2, encoding="utf-8")
    with pytest.raises(StackError, match="more than 20,000 agents"):
        read_agents("many.yml")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("option", ["--agents", "--from-cluster"])
def test_files_that_are_not_there(run: Run, option: str) -> None:
    result = run("simulate", "shop.yml", option, "nope.yml")
    assert (result.exit_code, result.stderr) == (2, "nope.yml: cannot be read: no such file or directory\n")


def test_files_that_are_too_large(here: Path) -> None:
    with pytest.raises(StackError, match="the file has more than 10 bytes, which is the most that is read"):
        content_of(str(here / "agents.yml"), 10)


# ---- what `framework agents --json` printed ------------------------------------------


def _cluster(serve: Serve, run: Run, front: FakeFront) -> str:
    tasks = [a_task(WEB, 0, 1, agent=1), a_task(WEB, 1, 2, agent=2)]
    free = replace(AGENT, cpus_milli=900)
    total = replace(AGENT, scalars=(("bandwidth", 1500),), sets=(("fpga", ("a", "b")),))
    agents = [
        an_agent(1, free=free, attributes=(("rack", "r1"), ("rack", "r9"))),
        an_agent(2, total=total, free=replace(total, cpus_milli=900), attributes=(("rack", "r2"),)),
        an_agent(3, attributes=(("rack", "r1"),), unavailable="is draining"),
        an_agent(4, total=None),
    ]
    front.view = a_view([a_stack("shop", [a_group(WEB, instances=2, tasks=tasks)])], agents=agents)
    serve()
    return run("agents", "--json").stdout


def test_a_cluster_as_it_was_printed(serve: Serve, run: Run, front: FakeFront, here: Path) -> None:
    (here / "agents.json").write_text(_cluster(serve, run, front), encoding="utf-8")
    fleet = read_cluster("agents.json")
    printed = [replace(one.agent, address="", port=0) for one in front.view.agents.values()]
    assert list(fleet.agents) == printed
    assert {agent: sum(tasks.values()) for agent, tasks in fleet.counts[WEB].items()} == {"agent-1": 1, "agent-2": 1}
    assert sorted(fleet.present) == ["agent-1", "agent-2"]
    assert dict(fleet.unavailable) == {"agent-3": "is draining"}
    assert fleet.executor == front.view.executor


def test_tasks_of_the_stack_that_run_already_stay(serve: Serve, run: Run, front: FakeFront, here: Path) -> None:
    (here / "agents.json").write_text(_cluster(serve, run, front), encoding="utf-8")
    (here / "web.yml").write_text(
        "name: shop\nservices: {web: {image: x, instances: 3, resources: {cpus: 0.5, memory: 64M}}}\n", encoding="utf-8"
    )
    result = run("simulate", "web.yml", "--from-cluster", "agents.json")
    assert result.exit_code == 0
    assert "  shop/web: 3/3 placed on 2 agents; 2 of them run already\n" in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "c.json:1:1: not JSON: Expecting value; wanted what `framework agents --json` printed"),
        ("{'a': 1}", "c.json:1:2: not JSON"),
        ("[]", "c.json: wanted an object, as `framework agents --json` printed it; got []"),
        ("{}", "c.json: agents: wanted a list of agents; got nothing"),
        ('{"agents": []}', "c.json: agents: wanted at least one agent; got an empty list"),
        ('{"agents": [3]}', "c.json: agents[0]: wanted an agent; got 3"),
        ('{"agents": [{}]}', "c.json: agents[0].id: is missing; wanted the agent's id"),
        ('{"agents": [{"id": 3}]}', "c.json: agents[0].id: wanted a text; got 3"),
        ('{"agents": [{"id": "a"}, {"id": "a"}]}', "c.json: agents: wanted each agent once; got an id twice"),
        ('{"agents": [{"id": "a", "state": "odd"}]}', "c.json: agents[0].state: wanted one of active, draining, "),
        (
            '{"agents": [{"id": "a", "total": {"cpus": -1}}]}',
            "c.json: agents[0].total.cpus: wanted a number from 0 to 1,000,000,000,000; got -1",
        ),
        (
            '{"agents": [{"id": "a", "total": {"cpus": 1e308}}]}',
            "c.json: agents[0].total.cpus: wanted a number from 0 to 1,000,000,000,000; got 1e+308",
        ),
        (
            '{"agents": [{"id": "a", "free": {"mem_mib": Infinity}}]}',
            "c.json: agents[0].free.mem_mib: wanted a number from 0 to 1,000,000,000,000; got inf",
        ),
        (
            f'{{"executor": {{"cpus": 1{"0" * 400}}}, "agents": [{{"id": "a"}}]}}',
            "c.json: executor.cpus: wanted a number from 0 to 1,000,000,000,000; got 1000",
        ),
        (
            '{"agents": [{"id": "a", "tasks": [{"group": "shop/web", "version": "v", "count": 1e11}]}]}',
            "c.json: agents[0].tasks[0].count: wanted a number from 0 to 100,000; got 100000000000.0",
        ),
        (
            '{"agents": [{"id": "a", "free": {"custom": {"x": true}}}]}',
            "c.json: agents[0].free.custom.x: wanted a number from 0 to 1,000,000,000,000; got True",
        ),
        ('{"agents": [{"id": "a", "free": {"ports": "x"}}]}', "c.json: agents[0].free.ports: wanted port ranges"),
        ('{"agents": [{"id": "a", "free": {"ports": 3}}]}', "c.json: agents[0].free.ports: wanted a text; got 3"),
        (
            '{"agents": [{"id": "a", "tasks": [{"group": "web"}]}]}',
            "c.json: agents[0].tasks[0].group: wanted a group, as shop/web[prod]; got 'web'",
        ),
        ('{"agents": [{"id": "a", "attributes": []}]}', "c.json: agents[0].attributes: wanted names and texts; got []"),
    ],
)
def test_mistakes_of_cluster_files(here: Path, run: Run, text: str, said: str) -> None:
    (here / "c.json").write_text(text, encoding="utf-8")
    result = run("simulate", "shop.yml", "--from-cluster", "c.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
