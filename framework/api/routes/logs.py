"""The route of logs: read from the sandbox of the task, through the agent's files API."""

from __future__ import annotations

import base64
import codecs
from dataclasses import dataclass
from typing import Annotated, Literal

import anyio
from anyio import to_thread
from fastapi import APIRouter, Query
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.tasks import LogAnswer
from framework.api.errors import Problem
from framework.api.guard.rights import OPEN
from framework.api.info import Limits
from framework.api.routes.asking import known
from framework.api.routes.log_files import AgentFault, Fetch, LogFile, Piece
from framework.api.routes.lookup import task_or_problem
from framework.api.routes.tasks import TaskName
from framework.core.model import Task
from framework.core.views import View
from framework.ports import Front

_MESOS_AGENT_PORT = 5051
_READERS = 16


def router(front: Front, limits: Limits, fetch: Fetch) -> APIRouter:
    """The route over `front`; agents are asked by `fetch`, a few at a time."""
    routes = APIRouter(prefix="/v1", tags=["tasks"])
    reader = _Reader(limits, fetch)

    @routes.get(
        "/tasks/{task_id}/logs",
        responses={200: {"model": LogAnswer}, 502: {"description": "no answer"}},
        dependencies=[OPEN],
    )
    async def logs(
        task_id: TaskName,
        stream: Literal["stdout", "stderr"] = "stdout",
        offset: Annotated[int, Query(ge=0, le=1 << 60, description="bytes from the task's beginning")] = 0,
        length: Annotated[int, Query(ge=1, le=1 << 20, description="bytes at most; 64 KiB are the limit")] = 65536,
        tail: Annotated[int | None, Query(ge=0, le=10_000, description="instead: the last lines")] = None,
        since: Annotated[
            float | None, Query(ge=0, le=1e11, description="instead: from what was written then, seconds since 1970")
        ] = None,
        encoding: Annotated[
            Literal["utf-8", "base64"], Query(description="of data: text, or the very bytes in base64")
        ] = "utf-8",
    ) -> Response:
        """A piece of what a task has written. Bytes are counted from the task's beginning, however often the file was
        rotated; where what was asked for is gone, `offset` in the answer is where the rest begins."""
        view = known(front)
        _, task = task_or_problem(view, task_id)
        if not task.sandbox:
            raise Problem(404, f"{task.id} has no log yet: it is {task.state.shown}, and no executor has taken it.")
        source = _Source(agent=_agent(view, task), task=task, stream=stream)
        log = reader.log(source)
        try:
            if tail is not None:
                piece = await log.tail(tail, limits.tail_bytes)
            else:
                offset = offset if since is None else await log.offset_at(since)
                piece = await log.piece(offset, length)
        except AgentFault as fault:
            raise _problem(source, fault) from None
        text, used = _decoded(piece.data) if encoding == "utf-8" else _in_base64(piece.data)
        return Json(
            LogAnswer(
                task=task.id,
                stream=stream,
                offset=piece.offset,
                next_offset=piece.offset + used,
                encoding=encoding,
                data=text,
            )
        )

    return routes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    agent: str
    task: Task
    stream: str

    @property
    def path(self) -> str:
        return f"{self.task.sandbox}/{self.task.id}.{self.stream}"


class _Reader:
    """Reads files of agents in threads of its own, so that agents that hang hold up nobody else."""

    def __init__(self, limits: Limits, fetch: Fetch) -> None:
        self._limits = limits
        self._fetch = fetch
        self._limiter: anyio.CapacityLimiter | None = None

    def log(self, source: _Source) -> LogFile:
        """The log, as it is read from the task's agent."""

        async def read(path: str, offset: int, length: int) -> Piece:
            if self._limiter is None:
                self._limiter = anyio.CapacityLimiter(_READERS)
            return await to_thread.run_sync(
                self._fetch, source.agent, path, offset, length, self._limits.agent_seconds, limiter=self._limiter
            )

        return LogFile(source.path, read, self._limits.log_bytes)


def _agent(view: View, task: Task) -> str:
    known = view.agents.get(task.agent_id)
    if known and known.agent.address and known.agent.port:
        return f"{known.agent.address}:{known.agent.port}"
    # Neither an offer nor the master has told of the agent since this scheduler leads: its task tells the address.
    return f"{task.address}:{_MESOS_AGENT_PORT}"


def _problem(source: _Source, fault: AgentFault) -> Problem:
    task = source.task
    if fault.status == 404:
        return Problem(
            404,
            f"The agent {task.hostname} has no {source.stream} of {task.id}: it has written nothing yet, or its sandbox"
            " was removed (Mesos keeps those of ended tasks for a while only).",
        )
    if fault.status in (401, 403):
        return Problem(502, f"The agent {task.hostname} at {source.agent} does not let the scheduler read its files.")
    said = f"HTTP {fault.status}: {fault}" if fault.status else str(fault)
    return Problem(
        502,
        f"The agent {task.hostname} at {source.agent} gave no log of {task.id} ({said}). Is it up, and is its port"
        " reachable from the scheduler?",
    )


def _decoded(data: bytes) -> tuple[str, int]:
    """The text, and how many bytes it is made of: a character cut at the end is left for the next read."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    return text, len(data) - len(decoder.getstate()[0])


def _in_base64(data: bytes) -> tuple[str, int]:
    return base64.b64encode(data).decode(), len(data)
