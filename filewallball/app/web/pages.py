"""Makes the pages out of the templates."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from filewallball.app import roles
from filewallball.app.errors import Unavailable
from filewallball.app.names import SHOWN
from filewallball.app.sessions import Session
from filewallball.app.web import access, texts

FOLDER = Path(__file__).parent
VISIT_SECONDS = 3600
_UNITS = ("B", "KB", "MB", "GB", "TB")


def size(count: int) -> str:
    """For people, in powers of 1,024."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if value >= 10 else f"{value:.2g} {_UNITS[unit]}"


def moment(value: str | float | None) -> str:
    """A time for the browser's own zone: app.js writes it anew; without it, it is UTC."""
    if value is None:
        return "–"
    at = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    return at.strftime("%Y-%m-%d %H:%M UTC")


@cache
def _mark(name: str) -> str:
    return hashlib.sha256((FOLDER / "static" / name).read_bytes()).hexdigest()[:12]


def static(name: str) -> str:
    """The path of a file of ours, which changes with the file."""
    return f"/static/{name}?v={_mark(name)}"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"size": size, "moment": moment}
    shared: Any = made.globals
    shared.update(static=static, languages=texts.LANGUAGES, SHOWN=SHOWN)
    return made


def prepare() -> None:
    """Read what the first pages would have to wait for."""
    texts.texts()
    for name in ("wall.html", "login.html", "problem.html"):
        _environment().get_template(name)


async def page(
    request: Request, template: str, session: Session | None, code: int = 200, **values: Any
) -> Response:
    """A page; `session`: whose it is."""
    language = texts.language_of(request)
    visit = "" if session else access.visitor_token(request)
    html = (
        _environment()
        .get_template(template)
        .render(
            t=partial(texts.say, language),
            language=language,
            path=request.url.path,
            session=session,
            csrf=session.csrf if session else visit,
            admin_site=request.app.state.admin,
            may=partial(roles.may, session.role) if session else _nobody_may,
            unread=await _unread(request, session),
            sessions_gone=getattr(request.state, "sessions_gone", False),
            server=access.services(request).settings.name,
            **values,
        )
    )
    response = HTMLResponse(html, code, {"Vary": "Cookie, Accept-Language"})
    if visit and template in ("login.html", "signup.html"):
        access.set_cookie(request, response, "visit", visit, VISIT_SECONDS)
    return response


def _nobody_may(_: str) -> bool:
    return False


async def problem(request: Request, message: str, status: int, headers: dict[str, str]) -> Response:
    response = await page(request, "problem.html", None, status, message=message, status=status)
    response.headers.update(headers)
    return response


async def _unread(request: Request, session: Session | None) -> int:
    if session is None or request.app.state.admin:
        return 0
    try:
        return await access.services(request).notifications.unread(session.user_id)
    except Unavailable:
        return 0


def local(path: str) -> str:
    """Where to go on after a log-in: a path of this site, and nothing that a browser takes for another's."""
    if path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable() and "\\" not in path:
        return path
    return "/"
