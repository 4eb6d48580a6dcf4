"""Routes of commands that run where a task runs. People open a session and have one end of it; the task's executor is
told through Mesos to call, and has the other (framework.api.routes.exec_sessions)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Request
from starlette.responses import Response, StreamingResponse

from framework.api.answers.base import Json
from framework.api.answers.tasks import ExecAnswer
from framework.api.errors import Problem
from framework.api.guard.rights import KEY, TOKEN
from framework.api.info import Limits, ServerInfo
from framework.api.routes.asking import ask, known
from framework.api.routes.exec_sessions import CALL_SECONDS, Session, Sessions, lines, parsed, put
from framework.api.routes.lookup import task_or_problem
from framework.api.routes.request_bodies import ExecBody
from framework.api.routes.tasks import TaskName
from framework.core.events import ExecRequested
from framework.ports import Front

_LINES = "application/x-ndjson"
Key = Annotated[str, Path(max_length=100, description="what opens this end of the session")]


def router(front: Front, limits: Limits, info: ServerInfo, sessions: Sessions) -> APIRouter:
    """The routes over `front`; executors call the address that `info` says this scheduler has."""
    routes = APIRouter(prefix="/v1")

    @routes.post(
        "/tasks/{task_id}/exec",
        status_code=201,
        tags=["tasks"],
        responses={201: {"model": ExecAnswer}, 502: {"description": "its executor did not call"}},
        dependencies=[TOKEN],
    )
    async def begin(task_id: TaskName, body: ExecBody) -> Response:
        """Has a command run in the task's container, or beside its process; answers once its executor has called."""
        _, task = task_or_problem(known(front), task_id)
        session = sessions.begin(task.id, body.model_dump())
        try:
            await ask(
                front,
                lambda request_id: ExecRequested(
                    request_id=request_id, task_id=task.id, url=f"http://{info.leader}", key=session.executor_key
                ),
                limits.answer_seconds,
            )
            await asyncio.wait_for(session.was_called.wait(), CALL_SECONDS)
        except TimeoutError:
            raise Problem(
                502,
                f"The executor of {task.id} on {task.hostname} did not call within {CALL_SECONDS:g} s. Is the agent up,"
                f" and can it reach http://{info.leader}? Is the executor the current one (`framework executor ls`)?",
            ) from None
        finally:
            if not session.was_called.is_set():
                sessions.end(session)
        # Whoever asked may be gone by now.
        asyncio.get_running_loop().call_later(CALL_SECONDS, lambda: None if session.is_read else sessions.end(session))
        return Json(ExecAnswer(task=task.id, key=session.user_key), 201)

    _add_ends(routes, sessions)
    return routes


def _add_ends(routes: APIRouter, sessions: Sessions) -> None:
    @routes.get("/exec/{key}/output", tags=["tasks"], response_class=StreamingResponse, dependencies=[KEY])
    async def output(key: Key) -> Response:
        """The output of the command, lines of JSON: `{"stream", "data"}` in base64, at last `{"exit"}` or `{"error"}`.
        The session ends with this answer, and where nobody reads it any more the command is killed."""
        session = sessions.of_user(key)
        if session.is_read:
            raise Problem(409, "Somebody reads this session already.")
        session.is_read = True
        return StreamingResponse(_until_end(session), media_type=_LINES)

    @routes.post("/exec/{key}/input", tags=["tasks"], status_code=204, dependencies=[TOKEN])
    async def input_(key: Key, request: Request) -> Response:
        """The input of the command, lines of JSON: `{"data"}` in base64, `{"end": true}`, `{"rows", "columns"}`."""
        session = sessions.of_user(key)
        await put(session, session.to_executor, parsed(await request.body()))
        return Response(status_code=204)

    @routes.get("/attach/{key}/input", include_in_schema=False, dependencies=[KEY])
    async def for_executor(key: Key) -> Response:
        session = sessions.of_executor(key)
        if session.was_called.is_set():
            raise Problem(409, "Somebody has this end of the session already.")
        session.was_called.set()

        async def said() -> AsyncIterator[bytes]:
            try:
                yield orjson.dumps(session.request) + b"\n"
                async for line in lines(session, session.to_executor):
                    yield line
            finally:
                _over(session, "the connection to its executor broke")

        return StreamingResponse(said(), media_type=_LINES)

    @routes.post("/attach/{key}/output", include_in_schema=False, dependencies=[KEY])
    async def from_executor(key: Key, request: Request) -> Response:
        session = sessions.of_executor(key)
        session.was_called.set()
        said = parsed(await request.body())
        is_taken = await put(session, session.to_user, said)
        if any("exit" in line or "error" in line for line in said):
            session.has_ended.set()
        if not is_taken:
            raise Problem(410, "Nobody is at the other end any more.")
        return Response(status_code=204)

    async def _until_end(session: Session) -> AsyncIterator[bytes]:
        try:
            async for line in lines(session, session.to_user):
                yield line
        finally:
            sessions.end(session)


def _over(session: Session, why: str) -> None:
    """The executor's end is gone: where it said nothing of an end, the other side is told."""
    if not session.has_ended.is_set():
        if not session.to_user.full():
            session.to_user.put_nowait({"error": why})
        session.has_ended.set()
