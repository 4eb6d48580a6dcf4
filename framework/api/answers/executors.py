"""The answer about our executors."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field

from framework.api.answers.base import Shape, Standing, standing
from framework.core.views import View
from specs.executor_ids import is_version_of
from specs.ids import ExecutorId


class ExecutorLine(Shape):
    agent: Annotated[str, Field(examples=["agent1"])]
    agent_id: str
    executor_id: Annotated[str, Field(examples=["framework-executor-0123456789ab@10.0.0.9~8080"])]
    is_current: Annotated[bool, Field(description="whether it is of the version under which new tasks run")]
    tasks: Annotated[int, Field(examples=[12])]


class ExecutorsAnswer(Standing):
    """Our executors that have tasks, by agent; and the roll that is under way."""

    current: Annotated[str, Field(description="under which new tasks run, where the agent has none of its version")]
    is_rolling: bool
    rolling: Annotated[str, Field(description="the agent that is at it; empty where none is", examples=["agent1"])]
    to_roll: Annotated[int, Field(description="how many agents follow", examples=[3])]
    roll_problem: Annotated[str, Field(description="why the last roll was given up; empty where it was not")]
    executors: list[ExecutorLine]


def executors_answer(view: View) -> ExecutorsAnswer:
    """Our executors that have tasks."""
    return {
        **standing(view),
        "current": view.executor_id,
        "rolling": view.upgrading_agent,
        "to_roll": view.agents_to_upgrade,
        "is_rolling": view.is_upgrading_executors,
        "roll_problem": view.executor_upgrade_problem,
        "executors": _executor_lines(view),
    }


def _executor_lines(view: View) -> list[ExecutorLine]:
    tasks = (task for stack in view.stacks.values() for group in stack.groups for task in group.tasks)
    counts = Counter((task.hostname, task.agent_id, task.executor_id) for task in tasks)
    return [
        {
            "agent": hostname,
            "agent_id": agent_id,
            "executor_id": executor_id,
            "is_current": is_version_of(executor_id, ExecutorId(view.executor_id)),
            "tasks": counts[hostname, agent_id, executor_id],
        }
        for hostname, agent_id, executor_id in sorted(counts)
    ]
