"""Executors without tasks on agents that drain: they are told to end.

To Mesos an agent drains for as long as an executor is on it, and drops what is launched there until then. By itself an
executor ends only when it has had no task for a while. Where maintenance is planned it stays: of an agent without an
executor of ours Mesos does not ask whether we have left.
"""

from __future__ import annotations

from collections.abc import Iterable

from framework.core.agents import LEAVING
from framework.core.commands import Leave
from framework.core.context import Context
from specs.ids import AgentId


def dismiss(context: Context, agents: Iterable[AgentId]) -> None:
    """Tells the executors of ended tasks on these agents to leave, as far as no task of theirs lives."""
    books = context.books
    present = context.agents.present
    asked = dict.fromkeys(id for id in agents if id in present and present[id].state in LEAVING)
    if not asked:
        return
    idle = dict.fromkeys(
        (task.agent_id, task.executor_id)
        for task in books.tasks.values()
        if task.agent_id in asked and task.executor_id not in books.executors.get(task.agent_id, {})
    )
    for agent_id, executor_id in idle:
        context.after_all_saves(Leave(agent_id=agent_id, executor_id=executor_id))
