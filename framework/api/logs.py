"""The route of logs: read from the sandbox of the task, through the agent's files API."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import anyio
import requests
from anyio import to_thread
from fastapi import APIRouter, Query
from starlette.responses import Response

from framework.api.answers import Json
from framework.api.asking import known
from framework.api.errors import Problem
from framework.api.info import Limits
from framework.api.log_shapes import LogAnswer
from framework.api.tasks import TaskName, task_or_problem
from framework.core.model import Task
from framework.core.views import View
from framework.ports import Front

_MESOS_AGENT_PORT = 5051
_READERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes of a file from an offset on. A read at offset -1 gives no bytes, and the file's size as the offset."""

    offset: int
    data: bytes


class AgentFault(Exception):
    """The agent did not give the file: `status` is its HTTP status, 0 where it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


Fetch = Callable[[str, str, int, int, float], Piece]
"""(host:port, path, offset, length, timeout in seconds) -> Piece; raises AgentFault."""


def fetch_from_agent(agent: str, path: str, offset: int, length: int, timeout_seconds: float) -> Piece:
    """Reads from /files/read of the agent."""
    parameters: dict[str, str | int] = {"path": path, "offset": offset, "length": length}
    try:
        answer = requests.get(
            f"http://{agent}/files/read", params=parameters, timeout=(3, timeout_seconds), allow_redirects=False
        )
    except requests.RequestException as error:
        raise AgentFault("no answer in time" if isinstance(error, requests.Timeout) else "no connection") from None
    if answer.status_code != 200:
        raise AgentFault(answer.text[:200].strip(), answer.status_code)
    try:
        # Mesos puts a file's bytes into the JSON string as they are, whatever their encoding: each is a character here.
        content = json.loads(answer.content.decode("latin-1"))
        return Piece(offset=int(content["offset"]), data=str(content["data"]).encode("latin-1"))
    except (ValueError, KeyError, TypeError):
        raise AgentFault("its answer is not what Mesos's files API gives", answer.status_code) from None


def router(front: Front, limits: Limits, fetch: Fetch) -> APIRouter:
    """The route over `front`; agents are asked by `fetch`, a few at a time."""
    routes = APIRouter(prefix="/v1", tags=["tasks"])
    reader = _Reader(limits, fetch)

    @routes.get("/tasks/{task_id}/logs", responses={200: {"model": LogAnswer}, 502: {"description": "no answer"}})
    async def logs(
        task_id: TaskName,
        stream: Literal["stdout", "stderr"] = "stdout",
        offset: Annotated[int, Query(ge=0, le=1 << 60, description="bytes from the file's beginning")] = 0,
        length: Annotated[int, Query(ge=1, le=1 << 20, description="bytes at most; 64 KiB are the limit")] = 65536,
        tail: Annotated[int | None, Query(ge=0, le=10_000, description="instead: the last lines")] = None,
    ) -> Response:
        """A piece of what a task has written."""
        view = known(front)
        _, task = task_or_problem(view, task_id)
        if not task.sandbox:
            raise Problem(404, f"{task.id} has no log yet: it is {task.state.value}, and no executor has taken it.")
        source = _Source(agent=_agent(view, task), task=task, stream=stream)
        if tail is None:
            piece = await reader.read(source, offset, min(length, limits.log_bytes))
        else:
            piece = await reader.tail(source, tail)
        text, used = _decoded(piece.data)
        return Json(
            {
                "task": task.id,
                "stream": stream,
                "offset": piece.offset,
                "next_offset": piece.offset + used,
                "data": text,
            }
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

    async def read(self, source: _Source, offset: int, length: int) -> Piece:
        """At most `length` bytes from `offset` on."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_READERS)
        try:
            return await to_thread.run_sync(
                self._fetch,
                source.agent,
                source.path,
                offset,
                length,
                self._limits.agent_seconds,
                limiter=self._limiter,
            )
        except AgentFault as fault:
            raise _problem(source, fault) from None

    async def tail(self, source: _Source, lines: int) -> Piece:
        """The last lines, as far as they are among the last bytes that the limit allows."""
        size = (await self.read(source, -1, 0)).offset
        start, data = size, b""
        while lines and start > 0 and _line_ends(data) < lines and len(data) < self._limits.tail_bytes:
            length = min(self._limits.log_bytes, start)
            piece = await self.read(source, start - length, length)
            if not piece.data:
                break
            start, data = start - length, piece.data[:length] + data
        kept = _last_lines(data, lines) if lines else b""
        return Piece(offset=size - len(kept), data=kept)


def _line_ends(data: bytes) -> int:
    """How many lines are whole and followed by another."""
    return data.removesuffix(b"\n").count(b"\n")


def _last_lines(data: bytes, lines: int) -> bytes:
    start = len(data.removesuffix(b"\n"))
    for _ in range(lines):
        start = data.rfind(b"\n", 0, start)
        if start < 0:
            break
    return data[start + 1 :]


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
