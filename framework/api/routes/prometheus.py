"""The routes for Prometheus: the scheduler's own metrics, and the targets of others."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from framework.api.answers.base import Json
from framework.api.answers.usage import TargetGroup, target_group
from framework.api.errors import Problem
from framework.api.guard.rights import OPEN
from framework.api.info import ServerInfo
from framework.api.threads import Threads
from framework.ports import Gauge, Leadership, StoreFault
from framework.usage import Usage

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def router(usage: Usage, info: ServerInfo, leadership: Leadership | None, gauge: Gauge | None) -> APIRouter:
    """The routes; every scheduler answers them itself, whether it leads or not."""
    routes = APIRouter(tags=["metrics"])
    threads = Threads()  # of its own: who watches must not wait for plans

    @routes.get(
        "/metrics",
        responses={200: {"content": {_TEXT: {}}, "description": "Prometheus's text form"}},
        dependencies=[OPEN],
    )
    async def metrics() -> Response:
        """The scheduler's own metrics, of this process. Those of tasks are told by the executors."""
        if gauge is None:
            raise Problem(404, "This scheduler keeps no metrics.")
        return Response(await threads.run(gauge.page), headers={"Content-Type": _TEXT})

    @routes.get("/v1/prometheus/targets", responses={200: {"model": list[TargetGroup]}}, dependencies=[OPEN])
    async def targets() -> Response:
        """All executors and all schedulers, as Prometheus's http_sd wants them. Each executor tells of all tasks on its
        agent, and what they tell of themselves, with their labels."""
        executors = await threads.run(usage.announced)
        found = [
            target_group(
                _address(each.address, each.port),
                job="framework-executors",
                agent=each.hostname,
                agent_id=each.agent,
            )
            for each in executors
        ]
        found += [
            target_group(address, job="framework-schedulers", role=role)
            for address, role in await threads.run(_schedulers, info, leadership)
        ]
        return Json(found)

    return routes


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _schedulers(info: ServerInfo, leadership: Leadership | None) -> list[tuple[str, str]]:
    """The address of each scheduler, and whether it leads; this one alone while ZooKeeper does not tell."""
    if leadership is None:
        return [(info.leader, "leader")]
    try:
        members = leadership.members()
    except StoreFault:
        return [(info.leader, "leader" if leadership.is_leader else "standby")]
    leader = [(members.leader.address, "leader")] if members.leader else []
    return leader + [(each.address, "standby") for each in members.standbys]
