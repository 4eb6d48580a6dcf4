"""The answer to why a slot has no task, or why its task is where it is."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from framework.api.answers.base import Shape, Standing, standing
from framework.api.answers.plans import CureLine, cure_line
from framework.core.read.explain import Told
from framework.core.views import View
from placement.explanation import AgentVerdicts
from specs.ids import AgentId


class VerdictLine(Shape):
    """How an agent stands to a rule."""

    rule: Annotated[str, Field(examples=["cpus"])]
    is_met: bool
    wanted: Annotated[str, Field(examples=["2"])]
    got: Annotated[str, Field(examples=["1.5"])]


class Worth(Shape):
    reason: Annotated[str, Field(examples=["disk == ssd"])]
    points: Annotated[int, Field(examples=[50])]


class ExplainRow(Shape):
    """An agent and all rules."""

    agent_id: str
    agent: Annotated[str, Field(description="its hostname", examples=["agent1"])]
    is_own: Annotated[bool, Field(description="whether the slot's task is there")]
    fits: bool
    rank: Annotated[int, Field(description="1: the agent that is taken next; 0: it does not fit", examples=[1])]
    points: Annotated[int, Field(description="what it is worth by preferences", examples=[50])]
    worth: list[Worth]
    tasks: Annotated[int, Field(description="of the group")]
    free_share: Annotated[float, Field(description="0 to 1", examples=[0.75])]
    verdicts: list[VerdictLine]


class ExplainAnswer(Standing):
    """Why: `sentences`, the answer first; rows with those that fit first."""

    group: Annotated[str, Field(examples=["shop/web[prod]"])]
    slot: Annotated[
        int | None, Field(description="null where it is about one task more than the group wants", examples=[2])
    ]
    task: Annotated[
        str, Field(description="the one in the slot; empty where it waits", examples=["shop.web.prod.2.17"])
    ]
    fits: Annotated[bool, Field(description="whether the slot has a task, or would get one now")]
    sentences: list[str]
    agents: Annotated[int, Field(description="all that are known", examples=[12])]
    fitting: Annotated[int, Field(examples=[0])]
    rows: list[ExplainRow]
    rows_left: Annotated[int, Field(description="rows over the limit", examples=[0])]
    cures: list[CureLine]


def explain_answer(view: View, told: Told, *, agent: str, limit: int) -> ExplainAnswer:
    """An explanation: at most `limit` rows, of agents whose host name or id matches `agent`. The row of the agent on
    which the task runs is always there."""
    rows = told.explanation.rows
    matching = [
        row for row in rows if not agent or fnmatchcase(row.hostname, agent) or fnmatchcase(row.agent_id, agent)
    ]
    shown = matching[:limit]
    shown += [row for row in matching[limit:] if row.agent_id == told.agent_id]
    return {
        **standing(view),
        "group": str(told.group),
        "slot": told.slot,
        "task": told.task or "",
        "fits": told.fits,
        "sentences": list(told.sentences),
        "agents": len(rows),
        "fitting": sum(row.fits for row in rows),
        "rows": [_row(row, told.agent_id) for row in shown],
        "rows_left": len(matching) - len(shown),
        "cures": [cure_line(cure) for cure in told.explanation.cures],
    }


def _row(row: AgentVerdicts, own: AgentId | None) -> ExplainRow:
    return {
        "agent_id": row.agent_id,
        "agent": row.hostname,
        "is_own": row.agent_id == own,
        "fits": row.fits,
        "rank": row.rank,
        "points": row.points,
        "worth": [{"reason": reason, "points": points} for reason, points in row.worth],
        "tasks": row.tasks,
        "free_share": round(row.free_share, 4),
        "verdicts": [
            {"rule": verdict.rule, "is_met": verdict.is_met, "wanted": verdict.wanted, "got": verdict.got}
            for verdict in row.verdicts
        ],
    }
