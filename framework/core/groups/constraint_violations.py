"""Tasks that are where a rule that has changed would not put them: they move with the rollout of that change."""

from __future__ import annotations

from framework.core.groups.rollout_gate import active_rollout
from framework.core.model import GroupSpec
from framework.core.state.context import Context
from placement.request import Tenants
from placement.violations import violations
from specs.ids import AgentId
from specs.states import Goal


def misplaced(context: Context, spec: GroupSpec) -> dict[int, str]:
    """The held slots of a group that break its rules, with the reasons; none unless the rollout of now changed these.

    What agents' attributes become later moves nothing: a rule is asked where something is placed.
    """
    active = active_rollout(context, spec.id)
    was = active.rollout.was(spec.id) if active is not None and not active.part.is_done else None
    if was is None or was.rules == spec.rules:
        return {}
    state, index = context.state, context.state.group(spec.id)
    held: dict[int, AgentId] = {
        slot: state.tasks[id].agent_id for slot, id in index.holders.items() if state.tasks[id].goal is Goal.RUN
    }
    tenants = Tenants(counts=state.counts, apart=state.apart)
    return violations(spec.id, spec.rules, held, context.agents.cluster, tenants)
