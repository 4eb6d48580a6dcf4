"""Routes about agents that are gone for good: what is lost with one, and the word to the master that it is so."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from framework.api.answers.agents import GoneAnswer, LossAnswer, gone_answer, loss_answer
from framework.api.answers.base import Json
from framework.api.errors import OUTCOME_UNKNOWN, Problem
from framework.api.guard.rights import OPEN, TOKEN
from framework.api.routes.asking import known, problem_of
from framework.api.routes.request_bodies import GoneBody
from framework.api.threads import Threads
from framework.core.commands import Refused
from framework.core.read.gone_agents import Loss, find
from framework.core.views import View
from framework.ports import Front, MasterFault, Operator

_log = logging.getLogger(__name__)

_STATUS = {"not_found": 404, "conflict": 409, "unavailable": 503}
Name = Annotated[str, Path(description="host name or id of the agent", max_length=300, examples=["agent3"])]


def router(front: Front, operator: Operator, threads: Threads) -> APIRouter:
    """The routes over `front`; the master is asked by `operator`."""
    routes = APIRouter(prefix="/v1/agents/{name}", tags=["agents"])

    @routes.get("/loss", responses={200: {"model": LossAnswer}}, dependencies=[OPEN])
    async def loss(name: Name) -> Response:
        """The loss when the agent is marked as gone: tasks, slots, and volumes that are on the agent itself."""
        view = known(front)
        found = _find(view, name)
        others, problem = await threads.run(_others, operator, view, found)
        return Json(loss_answer(found, others, problem))

    @routes.post("/gone", status_code=202, responses={202: {"model": GoneAnswer}}, dependencies=[TOKEN])
    async def gone(name: Name, body: GoneBody) -> Response:
        """Has the master mark the agent as gone: it ends all tasks there, of all frameworks, and never takes the agent
        back. Refused while the agent is registered, unless `anyway`."""
        view = known(front)
        found = _find(view, name)
        if found.alive and not body.anyway:
            raise Problem(
                409,
                f"Agent {found.hostname} ({found.agent_id}) {found.alive}. Nothing was changed. Drain it, or stop it"
                " and wait until the master no longer has it; --anyway (anyway: true) has its tasks ended now.",
            )
        try:
            await threads.run(operator.mark_gone, view.master, found.agent_id)
        except MasterFault as fault:
            raise _problem(fault) from None
        why = f": {body.message}" if body.message else ""
        _log.info("agent %s (%s) is marked as gone by %s%s", found.hostname, found.agent_id, body.by or "somebody", why)
        message = f"agent {found.hostname} ({found.agent_id}) is marked as gone: Mesos ends what was there"
        return Json(gone_answer(found, message), 202)

    return routes


def _find(view: View, name: str) -> Loss:
    found = find(view, name)
    if isinstance(found, Refused):
        raise problem_of(found)
    return found


def _others(operator: Operator, view: View, found: Loss) -> tuple[Mapping[str, int], str]:
    """Tasks of other frameworks there, by the frameworks' names; and why that is not known, "" where it is."""
    try:
        return operator.others_on(view.master, found.agent_id, view.framework_id), ""
    except MasterFault as fault:
        return {}, str(fault)


def _problem(fault: MasterFault) -> Problem:
    sentence = str(fault)
    headers = {"Retry-After": "1"} if fault.kind == "unavailable" else {}
    headers |= OUTCOME_UNKNOWN if fault.is_unknown else {}
    return Problem(_STATUS[fault.kind], f"{sentence[:1].upper()}{sentence[1:]}.", headers=headers)
