"""Routes of what a stack was: who changed it, its definitions, and going back to one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.done import DoneAnswer, done_answer
from framework.api.answers.history import (
    BackPlan,
    DefinitionAnswer,
    HistoryAnswer,
    back_plan,
    definition_answer,
    history_answer,
)
from framework.api.errors import Problem
from framework.api.guard.rights import OPEN, TOKEN
from framework.api.info import Limits
from framework.api.routes.asking import ask, known, problem_of
from framework.api.routes.request_bodies import BackBody, RollbackBody
from framework.api.routes.stacks import Name
from framework.api.threads import Threads
from framework.core.commands import Refused
from framework.core.events import RollbackRequested
from framework.core.read.definitions import stack_at, stack_back
from framework.core.read.plan import plan
from framework.core.views import HistoryView, View
from framework.ports import Front

Number = Annotated[int, Path(ge=1, le=2**53, description="of the revision", examples=[7])]


def router(front: Front, limits: Limits, threads: Threads) -> APIRouter:
    """The routes over `front`; what takes long is done in `threads`."""
    routes = APIRouter(prefix="/v1/stacks/{name}", tags=["history"])

    @routes.get("/history", responses={200: {"model": HistoryAnswer}}, dependencies=[OPEN])
    async def history(name: Name) -> Response:
        """The changes of the stack: who, when, why and how, oldest first; also of a stack that was removed, for a
        while."""
        view = known(front)
        return Json(history_answer(view, name, _find(view, name)))

    @routes.get("/history/{number}", responses={200: {"model": DefinitionAnswer}}, dependencies=[OPEN])
    async def revision(name: Name, number: Number) -> Response:
        """The definition that the stack had at a revision: what PUT takes. `from_revision` is the one that gave it."""
        found = stack_at(name, _find(known(front), name), number)
        if isinstance(found, Refused):
            raise problem_of(found)
        given, stack = found
        return Json(definition_answer(stack, number, given))

    @routes.post("/rollback/plan", responses={200: {"model": BackPlan}}, dependencies=[OPEN])
    async def plan_rollback(name: Name, body: BackBody) -> Response:
        """The plan of a rollback: its changes now, as for a submit. Nothing is changed, and no token needed."""
        view = known(front)
        found = stack_back(view, name, body.to, with_instances=body.with_instances)
        if isinstance(found, Refused):
            raise problem_of(found)
        given, stack = found
        return Json(back_plan(view, await threads.run(plan, view, stack), given))

    @routes.post("/rollback", status_code=202, responses={202: {"model": DoneAnswer}}, dependencies=[TOKEN])
    async def rollback(name: Name, body: RollbackBody) -> Response:
        """Goes back to an earlier definition: the same as to submit that again. Groups that there are keep their number
        of instances unless `with_instances`. A removed stack comes back."""
        done = await ask(
            front,
            lambda request_id: RollbackRequested(
                request_id=request_id,
                name=name,
                to=body.to,
                with_instances=body.with_instances,
                if_index=body.if_unchanged,
                message=body.message,
                by=body.by,
            ),
            limits.answer_seconds,
        )
        return Json(done_answer(done), 202)

    return routes


def _find(view: View, name: str) -> HistoryView:
    found = view.histories.get(name)
    if found is None:
        if name in view.stacks:
            return HistoryView(revisions=(), versions={})
        raise Problem(404, f"There is no stack {name[:80]}, and no history of one. `framework ls` lists what there is.")
    return found
