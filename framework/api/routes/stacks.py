"""Routes of stacks: list, read, submit, plan, remove."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.done import DoneAnswer, SubmitAnswer, done_answer, submit_answer
from framework.api.answers.plans import PlanAnswer, plan_answer
from framework.api.answers.stacks import StackAnswer, StacksAnswer, stack_answer, stacks_answer
from framework.api.errors import Problem
from framework.api.guard.rights import OPEN, STACK_BODY, TOKEN
from framework.api.info import Limits
from framework.api.routes import stack_bodies
from framework.api.routes.asking import ask, known
from framework.api.routes.capacity import too_large
from framework.api.routes.lookup import stack_or_problem
from framework.api.threads import Threads
from framework.core.events import StackRemoved, StackSubmitted
from framework.core.read.plan import plan, warnings
from framework.core.views import View
from framework.ports import Front
from specs.ids import name_fault
from specs.model.stack import Stack

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The stack in its normal form, as `framework validate --json FILE` prints it.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
Name = Annotated[str, Path(description="of the stack", examples=["shop"])]
IfUnchanged = Annotated[
    int | None, Query(ge=0, description="the index that the stack must still have; 0: it must not exist yet")
]
IfMatch = Annotated[str | None, Header(description='the same as an entity tag, as the GET gave it: "7"')]


Why = Annotated[str, Query(max_length=500, description="why, for those who look later")]
Who = Annotated[str, Query(max_length=200, description="who", examples=["anna@desk"])]


def router(front: Front, limits: Limits, threads: Threads) -> APIRouter:
    """The routes over `front`; what takes long is done in `threads`."""
    routes = APIRouter(prefix="/v1/stacks", tags=["stacks"])

    @routes.get("", responses={200: {"model": StacksAnswer}}, dependencies=[OPEN])
    async def stacks() -> Response:
        """All stacks, a line each."""
        return Json(stacks_answer(known(front)))

    @routes.get("/{name}", responses={200: {"model": StackAnswer}}, dependencies=[OPEN])
    async def stack(name: Name) -> Response:
        """A stack: its groups, what they wait for, and its definition."""
        view = known(front)
        found = stack_or_problem(view, name)
        return Json(stack_answer(view, found), headers={"ETag": f'"{found.spec.index}"'})

    @routes.put(
        "/{name}",
        status_code=202,
        responses={202: {"model": SubmitAnswer}},
        openapi_extra=_BODY,
        dependencies=[TOKEN, STACK_BODY],
    )
    async def submit(
        request: Request,
        name: Name,
        if_unchanged: IfUnchanged = None,
        if_match: IfMatch = None,
        message: Why = "",
        by: Who = "",
        anyway: Annotated[bool, Query(description="also when it wants more than any agent has now")] = False,
        all_at_once: Annotated[bool, Query(description="replace at once all that is to be replaced")] = False,
    ) -> Response:
        """Submits a stack, new or changed. `changed` is empty and the message "unchanged" where nothing changed.
        `warnings` are what may be meant and may be a mistake."""
        index = _index(if_unchanged, if_match)
        stack = await stack_bodies.stack_from_body(await request.body(), _checked(name), is_changing=True)
        view = known(front)
        if not anyway:
            await _check_size(stack, view, threads)
        warned = await threads.run(warnings, view, stack)
        done = await ask(
            front,
            lambda request_id: StackSubmitted(
                request_id=request_id,
                stack=stack,
                message=message,
                submitted_by=by,
                if_index=index,
                is_all_at_once=all_at_once,
            ),
            limits.answer_seconds,
        )
        return Json(submit_answer(done, warned), 202)

    @routes.post(
        "/{name}/plan", responses={200: {"model": PlanAnswer}}, openapi_extra=_BODY, dependencies=[OPEN, STACK_BODY]
    )
    async def plan_stack(request: Request, name: Name) -> Response:
        """The plan of a submit: its changes now, where new tasks would go, and what would not fit.

        Nothing is changed, and no token needed. Groups whose tasks are replaced are placed as if the old tasks were
        gone already."""
        new = await stack_bodies.stack_from_body(await request.body(), _checked(name), is_changing=False)
        view = known(front)
        return Json(plan_answer(view, await threads.run(plan, view, new)))

    @routes.delete("/{name}", status_code=202, responses={202: {"model": DoneAnswer}}, dependencies=[TOKEN])
    async def remove(name: Name, message: Why = "", by: Who = "") -> Response:
        """Stops all tasks of a stack and forgets it. Its history is kept for a while: a rollback brings it back."""
        done = await ask(
            front,
            lambda request_id: StackRemoved(request_id=request_id, name=name, message=message, by=by),
            limits.answer_seconds,
        )
        return Json(done_answer(done), 202)

    return routes


async def _check_size(stack: Stack, view: View, threads: Threads) -> None:
    faults = await threads.run(too_large, stack, view)
    if faults:
        raise Problem(
            422,
            "The stack wants more than any agent has, and would wait for ever; nothing was changed. Want less, or say"
            " ?anyway=true (framework submit --anyway) if larger agents are to come.",
            faults,
        )


def _checked(name: str) -> str:
    fault = name_fault(name)
    if fault:
        raise Problem(422, f"The stack's name {fault}.", [("name", fault)])
    return name


def _index(if_unchanged: int | None, if_match: str | None) -> int | None:
    if if_match is None:
        return if_unchanged
    text = if_match.removeprefix("W/").strip('"')
    if not text.isdecimal() or len(text) > 18 or if_unchanged not in (None, int(text)):
        raise Problem(
            400,
            f'If-Match wants the index of the stack, as "7", and ?if_unchanged the same if given; got {if_match!r}.',
            [("header.If-Match", "is not the index of a stack")],
        )
    return int(text)
