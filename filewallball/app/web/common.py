"""What both sites have: log-in and log-out, the language, files of our own, health and figures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from filewallball.app import metrics
from filewallball.app.errors import Refused
from filewallball.app.web import access, forms, pages, texts
from filewallball.app.web.access import Anybody, Here, PageUser

router = access.routes(include_in_schema=False)
LANGUAGE_SECONDS = 365 * 24 * 3600


@router.get("/login")
async def login_page(
    request: Request, user: Anybody, after: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    if user:
        return RedirectResponse(pages.local(after), 303)
    return await pages.page(request, "login.html", None, after=pages.local(after), email="", wrong="")


@router.post("/login")
async def login(request: Request, here: Here) -> Response:
    form = await forms.read(request, None)
    email, after = form.get("email", ""), pages.local(form.get("next", "/"))
    try:
        user = await here.accounts.log_in(email, form.get("password", ""), access.address(request))
    except Refused as problem:
        if problem.status >= 500:
            raise
        wrong = texts.say(texts.language_of(request), problem.text, **problem.values)
        again = await pages.page(
            request, "login.html", None, problem.status, after=after, email=email[:255], wrong=wrong
        )
        if problem.retry_after:
            again.headers["Retry-After"] = str(problem.retry_after)
        return again
    response = RedirectResponse(after, 303)
    await access.begin(request, response, user)
    return response


@router.post("/logout")
async def logout(request: Request, user: PageUser) -> Response:
    await forms.read(request, user)
    response = RedirectResponse("/", 303)
    await access.finish(request, response, user)
    return response


@router.get("/language/{language}")
async def language(language: str, after: Annotated[str, Query(alias="next")] = "/") -> Response:
    response = RedirectResponse(pages.local(after), 303)
    if language in texts.LANGUAGES:
        response.set_cookie(texts.COOKIE, language, max_age=LANGUAGE_SECONDS, samesite="lax", httponly=True)
    return response


async def alive(_: Request) -> Response:
    """The process answers. Servers behind it don't count: a restart would not bring them back."""
    return JSONResponse({"status": "alive"})


async def ready(request: Request) -> Response:
    """Whether the balancer may send requests."""
    here = access.services(request)
    fit = await here.ready()
    why = "ready" if fit else "draining" if here.draining else "waiting for the database's schema"
    return JSONResponse({"status": why}, 200 if fit else 503, {} if fit else {"Retry-After": "1"})


async def figures(_: Request) -> Response:
    return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


# Machines ask these often: they go past FastAPI's reading of parameters.
router.add_route("/healthz", alive)
router.add_route("/readyz", ready)
router.add_route("/metrics", figures)
