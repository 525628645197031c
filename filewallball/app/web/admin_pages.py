"""The administrators' site: users and their roles, sessions, all files, and which servers answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from filewallball.app import roles
from filewallball.app.accounts import PAGE as USERS
from filewallball.app.files import PAGE as FILES
from filewallball.app.web import access, forms, pages
from filewallball.app.web.access import Here, PageAdmin
from filewallball.app.web.admin_api import change_user, end_sessions, remove_file
from filewallball.app.web.site_api import Before, Like

router = access.routes(include_in_schema=False)
Id = Annotated[int, Path(ge=1)]


@router.get("/")
async def overview(request: Request, here: Here, user: PageAdmin) -> Response:
    count, size = await here.files.usage()
    return await pages.page(
        request, "admin_overview.html", user,
        health=await here.health(), count=count, size=size, online=await here.online.now(),
    )  # fmt: skip


@router.get("/users")
async def users(
    request: Request, here: Here, user: PageAdmin, like: Like = "", after: Annotated[int, Query(ge=0)] = 0
) -> Response:
    found = await here.accounts.list(like, after)
    more = found[-1]["id"] if len(found) == USERS else 0
    return await pages.page(
        request, "admin_users.html", user, users=found, roles=sorted(roles.PERMISSIONS), like=like, more=more
    )


@router.post("/users/{user_id}")
async def change(request: Request, here: Here, user: PageAdmin, user_id: Id) -> Response:
    form = await forms.read(request, user)
    await change_user(here, user, user_id, role=form.get("role"), disabled=form.get("disabled") == "1")
    return RedirectResponse("/users", 303)


@router.get("/sessions")
async def sessions(request: Request, here: Here, user: PageAdmin) -> Response:
    found = await here.sessions.of_all(await here.accounts.lately())
    return await pages.page(request, "admin_sessions.html", user, sessions=found)


@router.post("/users/{user_id}/sessions/end")
async def end(request: Request, here: Here, user: PageAdmin, user_id: Id) -> Response:
    await forms.read(request, user)
    await end_sessions(here, user_id)
    return RedirectResponse("/sessions" if user_id != user.user_id else "/login", 303)


@router.get("/files")
async def files(
    request: Request, here: Here, user: PageAdmin, like: Like = "", before: Before = ""
) -> Response:
    found = await here.files.all(like, before)
    more = found[-1]["id"] if len(found) == FILES else ""
    return await pages.page(request, "admin_files.html", user, files=found, like=like, more=more)


@router.post("/files/{file}/delete")
async def remove(request: Request, here: Here, user: PageAdmin, file: str) -> Response:
    await forms.read(request, user)
    await remove_file(here, user, file)
    return RedirectResponse("/files", 303)
