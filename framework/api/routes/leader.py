"""The routes about leadership: who leads, and a hand-over that is planned."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.done import MessageAnswer
from framework.api.answers.scheduler import LeaderAnswer, leader_answer
from framework.api.errors import Problem
from framework.api.guard.rights import OPEN, TOKEN
from framework.api.info import ServerInfo
from framework.api.routes.request_bodies import StepDownBody
from framework.api.threads import Threads
from framework.ports import Leadership, Member, Members, StoreFault


def router(leadership: Leadership, info: ServerInfo, threads: Threads) -> APIRouter:
    """The routes over `leadership`."""
    routes = APIRouter(prefix="/v1/leader", tags=["scheduler"])

    async def members() -> Members:
        try:
            return await threads.run(leadership.members)
        except StoreFault as fault:
            raise Problem(503, f"{fault}.", headers={"Retry-After": "1"}) from None

    @routes.get("", responses={200: {"model": LeaderAnswer}}, dependencies=[OPEN])
    async def leader() -> Response:
        """Which scheduler leads, since when, and which stand by: answered by each scheduler itself, from ZooKeeper."""
        seconds = leadership.session_seconds
        return Json(leader_answer(await members(), session_seconds=seconds, answered_by=info.leader))

    @routes.post("/step-down", status_code=202, dependencies=[TOKEN], responses={202: {"model": MessageAnswer}})
    async def step_down(body: StepDownBody) -> Response:
        """Hands leadership over: what is being saved is saved, then the leader's place is free. The scheduler that
        led goes on as a standby."""
        if not leadership.is_leader:
            raise Problem(503, "This scheduler does not lead, nor has it found out who does. Try again in a moment.")
        there = await members()
        if body.epoch not in (None, there.epoch):
            raise Problem(409, f"Epoch {body.epoch} has ended: it is {there.epoch} now. Nothing was changed.")
        if fault := _fault(body, there.standbys, info.leader):
            raise Problem(409, f"{fault} Nothing was changed.")
        try:
            if body.to and not await threads.run(leadership.name_next, body.to):
                raise Problem(409, f"{body.to} has just stopped to stand by. Nothing was changed.")
        except StoreFault as fault:
            raise Problem(503, f"{fault}. Nothing was changed.", headers={"Retry-After": "1"}) from None
        leadership.step_down()
        after = body.to or (there.standbys[0].address if len(there.standbys) == 1 else "")
        who = after or ("one of those that stand by" if there.standbys else "nobody else")
        return Json(MessageAnswer(message=f"the scheduler at {info.leader} steps down; {who} takes over"), 202)

    return routes


def _fault(body: StepDownBody, standbys: tuple[Member, ...], own: str) -> str:
    """Why nobody could take over, "" where somebody can."""
    addresses = [each.address for each in standbys]
    if body.to == own:
        return f"{own} leads already."
    if body.to and body.to not in addresses:
        return f"{body.to} does not stand by; wanted one of those that do: {', '.join(addresses) or 'there is none'}."
    if not addresses and not body.anyway:
        return (
            "No scheduler stands by, so nobody would take over. Start another one first; `--anyway` (anyway: true)"
            " starts this one again nevertheless."
        )
    return ""
