"""What a request ends with that can't be done: a page for people, JSON (RFC 9457) for machines."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from filewallball.app.errors import NeedsLogin, Refused, Unavailable
from filewallball.app.web import pages, texts

log = logging.getLogger("filewallball.app.problem")
_BY_STATUS = {
    404: "not_found",
    405: "not_found",
    401: "needs_login",
    403: "not_allowed",
    413: "too_large_form",
}


def wants_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")


async def refused(request: Request, error: Exception) -> Response:
    problem = error if isinstance(error, Refused) else Refused("bad_request")
    if isinstance(problem, Unavailable):
        log.warning("%s", problem.message or "A server behind this one is gone")
    if isinstance(problem, NeedsLogin) and wants_page(request) and request.method == "GET":
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    return await _answer(request, problem, problem.status)


async def _answer(request: Request, problem: Refused, status: int) -> Response:
    language = texts.language_of(request)
    message = texts.say(language, problem.text, **problem.values)
    headers = {"Retry-After": str(problem.retry_after)} if problem.retry_after else {}
    if wants_page(request):
        return await pages.problem(request, message, status, headers)
    body: dict[str, Any] = {"title": problem.text, "status": status, "code": problem.text, "detail": message}
    if problem.field:
        body["field"] = problem.field
    body |= {name: value for name, value in problem.values.items() if isinstance(value, int | str)}
    return JSONResponse(body, status, headers, "application/problem+json")


async def http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    return await _answer(request, Refused(_BY_STATUS.get(status, "bad_request")), status)


async def invalid(request: Request, error: Exception) -> Response:
    """Names the fields, but never says again what they held: one may be a password."""
    faults: Any = error.errors() if isinstance(error, RequestValidationError) else []
    where = sorted({".".join(str(part) for part in each["loc"][1:]) for each in faults})
    return await _answer(request, Refused("bad_request", field=", ".join(where)), 422)


async def gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it; the log does


async def broken(request: Request, error: Exception) -> Response:
    log.error("Unexpected", exc_info=error)
    return await _answer(request, Refused("broken"), 500)


def add(app: FastAPI) -> None:
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, broken)
