"""The route of the event stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from framework.api.errors import Problem
from framework.api.guard import KNOWN
from framework.api.rights import OPEN
from framework.api.stream import Stream
from framework.api.tasks import Pattern

_DESCRIPTION = (
    "server-sent events: id (sequence number), event (kind), data (JSON: sequence, at, kind, text, stack, group, task)"
)


def router(stream: Stream) -> APIRouter:
    """The route over `stream`."""
    routes = APIRouter(prefix="/v1", tags=["events"])

    @routes.get(
        "/events",
        responses={200: {"content": {"text/event-stream": {}}, "description": _DESCRIPTION}},
        dependencies=[OPEN],
    )
    async def events(
        request: Request,
        pattern: Pattern = "",
        after: Annotated[int | None, Query(ge=0, description="replay what is kept after this number")] = None,
        follow: Annotated[bool, Query(description="go on with what comes; false: end after the replay")] = True,
        last_event_id: Annotated[str | None, Header(description="the same as `after`; it wins")] = None,
    ) -> Response:
        """What happens, as it happens. `Lagged` says that events were missed; a comment each 15 s that all is well."""
        if last_event_id is not None:
            if not last_event_id.isdecimal() or len(last_event_id) > 18:
                raise Problem(400, f"Last-Event-ID wants the number of an event; got {last_event_id[:60]!r}.")
            after = int(last_event_id)
        if after is None and not follow:
            after = 0
        return StreamingResponse(
            stream.open(after, pattern, follow, is_known=bool(request.scope.get(KNOWN))),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    return routes
