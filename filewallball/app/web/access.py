"""Who is asking: the session of the cookie, and proof that a request was meant (CSRF)."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import replace
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from filewallball.app import roles
from filewallball.app.errors import Forbidden, NeedsLogin, Unavailable
from filewallball.app.services import Services
from filewallball.app.sessions import TTL_SECONDS, Session

SAFE = ("GET", "HEAD", "OPTIONS")


def services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


def cookie_name(request: Request, name: str) -> str:
    """With encrypted connections it gets the prefix that lets nobody but this very host set it."""
    return f"__Host-{name}" if services(request).settings.secure_cookie else name


def set_cookie(request: Request, response: Response, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        cookie_name(request, name), value, max_age=seconds, path="/", httponly=True, samesite="lax",
        secure=services(request).settings.secure_cookie,
    )  # fmt: skip


async def maybe(request: Request) -> Session | None:
    """Whose session it is, for what needs none: nobody's too while the sessions are gone."""
    try:
        return await _find(request)
    except Unavailable:
        request.state.sessions_gone = True
        return None


async def on_page(request: Request) -> Session:
    """For pages: who posts a form has to have it read by forms.py, which looks at its token.

    Raises NeedsLogin, Unavailable.
    """
    session = await _find(request)
    if session is None:
        raise NeedsLogin
    return session


async def logged_in(request: Request) -> Session:
    """For the API: also Forbidden for a change without the session's token in the header X-CSRF-Token."""
    session = await on_page(request)
    if request.method not in SAFE:
        check_token(session.csrf, request.headers.get("x-csrf-token", ""))
    return session


async def _find(request: Request) -> Session | None:
    here = services(request)
    session = await here.sessions.find(request.cookies.get(cookie_name(request, "session")))
    if session:
        request.state.user = session.user_id
        here.online.saw(session.user_id)
    return session


def check_token(known: str, given: str) -> None:
    """Raises Forbidden."""
    if not hmac.compare_digest(known.encode(), given.encode()):
        raise Forbidden("bad_csrf")


class _Route(APIRoute):
    """Looks first whether a page of another site asks for a change."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in SAFE:
            check_origin(Headers(scope=scope))
        await super().handle(scope, receive, send)


def check_origin(headers: Headers) -> None:
    """Raises Forbidden for a change that a page of another site asks for."""
    if headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("bad_csrf")
    origin = headers.get("origin")
    host = headers.get("host", "").rpartition("@")[2]
    if origin and urlsplit(origin).hostname != urlsplit(f"//{host}").hostname:
        raise Forbidden("bad_csrf")


def routes(prefix: str = "", *, include_in_schema: bool = True) -> APIRouter:
    """For the functions that answer requests."""
    return APIRouter(prefix=prefix, include_in_schema=include_in_schema, route_class=_Route)


async def begin(request: Request, response: Response, user: dict[str, object]) -> Session:
    """A new session with a new id in the answer's cookie; the one of before ends."""
    here = services(request)
    old = await here.sessions.find(request.cookies.get(cookie_name(request, "session")))
    if old:
        await here.sessions.end(old.user_id, old.mark)
    session, cookie = await here.sessions.start(user, address(request), request.headers.get("user-agent", ""))
    set_cookie(request, response, "session", cookie, TTL_SECONDS)
    return session


async def finish(request: Request, response: Response, session: Session) -> None:
    await services(request).sessions.end(session.user_id, session.mark)
    set_cookie(request, response, "session", "", 0)


def visitor_token(request: Request) -> str:
    """What stands in the forms of who is not logged in: the cookie `visit` has to say the same."""
    return request.cookies.get(cookie_name(request, "visit")) or secrets.token_urlsafe(24)


def address(request: Request) -> str:
    return request.client.host if request.client else ""


async def writer_on_page(session: Annotated[Session, Depends(on_page)]) -> Session:
    return needing(session, "write")


async def writer(session: Annotated[Session, Depends(logged_in)]) -> Session:
    return needing(session, "write")


def needing(session: Session, permission: str) -> Session:
    """Raises Forbidden."""
    if not roles.may(session.role, permission):
        raise Forbidden("not_allowed")
    return session


async def admin_on_page(request: Request, session: Annotated[Session, Depends(on_page)]) -> Session:
    return await _administrator(request, session)


async def admin(request: Request, session: Annotated[Session, Depends(logged_in)]) -> Session:
    return await _administrator(request, session)


async def _administrator(request: Request, session: Session) -> Session:
    """Raises Forbidden. Asks the database each time: a role that was taken away is gone at once."""
    user = await services(request).accounts.find(session.user_id)
    if user["disabled"]:
        raise NeedsLogin
    return needing(replace(session, role=user["role"]), "manage")


async def _here(request: Request) -> Services:
    return services(request)  # a dependency that is no coroutine would take a thread


Here = Annotated[Services, Depends(_here)]
Anybody = Annotated[Session | None, Depends(maybe)]
User = Annotated[Session, Depends(logged_in)]
PageUser = Annotated[Session, Depends(on_page)]
Writer = Annotated[Session, Depends(writer)]
PageWriter = Annotated[Session, Depends(writer_on_page)]
Admin = Annotated[Session, Depends(admin)]
PageAdmin = Annotated[Session, Depends(admin_on_page)]
