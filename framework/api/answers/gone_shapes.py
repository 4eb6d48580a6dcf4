"""The shapes of requests and answers about agents that are gone, as the OpenAPI page tells them."""

from __future__ import annotations

from pydantic import Field

from framework.api.answers.shapes import Shape


class GoneBody(Shape):
    anyway: bool = Field(False, description="also where the agent is registered with the master")
    message: str = Field("", description="why, for the scheduler's log", max_length=500)
    by: str = Field("", description="who", max_length=200, examples=["anna@desk"])


class AgentLoss(Shape):
    agent: str = Field(description="its host name", examples=["agent3"])
    agent_id: str
    alive: str = Field(description="how the master has it registered, in a phrase; empty where it has not")
    tasks: list[str] = Field(description="ours that have not ended there")
    slots: list[str] = Field(description="those of these tasks", examples=[["shop/web[prod]/2"]])
    volumes: list[str] = Field(
        description="on the agent itself, of groups that have or had a task there", examples=[["/data: of shop/db"]]
    )
    stacks: list[str] = Field(description="they are being removed, and wait for the agent", examples=[["shop"]])


class LossAnswer(AgentLoss):
    others: dict[str, int] = Field(description="tasks of other frameworks there, by the frameworks' names")
    others_problem: str = Field(description="why these are not known; empty where they are")


class GoneAnswer(AgentLoss):
    message: str
