"""The shapes of requests and answers about our executors, as the OpenAPI page tells them."""

from __future__ import annotations

from pydantic import Field

from framework.api.answers.shapes import Requested, Shape, Standing


class ExecutorLine(Shape):
    agent: str = Field(examples=["agent1"])
    agent_id: str
    executor_id: str = Field(examples=["framework-executor-0123456789ab@10.0.0.9~8080"])
    is_current: bool = Field(description="whether it is of the version under which new tasks run")
    tasks: int = Field(examples=[12])


class ExecutorsAnswer(Standing):
    """Our executors that have tasks, by agent; and the roll that is under way."""

    current: str = Field(description="under which new tasks run, where the agent has none of its version")
    is_rolling: bool
    rolling: str = Field(description="the agent that is at it; empty where none is", examples=["agent1"])
    to_roll: int = Field(description="how many agents follow", examples=[3])
    roll_problem: str = Field(description="why the last roll was given up; empty where it was not")
    executors: list[ExecutorLine]


class RollBody(Requested):
    """On which agents tasks move from older executors to the current one."""

    agent: str = Field(default="*", max_length=200, description="their host names or ids; * and ? are any")
    processes: bool = Field(default=False, strict=True, description="also where plain processes are restarted by it")
