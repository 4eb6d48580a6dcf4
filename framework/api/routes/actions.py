"""Routes that change running groups: scale, restart, stop, start, reset-backoff; and tasks: kill."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.done import DoneAnswer, done_answer, warned_answer
from framework.api.guard.rights import TOKEN
from framework.api.info import Limits
from framework.api.routes.asking import ask, known
from framework.api.routes.lookup import task_or_problem
from framework.api.routes.request_bodies import KillBody, PatternBody, RestartBody, ScaleBody
from framework.core.events import (
    BackoffResetRequested,
    KillRequested,
    RestartRequested,
    ScaleRequested,
    StartRequested,
    StopRequested,
    UserRequest,
)
from framework.core.read.pace_warnings import warnings_of
from framework.ports import Front
from specs.model.stack import KillOrder


def router(front: Front, limits: Limits) -> APIRouter:
    """The routes over `front`."""
    routes = APIRouter(prefix="/v1", tags=["groups"], responses={202: {"model": DoneAnswer}})

    async def done(make: Callable[[int], UserRequest]) -> Response:
        return Json(done_answer(await ask(front, make, limits.answer_seconds)), 202)

    async def scaled(make: Callable[[int], UserRequest]) -> Response:
        done = await ask(front, make, limits.answer_seconds)
        return Json(warned_answer(done, warnings_of(known(front), done.changed)), 202)

    @routes.post("/scale", status_code=202, dependencies=[TOKEN])
    async def scale(body: ScaleBody) -> Response:
        """Sets, adds to, or multiplies the instances of the groups that match. `warnings` name those of which no task
        could be replaced then, by their own pace."""
        return await scaled(
            lambda request_id: ScaleRequested(
                request_id=request_id,
                pattern=body.pattern,
                instances=body.instances,
                delta=body.delta,
                factor=body.factor,
                order=KillOrder(body.order) if body.order else None,
                message=body.message,
                by=body.by,
            )
        )

    @routes.post("/restart", status_code=202, dependencies=[TOKEN])
    async def restart(body: RestartBody) -> Response:
        """Replaces every task of the groups that match by a new one: a rollout of the same version."""
        return await done(
            lambda request_id: RestartRequested(
                request_id=request_id,
                pattern=body.pattern,
                wait_seconds=body.wait_seconds,
                is_all_at_once=body.all_at_once,
                message=body.message,
                by=body.by,
            )
        )

    @routes.post("/stop", status_code=202, dependencies=[TOKEN])
    async def stop(body: PatternBody) -> Response:
        """Stops the groups that match, until they are started again; their instances are kept in mind."""
        return await done(
            lambda request_id: StopRequested(
                request_id=request_id, pattern=body.pattern, message=body.message, by=body.by
            )
        )

    @routes.post("/start", status_code=202, dependencies=[TOKEN])
    async def start(body: PatternBody) -> Response:
        """Starts the stopped groups that match."""
        return await done(
            lambda request_id: StartRequested(
                request_id=request_id, pattern=body.pattern, message=body.message, by=body.by
            )
        )

    @routes.post("/kill", status_code=202, dependencies=[TOKEN])
    async def kill(body: KillBody) -> Response:
        """Stops tasks. Others take their places, unless `scale`: then just their slots are given up."""
        view = known(front)
        ids = tuple(task_or_problem(view, name)[1].id for name in body.tasks)
        return await (scaled if body.scale else done)(
            lambda request_id: KillRequested(
                request_id=request_id, tasks=ids, scale=body.scale, message=body.message, by=body.by
            )
        )

    @routes.post("/reset-backoff", status_code=202, dependencies=[TOKEN])
    async def reset_backoff(body: PatternBody) -> Response:
        """Forgets the failures of the groups that match: what waits or was given up is tried again at once."""
        return await done(
            lambda request_id: BackoffResetRequested(
                request_id=request_id, pattern=body.pattern, message=body.message, by=body.by
            )
        )

    return routes
