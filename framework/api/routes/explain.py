"""The routes that say why: of a slot or task, and the agents on which all of it rests."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from framework.api.answers.agents import AgentsAnswer, agents_answer
from framework.api.answers.base import Json
from framework.api.answers.explanations import ExplainAnswer, explain_answer
from framework.api.errors import Problem
from framework.api.guard.rights import OPEN
from framework.api.routes.asking import known
from framework.api.routes.lookup import groups_of, task_or_problem
from framework.api.threads import Threads
from framework.core.read.explain import explain, slot_fault
from framework.core.views import GroupView, View
from framework.ports import Front
from specs.ids import parse_group_id

_WITH_SLOT = re.compile(r"(?P<group>[^/\[\]]+/[^/\[\]]+(\[[^\[\]]*\])?)/(?P<slot>[0-9]{1,9})")
_MOST_NAMED = 8

Of = Annotated[
    str,
    Query(
        min_length=1,
        max_length=500,
        description="stack/service[label,…] of one group, with /slot after it or without; or a task, by its id or the"
        " number at the end of it",
        examples=["shop/web[prod]/2"],
    ),
]
Agent = Annotated[str, Query(max_length=200, description="only agents with such a host name or id; * and ? are any")]
Limit = Annotated[int, Query(ge=0, le=100_000, description="rows at most; those that fit come first")]


def router(front: Front, threads: Threads) -> APIRouter:
    """The routes over `front`; what takes long is done in `threads`."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/explain", tags=["tasks"], responses={200: {"model": ExplainAnswer}}, dependencies=[OPEN])
    async def explain_slot(of: Of, agent: Agent = "", limit: Limit = 1000) -> Response:
        """Why a slot has no task, or why its task is where it is: every agent against every rule, and what would help.

        Without a slot: the first slot of the group that waits, or else where one task more would go."""
        view = known(front)
        group, slot = _meant(view, of)
        told = await threads.run(explain, view, group, slot)
        return Json(explain_answer(view, told, agent=agent, limit=limit))

    @routes.get("/agents", tags=["agents"], responses={200: {"model": AgentsAnswer}}, dependencies=[OPEN])
    async def agents() -> Response:
        """The agents that are known: attributes, what they have, what is free, our tasks there."""
        return Json(agents_answer(known(front)))

    return routes


def _meant(view: View, of: str) -> tuple[GroupView, int | None]:
    if of.isdecimal() or ("." in of and "/" not in of):
        group, task = task_or_problem(view, of)
        return group, task.slot
    with_slot = _WITH_SLOT.fullmatch(of)
    group = _group(view, with_slot["group"] if with_slot else of)
    if not with_slot:
        return group, None
    slot = int(with_slot["slot"])
    if fault := slot_fault(group, slot):
        raise Problem(404, f"{fault}.", [("query.of", "is not a slot of the group")])
    return group, slot


def _group(view: View, pattern: str) -> GroupView:
    found = tuple(groups_of(view, pattern))
    exact = parse_group_id(pattern)
    group = next((group for group in found if group.spec.id == exact), None)
    if group is None and len(found) == 1:
        group = found[0]
    if group is not None:
        return group
    if not found:
        raise Problem(404, f"No group matches {pattern}. `framework ls` lists the stacks, `framework ps` their groups.")
    names = ", ".join(str(group.spec.id) for group in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise Problem(
        422,
        f"{pattern} matches {len(found)} groups: {names}{more}. Name one of them.",
        [("query.of", f"matches {len(found)} groups; wanted one")],
    )
