"""docs/placement.md: each of its drawings is placed, and must come out as it is drawn. GOLDEN=write draws them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from placement.agent import Agent
from placement.cluster import Cluster
from placement.cluster_snapshot import ClusterSnapshot
from placement.engine import place
from placement.occupancy import Occupancy
from placement.request import Request
from specs.file.load import load_stack
from specs.ids import AgentId, VersionId, group_id
from specs.model.operators import Operator
from specs.model.resources import Resources
from specs.model.stack import Group

PAGE = Path(__file__).resolve().parents[3] / "docs" / "placement.md"
_BLOCK = re.compile(r"```placement\n(.*?)\n```", re.DOTALL)
_TASK, _NONE = "●", "."
_COUNTED = ("web", "redis", "batch")
_GROUPS = {name: group_id("shop", name) for name in _COUNTED}


def drawings() -> list[str]:
    """The inside of each drawing."""
    return _BLOCK.findall(PAGE.read_text())


@pytest.mark.parametrize("number", range(len(drawings())), ids=lambda number: drawings()[number].splitlines()[0])
def test_a_drawing_comes_out_as_it_is_drawn(number: int) -> None:
    drawing = drawings()[number]
    again = _drawn(drawing)
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(PAGE.read_text().replace(drawing, again))
    else:
        assert again == drawing


def _drawn(drawing: str) -> str:
    settings, _, table = drawing.partition("\n\n")
    rows = {words[0]: words[1:] for line in table.splitlines() if (words := re.split(r"\s{2,}", line.strip()))}
    rows = {name: cells for name, cells in rows.items() if name not in ("tasks", "waiting")}
    group = _group(settings)
    agents = [_agent(column, rows) for column in range(len(rows["agent"]))]
    counts = {
        _GROUPS[name]: {
            agent.id: {VersionId("v"): cell.count(_TASK)} for agent, cell in zip(agents, rows[name], strict=True)
        }
        for name in _COUNTED
        if name in rows
    }
    free = {agent.id: agent.free for agent in agents if agent.free is not None}
    snapshot = ClusterSnapshot(cluster=Cluster(agents), free=free, occupancy=Occupancy(counts=counts))
    already = sum(cell.count(_TASK) for cell in rows.get("web", ()))
    request = Request(
        group=group.id,
        version=VersionId("v"),
        slots=tuple(range(already, group.instances)),
        instances=group.instances,
        resources=group.resources,
        rules=group.rules,
    )
    result = place([request], snapshot, seed=1)
    came = {agent.id: 0 for agent in agents}
    for placement in result.placements:
        came[placement.agent_id] += 1
    rows["tasks"] = [_TASK * came[agent.id] or _NONE for agent in agents]
    lines = _aligned(rows)
    refused = result.refusals.get(group.id)
    if refused:
        lines.append(f"waiting   {len(refused.slots)}: {refused.sentence()}")
    return "\n".join([settings, "", *lines])


def _group(settings: str) -> Group:
    inside = settings.strip()[1:-1]
    others = ", ".join(f"{name}: {{image: x}}" for name in _COUNTED[1:])
    text = f"services: {{web: {{image: x, resources: {{cpus: 0.5, memory: 128M}}, {inside}}}, {others}}}"
    stack = load_stack(text, name="shop", variables={})
    return next(group for group in stack.groups if group.id == _GROUPS["web"])


def _agent(column: int, rows: dict[str, list[str]]) -> Agent:
    known = {name: cells[column] for name, cells in rows.items()}
    cpus = round(float(known.pop("cpus", "4")) * 1000)
    name = known.pop("agent")
    attributes = {field: value for field, value in known.items() if field not in _COUNTED and value != "-"}
    return Agent(
        id=AgentId(name),
        hostname=name,
        attributes=tuple(sorted(attributes.items())),
        total=Resources(cpus_milli=4000, mem_mib=4096),
        free=Resources(cpus_milli=cpus, mem_mib=4096),
    )


def _aligned(rows: dict[str, list[str]]) -> list[str]:
    first = max(len(name) for name in [*rows, "waiting"]) + 3
    widths = [max(len(cells[column]) for cells in rows.values()) + 3 for column in range(len(rows["agent"]))]
    return [
        (name.ljust(first) + "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))).rstrip()
        for name, cells in rows.items()
    ]


def test_every_operator_is_drawn_or_named() -> None:
    text = PAGE.read_text()
    assert [operator.value for operator in Operator if operator.value not in text] == []
