"""Routes that change running groups: scale, restart, stop, start."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers import Json
from framework.api.asking import TOKEN, ask
from framework.api.info import Limits
from framework.api.shapes import DoneAnswer, PatternBody, ScaleBody
from framework.api.stacks import done_plain
from framework.core.events import Ask, RestartAsked, ScaleAsked, StartAsked, StopAsked
from framework.ports import Front


def router(front: Front, limits: Limits) -> APIRouter:
    """The routes over `front`."""
    routes = APIRouter(prefix="/v1", tags=["groups"], responses={202: {"model": DoneAnswer}}, dependencies=[TOKEN])

    async def done(make: Callable[[int], Ask]) -> Response:
        return Json(done_plain(await ask(front, make, limits.answer_seconds)), 202)

    @routes.post("/scale", status_code=202)
    async def scale(body: ScaleBody) -> Response:
        """Sets, adds to, or multiplies the instances of the groups that match."""
        return await done(
            lambda request_id: ScaleAsked(
                request_id=request_id,
                pattern=body.pattern,
                instances=body.instances,
                delta=body.delta,
                factor=body.factor,
            )
        )

    @routes.post("/restart", status_code=202)
    async def restart(body: PatternBody) -> Response:
        """Replaces every task of the groups that match by a new one."""
        return await done(lambda request_id: RestartAsked(request_id=request_id, pattern=body.pattern))

    @routes.post("/stop", status_code=202)
    async def stop(body: PatternBody) -> Response:
        """Stops the groups that match, until they are started again; their instances are kept in mind."""
        return await done(lambda request_id: StopAsked(request_id=request_id, pattern=body.pattern))

    @routes.post("/start", status_code=202)
    async def start(body: PatternBody) -> Response:
        """Starts the stopped groups that match."""
        return await done(lambda request_id: StartAsked(request_id=request_id, pattern=body.pattern))

    return routes
