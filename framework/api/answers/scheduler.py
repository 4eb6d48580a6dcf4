"""Answers about the scheduler itself: what it is, who leads, and what it wants to be approved."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from framework.api.answers.base import Seconds, Shape, Standing, standing
from framework.api.info import ExecutorFile, ServerInfo
from framework.core.model import Instant
from framework.core.views import View
from framework.ports import Member, Members


class InfoAnswer(Shape):
    version: Annotated[str, Field(examples=["0.1.0"])]
    name: Annotated[str, Field(description="the framework's name in Mesos", examples=["framework"])]
    role: Annotated[str, Field(examples=["*"])]
    framework_id: Annotated[str | None, Field(examples=["6d1f7b0c-8a2e-4f57-9a39-3f0a6d3c1b11-0000"])]
    master: Annotated[str, Field(description="host:port, empty where there is none", examples=["10.0.0.1:5050"])]
    leader: Annotated[str, Field(description="host:port of the scheduler that answers", examples=["10.0.0.9:8080"])]
    started_at: Seconds
    uptime_seconds: Annotated[float, Field(examples=[3600.0])]
    executor_sha256: str
    executor_url_path: str
    connection: Annotated[str, Field(examples=["subscribed"])]
    problem: Annotated[str, Field(description="what keeps the scheduler from its work; empty where nothing does")]


class ReadyAnswer(Shape):
    connection: Annotated[str, Field(examples=["subscribed"])]
    message: Annotated[str, Field(examples=["Subscribed to the master at 10.0.0.1:5050."])]


class QuestionLine(Shape):
    """A step that waits for the approval of an operator, and its `effect` once approved."""

    question: Annotated[str, Field(description="strangers or missing", examples=["strangers"])]
    number: Annotated[int, Field(description="of tasks", examples=[37])]
    sentence: str
    effect: Annotated[str, Field(examples=["they are stopped"])]
    tasks: Annotated[list[str], Field(examples=[["shop.web.prod.0.12"]])]


class QuestionsAnswer(Standing):
    questions: list[QuestionLine]


class MemberLine(Shape):
    address: Annotated[str, Field(description="host:port that it advertises", examples=["10.0.0.10:8080"])]
    since: Seconds


class LeaderAnswer(Shape):
    """The leader and the standbys, as ZooKeeper reports them. `leader` and `since` are null while nobody leads."""

    leader: Annotated[str | None, Field(examples=["10.0.0.9:8080"])]
    since: Seconds | None
    epoch: Annotated[int, Field(description="the number of the term of leadership", examples=[7])]
    standbys: list[MemberLine]
    session_timeout_seconds: Annotated[float, Field(description="of the scheduler that answers", examples=[10.0])]
    answered_by: Annotated[str, Field(examples=["10.0.0.10:8080"])]


def info_answer(view: View, info: ServerInfo, executor: ExecutorFile, now: Instant) -> InfoAnswer:
    """The scheduler that answers, and its connection."""
    return {
        "version": info.version,
        "name": info.name,
        "role": info.role,
        "framework_id": view.framework_id,
        "master": view.master,
        "leader": info.leader,
        "started_at": info.started_at,
        "uptime_seconds": max(0.0, now - info.started_at),
        "executor_sha256": executor.sha256,
        "executor_url_path": executor.url_path,
        "connection": view.connection.value,
        "problem": view.problem,
    }


def questions_answer(view: View) -> QuestionsAnswer:
    """Everything that waits for the approval of an operator."""
    questions: list[QuestionLine] = [
        {
            "question": request.mismatch.value,
            "number": request.number,
            "sentence": request.sentence,
            "effect": request.effect,
            "tasks": list(request.tasks),
        }
        for request in view.approval_requests
    ]
    return {**standing(view), "questions": questions}


def leader_answer(members: Members, *, session_seconds: float, answered_by: str) -> LeaderAnswer:
    """All schedulers of the store."""
    return {
        "leader": members.leader.address if members.leader else None,
        "since": members.leader.since if members.leader else None,
        "epoch": members.epoch,
        "standbys": [_member_line(each) for each in members.standbys],
        "session_timeout_seconds": session_seconds,
        "answered_by": answered_by,
    }


def _member_line(member: Member) -> MemberLine:
    return {"address": member.address, "since": member.since}
