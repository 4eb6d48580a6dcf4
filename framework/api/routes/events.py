"""The route of the event stream."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from framework.api.errors import Problem
from framework.api.guard.guard import KNOWN
from framework.api.guard.rights import OPEN
from framework.api.routes.event_stream import Place, Stream, place_of
from framework.api.routes.tasks import Pattern

_BEGINNING = Place(term="", sequence=0)
_DESCRIPTION = (
    "server-sent events: id (of this leader's stream, opaque), event (kind), data (JSON: id, sequence, at, kind, text,"
    " stack, group, task)"
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
        """What happens, as it happens. `Lagged` says that events were missed; a comment each 15 s that all is well."""
        place = _place(after, last_event_id)
        if place is None and not follow:
            place = _BEGINNING
        return StreamingResponse(
            stream.open(place, pattern, follow, is_known=bool(request.scope.get(KNOWN))),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    return routes


def _place(after: str | None, last_event_id: str | None) -> Place | None:
    """The place that a request names; raises Problem for what is none."""
    given = after if last_event_id is None else last_event_id
    if given is None:
        return None
    place = place_of(given)
    if place is not None:
        return place
    wanted = f"the id of an event, as the stream gave it, or a number from 0; got {given[:60]!r}"
    if last_event_id is not None:
        raise Problem(400, f"Last-Event-ID wants {wanted}.")
    raise Problem(422, f"The parameter after wants {wanted}.", [("query.after", f"wants {wanted}")])
