"""Routes of our executors on the agents: which there are, and moving tasks from older ones to the current one."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers import picture
from framework.api.answers.base import Json
from framework.api.answers.executor_shapes import ExecutorsAnswer, RollBody
from framework.api.answers.shapes import DoneAnswer
from framework.api.guard.rights import OPEN, TOKEN
from framework.api.info import Limits
from framework.api.routes.asking import ask, known
from framework.api.routes.stacks import done_plain
from framework.core.events import ExecutorUpgradeRequested
from framework.core.views import View
from framework.ports import Front
from specs.executor_ids import is_version_of
from specs.ids import ExecutorId


def router(front: Front, limits: Limits) -> APIRouter:
    """The routes over `front`."""
    routes = APIRouter(prefix="/v1/executors", tags=["executors"])

    @routes.get("", responses={200: {"model": ExecutorsAnswer}}, dependencies=[OPEN])
    async def executors() -> Response:
        """Our executors that have tasks, by agent, and how far a roll is."""
        return Json(_plain(known(front)))

    @routes.post("/roll", status_code=202, responses={202: {"model": DoneAnswer}}, dependencies=[TOKEN])
    async def roll(body: RollBody) -> Response:
        """Moves tasks from older executors to the current one, agent by agent; containers run on."""
        done = await ask(
            front,
            lambda request_id: ExecutorUpgradeRequested(
                request_id=request_id, pattern=body.agent, has_processes=body.processes
            ),
            limits.answer_seconds,
        )
        return Json(done_plain(done), 202)

    return routes


def _plain(view: View) -> dict[str, Any]:
    tasks = (task for stack in view.stacks.values() for group in stack.groups for task in group.tasks)
    counts = Counter((task.hostname, task.agent_id, task.executor_id) for task in tasks)
    return {
        **picture.standing(view),
        "current": view.executor_id,
        "rolling": view.upgrading_agent,
        "to_roll": view.agents_to_upgrade,
        "is_rolling": view.is_upgrading_executors,
        "roll_problem": view.executor_upgrade_problem,
        "executors": [
            {
                "agent": hostname,
                "agent_id": agent_id,
                "executor_id": executor_id,
                "is_current": is_version_of(executor_id, ExecutorId(view.executor_id)),
                "tasks": counts[hostname, agent_id, executor_id],
            }
            for hostname, agent_id, executor_id in sorted(counts)
        ],
    }
