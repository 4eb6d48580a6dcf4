"""Answers about what would happen: the plan of a submit or of a rollback."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from framework.api.answers.base import Shape
from framework.core.read.plan import GroupPlan, Plan
from framework.core.views import View
from placement.explanation import Cure
from specs.ids import AgentId
from specs.model.difference import GroupDifference


class FieldChange(Shape):
    """A setting, before and after; null where it has its default."""

    path: Annotated[str, Field(examples=["environment.LOG"])]
    old: Annotated[Any, Field(examples=["info"])]
    new: Annotated[Any, Field(examples=["debug"])]


class GroupChange(Shape):
    group: Annotated[str, Field(examples=["shop/web[prod]"])]
    change: Annotated[
        str,
        Field(
            description="added, removed, replaced (new tasks), applied (in place), scaled or metadata",
            examples=["replaced"],
        ),
    ]
    old_instances: int
    new_instances: int
    fields: list[FieldChange]


class CureLine(Shape):
    """A change after which the group was placed again: on how many agents the next slot would fit, and how many of the
    missing slots found a place."""

    text: Annotated[str, Field(examples=["with cpus <= 1.5"])]
    agents: Annotated[int, Field(examples=[3])]
    slots: Annotated[int, Field(examples=[2])]


class Placed(Shape):
    slot: Annotated[int, Field(examples=[0])]
    agent_id: str
    agent: Annotated[str, Field(description="its hostname", examples=["agent1"])]
    host_ports: Annotated[list[int], Field(examples=[[31002]])]


class Unplaced(Shape):
    """Slots for which there is no place now; `cures` are looked for of the first groups only."""

    slots: Annotated[list[int], Field(examples=[[2, 3]])]
    sentence: Annotated[str, Field(examples=["0/12 agents fit: 7 cpus (wanted 2, best 1.5), 5 rack (wanted r1)"])]
    cures: list[CureLine]


class GroupPlanLine(Shape):
    """The plan of a group: of `wanted` slots `kept` stay as they are."""

    group: Annotated[str, Field(examples=["shop/web[prod]"])]
    change: Annotated[
        str, Field(description="unchanged, added, replaced, applied, scaled or metadata", examples=["replaced"])
    ]
    note: Annotated[str, Field(description="why nothing would be placed; empty where that is not so")]
    follows: Annotated[
        str,
        Field(
            description="what becomes of it because another service is changed; empty where nothing does",
            examples=["is restarted, as shop/redis is changed"],
        ),
    ]
    moves: Annotated[
        list[str],
        Field(
            description="of each task that runs and goes elsewhere, which of the rules that were changed it breaks",
            examples=[["agent agent1 breaks the rule rack == r2"]],
        ),
    ]
    wanted: Annotated[int, Field(examples=[4])]
    kept: Annotated[int, Field(examples=[2])]
    placements: list[Placed]
    unplaced: Unplaced | None


class PlanAnswer(Shape):
    """The changes of a plan, and where new tasks would go now. `index` goes into ?if_unchanged, so that just this
    happens; `problem` is what keeps tasks from being placed now, whatever they want."""

    stack: Annotated[str, Field(examples=["shop"])]
    index: Annotated[int, Field(examples=[7])]
    is_new: bool
    changes: list[GroupChange]
    groups: list[GroupPlanLine]
    warnings: list[str]
    problem: str


def plan_answer(view: View, plan: Plan) -> PlanAnswer:
    """A plan."""
    return {
        "stack": plan.stack,
        "index": plan.index,
        "is_new": plan.is_new,
        "changes": [_group_change(change) for change in plan.changes],
        "groups": [_group_plan_line(view, group) for group in plan.groups],
        "warnings": list(plan.warnings),
        "problem": plan.problem,
    }


def cure_line(cure: Cure) -> CureLine:
    """A change that would help."""
    return {"text": cure.text, "agents": cure.agents, "slots": cure.slots}


def _group_change(change: GroupDifference) -> GroupChange:
    return {
        "group": str(change.group),
        "change": change.change.value,
        "old_instances": change.old_instances,
        "new_instances": change.new_instances,
        "fields": [{"path": field.path, "old": field.old, "new": field.new} for field in change.fields],
    }


def _group_plan_line(view: View, group: GroupPlan) -> GroupPlanLine:
    outcome = group.outcome
    return {
        "group": str(group.group),
        "change": group.change.value if group.change else "unchanged",
        "note": group.note,
        "follows": group.follows,
        "moves": list(group.moves),
        "wanted": outcome.wanted,
        "kept": outcome.kept,
        "placements": [
            {
                "slot": placement.slot,
                "agent_id": placement.agent_id,
                "agent": _hostname(view, placement.agent_id),
                "host_ports": list(placement.host_ports),
            }
            for placement in outcome.placements
        ],
        "unplaced": _unplaced(group),
    }


def _unplaced(group: GroupPlan) -> Unplaced | None:
    refused = group.outcome.refused
    if not refused:
        return None
    return {
        "slots": list(refused.slots),
        "sentence": refused.sentence(),
        "cures": [cure_line(cure) for cure in group.outcome.cures],
    }


def _hostname(view: View, agent: AgentId) -> str:
    known = view.agents.get(agent)
    return known.agent.hostname if known else agent
