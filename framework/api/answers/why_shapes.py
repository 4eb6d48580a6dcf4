"""The shapes of what is answered before it happens, and why: plans, explanations, agents."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from framework.api.answers.shapes import Amounts, Shape, Standing


class FieldChange(Shape):
    """A setting, before and after; null where it has its default."""

    path: str = Field(examples=["environment.LOG"])
    old: Any = Field(examples=["info"])
    new: Any = Field(examples=["debug"])


class GroupChange(Shape):
    group: str = Field(examples=["shop/web[prod]"])
    change: str = Field(
        description="added, removed, replaced (new tasks), applied (in place), scaled or metadata",
        examples=["replaced"],
    )
    old_instances: int
    new_instances: int
    fields: list[FieldChange]


class CureLine(Shape):
    """A change after which the group was placed again: on how many agents the next slot would fit, and how many of the
    missing slots found a place."""

    text: str = Field(examples=["with cpus <= 1.5"])
    agents: int = Field(examples=[3])
    slots: int = Field(examples=[2])


class Placed(Shape):
    slot: int = Field(examples=[0])
    agent_id: str
    agent: str = Field(description="its hostname", examples=["agent1"])
    host_ports: list[int] = Field(examples=[[31002]])


class Unplaced(Shape):
    """Slots for which there is no place now; `cures` are looked for of the first groups only."""

    slots: list[int] = Field(examples=[[2, 3]])
    sentence: str = Field(examples=["0/12 agents fit: 7 cpus (wanted 2, best 1.5), 5 rack (wanted r1)"])
    cures: list[CureLine]


class GroupPlanLine(Shape):
    """What would become of a group: of `wanted` slots `kept` stay as they are."""

    group: str = Field(examples=["shop/web[prod]"])
    change: str = Field(description="unchanged, added, replaced, applied, scaled or metadata", examples=["replaced"])
    note: str = Field(description="why nothing would be placed; empty where that is not so")
    follows: str = Field(
        description="what becomes of it because another service is changed; empty where nothing does",
        examples=["is restarted, as shop/redis is changed"],
    )
    moves: list[str] = Field(
        description="of each task that runs and goes elsewhere, which of the rules that were changed it breaks",
        examples=[["agent agent1 breaks the rule rack == r2"]],
    )
    wanted: int = Field(examples=[4])
    kept: int = Field(examples=[2])
    placements: list[Placed]
    unplaced: Unplaced | None


class PlanAnswer(Shape):
    """What would change, and where new tasks would go now. `index` is what to hand to ?if_unchanged, so that just this
    happens; `problem` is what keeps tasks from being placed now, whatever they want."""

    stack: str = Field(examples=["shop"])
    index: int = Field(examples=[7])
    is_new: bool
    changes: list[GroupChange]
    groups: list[GroupPlanLine]
    warnings: list[str]
    problem: str


class VerdictLine(Shape):
    """How an agent stands to a rule."""

    rule: str = Field(examples=["cpus"])
    is_met: bool
    wanted: str = Field(examples=["2"])
    got: str = Field(examples=["1.5"])


class Worth(Shape):
    reason: str = Field(examples=["disk == ssd"])
    points: int = Field(examples=[50])


class ExplainRow(Shape):
    """An agent and all rules."""

    agent_id: str
    agent: str = Field(description="its hostname", examples=["agent1"])
    is_own: bool = Field(description="whether the slot's task is there")
    fits: bool
    rank: int = Field(description="1: the agent that is taken next; 0: it does not fit", examples=[1])
    points: int = Field(description="what it is worth by preferences", examples=[50])
    worth: list[Worth]
    tasks: int = Field(description="of the group")
    free_share: float = Field(description="0 to 1", examples=[0.75])
    verdicts: list[VerdictLine]


class ExplainAnswer(Standing):
    """Why: `sentences`, the answer first; rows with those that fit first."""

    group: str = Field(examples=["shop/web[prod]"])
    slot: int | None = Field(description="null where it is about one task more than the group wants", examples=[2])
    task: str = Field(description="the one in the slot; empty where it waits", examples=["shop.web.prod.2.17"])
    fits: bool = Field(description="whether the slot has a task, or would get one now")
    sentences: list[str]
    agents: int = Field(description="all that are known", examples=[12])
    fitting: int = Field(examples=[0])
    rows: list[ExplainRow]
    rows_left: int = Field(description="rows over the limit", examples=[0])
    cures: list[CureLine]


class AgentTasks(Shape):
    group: str = Field(examples=["shop/web[prod]"])
    version: str = Field(examples=["3f2a9c1d0b7e"])
    count: int = Field(examples=[2])


class AgentLine(Shape):
    id: str
    hostname: str = Field(examples=["agent1"])
    address: str = Field(examples=["10.0.0.5"])
    port: int = Field(examples=[5051])
    region: str
    zone: str
    attributes: dict[str, str | list[str]] = Field(
        description="a list where the agent was given an attribute several times", examples=[{"rack": "r1"}]
    )
    state: str = Field(description="active, draining, drained, deactivated or disconnected", examples=["active"])
    unavailable: str = Field(description="why no task goes there; empty where some may", examples=["is draining"])
    maintenance: list[float | None] | None = Field(
        description="its begin and its end (null: none is planned), seconds since 1970", examples=[[1732170000.5, None]]
    )
    total: Amounts | None = Field(description="what our role may use; null where the master did not tell")
    free: Amounts | None = Field(description="of that, what nobody used when the master was last asked")
    offered: Amounts | None = Field(description="what the scheduler holds in offers now")
    tasks: list[AgentTasks] = Field(description="ours")


class AgentsAnswer(Standing):
    """All agents that are known, by host name."""

    agents_problem: str = Field(description="why the master did not tell its agents; empty where it did")
    region: str = Field(description="the master's")
    executor: Amounts
    agents: list[AgentLine]
