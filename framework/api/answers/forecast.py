"""Plans and explanations as plain values for JSON. framework/api/shapes.py describes the same."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from framework.api.answers.picture import amounts_plain, standing
from framework.core.read.explain import Told
from framework.core.read.plan import GroupPlan, Plan
from framework.core.views import AgentView, View
from placement.agent import Agent
from placement.explanation import AgentVerdicts, Cure
from specs.ids import AgentId
from specs.model.difference import GroupDifference
from specs.states import TaskState

Plain = dict[str, Any]


def plan_plain(view: View, plan: Plan) -> Plain:
    """A plan."""
    return {
        "stack": plan.stack,
        "index": plan.index,
        "is_new": plan.is_new,
        "changes": [_change_plain(change) for change in plan.changes],
        "groups": [_group_plain(view, group) for group in plan.groups],
        "warnings": list(plan.warnings),
        "problem": plan.problem,
    }


def _change_plain(change: GroupDifference) -> Plain:
    return {
        "group": str(change.group),
        "change": change.change.value,
        "old_instances": change.old_instances,
        "new_instances": change.new_instances,
        "fields": [{"path": field.path, "old": field.old, "new": field.new} for field in change.fields],
    }


def _group_plain(view: View, group: GroupPlan) -> Plain:
    outcome = group.outcome
    refused = outcome.refused
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
        "unplaced": {
            "slots": list(refused.slots),
            "sentence": refused.sentence(),
            "cures": [_cure_plain(cure) for cure in outcome.cures],
        }
        if refused
        else None,
    }


def told_plain(view: View, told: Told, *, agent: str, limit: int) -> Plain:
    """An explanation: at most `limit` rows, of agents whose host name or id matches `agent`; the row of the agent on
    which the task is always."""
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
        "rows": [_row_plain(row, told.agent_id) for row in shown],
        "rows_left": len(matching) - len(shown),
        "cures": [_cure_plain(cure) for cure in told.explanation.cures],
    }


def _row_plain(row: AgentVerdicts, own: AgentId | None) -> Plain:
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


def _cure_plain(cure: Cure) -> Plain:
    return {"text": cure.text, "agents": cure.agents, "slots": cure.slots}


def agents_plain(view: View) -> Plain:
    """All agents, by host name, with our tasks on them."""
    tasks: dict[str, dict[tuple[str, str], int]] = {}
    for stack in view.stacks.values():
        for group in stack.groups:
            for task in group.tasks:
                if not task.state.is_terminal and task.state is not TaskState.UNREACHABLE:
                    counts = tasks.setdefault(task.agent_id, {})
                    key = (str(task.group), task.version)
                    counts[key] = counts.get(key, 0) + 1
    agents = sorted(view.agents.values(), key=lambda one: (one.agent.hostname, one.agent.id))
    return {
        **standing(view),
        "agents_problem": view.agents_problem,
        "region": view.region,
        "executor": amounts_plain(view.executor),
        "agents": [{**_agent_plain(one), "tasks": list(_tasks(tasks.get(one.agent.id, {})))} for one in agents],
    }


def _agent_plain(one: AgentView) -> Plain:
    agent = one.agent
    return {
        "id": agent.id,
        "hostname": agent.hostname,
        "address": agent.address,
        "port": agent.port,
        "region": agent.region,
        "zone": agent.zone,
        "attributes": _attributes_plain(agent),
        "state": agent.state.value,
        "unavailable": one.unavailable,
        "maintenance": [_finite(moment) for moment in agent.window] if agent.window else None,
        "total": amounts_plain(agent.total) if agent.total else None,
        "free": amounts_plain(agent.free) if agent.free else None,
        "offered": amounts_plain(one.offered) if one.offered else None,
    }


def _attributes_plain(agent: Agent) -> dict[str, str | list[str]]:
    """By name; a list where the agent has several values."""
    found: dict[str, list[str]] = {}
    for name, text in agent.attributes:
        found.setdefault(name, []).append(text)
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in found.items()}


def _tasks(counts: dict[tuple[str, str], int]) -> Iterator[Plain]:
    for group, version in sorted(counts):
        yield {"group": group, "version": version, "count": counts[group, version]}


def _finite(moment: float) -> float | None:
    return None if moment == float("inf") else moment


def _hostname(view: View, agent: AgentId) -> str:
    known = view.agents.get(agent)
    return known.agent.hostname if known else agent
