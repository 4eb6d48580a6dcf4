"""The HTTP application: everything that people and programs can see of the scheduler and ask of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse
from starlette.responses import Response

from framework.api import errors
from framework.api.answers.base import Json
from framework.api.answers.scheduler import InfoAnswer, ReadyAnswer, info_answer
from framework.api.errors import ErrorAnswer, Problem
from framework.api.guard.guard import Guard
from framework.api.guard.hosts import Hosts
from framework.api.guard.metered import Metered
from framework.api.guard.repeating import Repeats
from framework.api.guard.rights import ARCHIVE, AT_ONCE, OPEN
from framework.api.info import ExecutorFile, Limits, ServerInfo
from framework.api.routes import (
    actions,
    agents_gone,
    approve,
    events,
    exec_in_task,
    executors,
    explain,
    history,
    leader,
    logs,
    prometheus,
    rollouts,
    stacks,
    story,
    tasks,
)
from framework.api.routes import usage as usage_routes
from framework.api.routes.event_stream import Stream
from framework.api.routes.exec_sessions import Sessions
from framework.api.routes.log_files import Fetch, fetch_from_agent
from framework.api.standby.proxy import PictureFront, Proxy
from framework.api.threads import Threads
from framework.core.volatile import Connection
from framework.ports import Front, Gauge, Leadership, Operator
from framework.usage import Nowhere, Usage
from framework.web.reference import reference_page
from framework.web.status import status_page

_DEFAULT_LIMITS = Limits()
_ABOUT = (
    "What the scheduler knows and what can be asked of it. Reads are open; what changes something needs the token where"
    " the scheduler has one. Errors are always JSON: {message, details: [{path, error}]}. Times are seconds since 1970."
)


def create_app(
    front: Front,
    *,
    token: str | None,
    hosts: Hosts | None = None,
    executor: ExecutorFile,
    info: ServerInfo,
    limits: Limits = _DEFAULT_LIMITS,
    fetch: Fetch = fetch_from_agent,
    clock: Callable[[], float] = time.time,
    leadership: Leadership | None = None,
    usage: Usage | None = None,
    gauge: Gauge | None = None,
    operator: Operator | None = None,
) -> FastAPI:
    """The application over `front`. With a `token` every change needs it. `hosts` are the names by which requests may
    call it. `fetch` is how agents are asked for logs, and `usage` how executors are asked what tasks use. `gauge`
    counts requests, and knows what Prometheus is told. `operator` is how the master is asked what only operators may.

    With a `leadership` it passes requests on to the leader while it stands by.
    """
    app = FastAPI(
        title="framework",
        version=info.version,
        description=_ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        responses={"4XX": {"model": ErrorAnswer, "description": "refused; nothing was changed"}},
    )
    stream = Stream(front, limits)
    threads = Threads()
    sessions = Sessions()
    app.state.stream = stream
    app.state.sessions = sessions
    errors.install(app)
    app.include_router(stacks.router(front, limits, threads))
    app.include_router(history.router(front, limits, threads))
    app.include_router(rollouts.router(front, limits))
    app.include_router(actions.router(front, limits))
    app.include_router(approve.router(front, limits))
    app.include_router(executors.router(front, limits))
    app.include_router(tasks.router(front))
    app.include_router(usage_routes.router(front, usage or Nowhere()))
    app.include_router(exec_in_task.router(front, limits, info, sessions))
    app.include_router(story.router(front))
    app.include_router(explain.router(front, threads))
    if operator is not None:
        app.include_router(agents_gone.router(front, operator, threads))
    app.include_router(events.router(stream))
    app.include_router(logs.router(front, limits, fetch))
    app.include_router(prometheus.router(usage or Nowhere(), info, leadership, gauge))
    _add_server_routes(app, front, executor, info, clock)
    _add_pages(app, front, info, clock)
    app.add_middleware(Repeats, front=front)
    if leadership is not None:
        app.include_router(leader.router(leadership, info, threads))
        picture = PictureFront()
        pictured = create_app(
            picture, token=token, hosts=hosts, executor=executor, info=info, limits=limits, fetch=fetch, clock=clock
        )
        app.add_middleware(
            Proxy,
            leadership=leadership,
            info=info,
            executor_path=executor.url_path,
            picture=picture,
            pictured=pictured,
            clock=clock,
        )
    app.add_middleware(
        Guard,
        token=token,
        hosts=hosts or Hosts(),
        limits=limits,
        routes=app.router.routes,
        opens=sessions.opens,
        is_standby=lambda: leadership is not None and leadership.is_standby,
    )
    if gauge is not None:
        app.add_middleware(Metered, gauge=gauge)
    return app


def _add_server_routes(
    app: FastAPI, front: Front, executor: ExecutorFile, info: ServerInfo, clock: Callable[[], float]
) -> None:
    @app.head("/v1/ready", include_in_schema=False, dependencies=[OPEN, AT_ONCE])
    @app.get(
        "/v1/ready",
        tags=["scheduler"],
        responses={200: {"model": ReadyAnswer}, 503: {"model": ErrorAnswer}},
        dependencies=[OPEN, AT_ONCE],
    )
    async def ready() -> Response:
        """Whether the scheduler is subscribed to a master and reaches its store: 200, or 503 with what keeps it."""
        view = front.view
        if view.store_problem:
            raise Problem(503, view.store_problem)
        if view.connection is not Connection.SUBSCRIBED:
            raise Problem(503, view.problem or f"The scheduler is {view.connection.value}; it is not subscribed yet.")
        return Json(
            ReadyAnswer(connection=view.connection.value, message=f"Subscribed to the master at {view.master}.")
        )

    @app.get("/v1/info", tags=["scheduler"], responses={200: {"model": InfoAnswer}}, dependencies=[OPEN])
    async def server_info() -> Response:
        """Which scheduler this is, and where it stands."""
        return Json(info_answer(front.view, info, executor, clock()))

    # Mesos's fetcher asks for the size first, where it keeps a cache.
    @app.head("/v1/executor/{sha256}/framework-executor.pyz", include_in_schema=False, dependencies=[OPEN, ARCHIVE])
    @app.get(
        "/v1/executor/{sha256}/framework-executor.pyz",
        tags=["scheduler"],
        response_class=FileResponse,
        responses={200: {"content": {"application/zip": {}}, "description": "the archive"}},
        dependencies=[OPEN, ARCHIVE],
    )
    async def executor_archive(sha256: str) -> Response:
        """The executor's archive, which agents fetch."""
        if sha256 != executor.sha256:
            raise Problem(404, f"There is no executor archive {sha256[:80]}; this scheduler serves {executor.sha256}.")
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(executor.path, media_type="application/zip", headers=headers)


def _add_pages(app: FastAPI, front: Front, info: ServerInfo, clock: Callable[[], float]) -> None:
    async def page() -> Response:
        return HTMLResponse(status_page(front.view, info_line=f"{info.name} {info.version}", now=clock()))

    async def reference() -> Response:
        return HTMLResponse(reference_page(app.openapi()))

    async def schema() -> Response:
        return Json(app.openapi())

    for path, answer in (("/", page), ("/docs", reference), ("/openapi.json", schema)):
        app.add_api_route(path, answer, include_in_schema=False, dependencies=[OPEN])
