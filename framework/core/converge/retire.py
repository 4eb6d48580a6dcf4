"""Executors without tasks on agents that drain: they are told to end.

To Mesos an agent drains for as long as an executor is on it, and drops what is launched there until then. By itself an
executor ends only when it has had no task for a while. Where maintenance is planned it stays: of an agent without an
executor of ours Mesos does not ask whether we have left.
"""

from __future__ import annotations

from collections.abc import Iterable

from framework.core.commands import Retire
from framework.core.state.agents import DRAINING
from framework.core.state.context import Context
from specs.ids import AgentId, ExecutorId


def dismiss_idle(context: Context, agents: Iterable[AgentId]) -> None:
    """Retires the executors of ended tasks on these agents, as far as no task of theirs lives."""
    asked = dict.fromkeys(agents)
    if asked:
        tasks = context.state.tasks.values()
        for agent_id, executor_id in dict.fromkeys(
            (task.agent_id, task.executor_id) for task in tasks if task.agent_id in asked
        ):
            dismiss(context, agent_id, executor_id)


def dismiss(context: Context, agent_id: AgentId, executor_id: ExecutorId) -> None:
    """Retires an executor, if its agent drains and no task of it lives."""
    agent = context.agents.present.get(agent_id)
    if agent is None or agent.state not in DRAINING or executor_id in context.state.executors.get(agent_id, {}):
        return
    context.after_all_saves(Retire(agent_id=agent_id, executor_id=executor_id))
