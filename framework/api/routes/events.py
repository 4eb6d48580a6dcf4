"""The route of the event stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from framework.api.answers.events import EventData
from framework.api.errors import Problem
from framework.api.guard.guard import KNOWN
from framework.api.guard.rights import OPEN
from framework.api.routes.event_stream import Stream, StreamPosition, position_of
from framework.api.routes.tasks import Pattern

_BEGINNING = StreamPosition(term="", sequence=0)
_DESCRIPTION = (
    "server-sent events: id (of this leader's stream, opaque), event (kind), data (JSON:"
    f" {', '.join(EventData.__annotations__)})"
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
        after: Annotated[
            str | None, Query(description="replay what is kept after the event with this id; 0: all that is kept")
        ] = None,
        follow: Annotated[bool, Query(description="go on with what comes; false: end after the replay")] = True,
        last_event_id: Annotated[str | None, Header(description="the same as `after`; it wins")] = None,
    ) -> Response:
        """The event stream, live. `Lagged` says that events were missed; a comment each 15 s that all is well."""
        position = _position(after, last_event_id)
        if position is None and not follow:
            position = _BEGINNING
        return StreamingResponse(
            stream.open(position, pattern, follow, is_known=bool(request.scope.get(KNOWN))),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    return routes


def _position(after: str | None, last_event_id: str | None) -> StreamPosition | None:
    """The position that a request names; raises Problem for what is none."""
    given = after if last_event_id is None else last_event_id
    if given is None:
        return None
    position = position_of(given)
    if position is not None:
        return position
    wanted = f"the id of an event, as the stream gave it, or a number from 0; got {given[:60]!r}"
    if last_event_id is not None:
        raise Problem(400, f"Last-Event-ID wants {wanted}.")
    raise Problem(422, f"The parameter after wants {wanted}.", [("query.after", f"wants {wanted}")])
