"""Errors of the API: always JSON `{message, details: [{path, error}]}`, never a traceback."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException

from framework.api.answers.base import Json, Shape

_log = logging.getLogger(__name__)

Details = Iterable[tuple[str, str]]

#: Of an answer to a request that was sent on and may still happen: clients look before they ask again.
OUTCOME_UNKNOWN = {"X-Framework-Outcome": "unknown"}


class Detail(Shape):
    path: Annotated[str, Field(examples=["body.instances"])]
    error: Annotated[str, Field(examples=["is missing"])]


class ErrorAnswer(Shape):
    """A sentence that says what is wrong, and the places that are."""

    message: Annotated[str, Field(examples=["No group matches shop/wbe; did you mean shop/web?"])]
    details: list[Detail]


class Problem(HTTPException):
    """A request that cannot be served: an HTTP status, a sentence, and (path, error) pairs."""

    def __init__(
        self, status: int, message: str, details: Details = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.message = message
        self.details = tuple(details)


def error_answer(
    status: int, message: str, details: Details = (), headers: Mapping[str, str] | None = None
) -> Response:
    """The answer that says so."""
    content: ErrorAnswer = {"message": message, "details": [{"path": path, "error": error} for path, error in details]}
    return Json(content, status, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Makes every error of the app such an answer."""
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


async def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        fault = next(fault for fault in faults if fault["type"] == "json_invalid")
        why = str(fault.get("ctx", {}).get("error", fault["msg"]))
        return error_answer(400, f"The body is not JSON: {why}.", [(f"body[{fault['loc'][-1]}]", why)])
    return error_answer(
        422,
        "The request is not as the API wants it; /docs shows how. Nothing was changed.",
        [(_path(fault["loc"]), _sentence(fault)) for fault in faults],
    )


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, Problem):
        return error_answer(error.status_code, error.message, error.details, error.headers)
    here = f"{request.method} {request.url.path}"
    message = {
        404: f"There is nothing at {request.url.path}; /docs lists what there is.",
        405: f"{here} is not possible; wanted {(error.headers or {}).get('Allow', 'another method')}.",
    }.get(error.status_code, str(error.detail) or HTTPStatus(error.status_code).phrase)
    return error_answer(error.status_code, message, headers=error.headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    number = uuid.uuid4().hex[:8]
    route = getattr(request.scope.get("route"), "path", "no route")  # a path may hold a key
    _log.error("bug %s in %s %s", number, request.method, route, exc_info=error)
    return error_answer(
        500, f"A bug in the scheduler's API. Its log has the reason under 'bug {number}'; please report it with that."
    )


def _path(place: Sequence[str | int]) -> str:
    """("body", "ports", 0) -> "body.ports[0]"."""
    path = ""
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _sentence(fault: Mapping[str, Any]) -> str:
    got = fault.get("input")
    wanted = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "missing":
        return "is missing"
    if fault["type"] == "extra_forbidden":
        return "is not known"
    shown = repr(got)
    return f"{wanted}; got {shown if len(shown) <= 60 else shown[:57] + '...'}"
