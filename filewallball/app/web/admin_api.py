"""The administrators' API, and what the pages do as well."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel

from filewallball.app.errors import Refused
from filewallball.app.services import Services
from filewallball.app.sessions import Session
from filewallball.app.web import access
from filewallball.app.web.access import Admin, Here
from filewallball.app.web.site_api import Before, Credentials, Like, shown, told

router = access.routes(prefix="/api/v1")


class UserChanges(BaseModel):
    role: str | None = None
    disabled: bool | None = None


async def change_user(
    here: Services, admin: Session, user_id: int, *, role: str | None, disabled: bool | None
) -> dict[str, Any]:
    """Nobody changes themselves: so there is always an administrator left. Raises Refused, NotFound."""
    if user_id == admin.user_id:
        raise Refused("not_yourself")
    before = await here.accounts.find(user_id)
    await here.accounts.change(user_id, role=role, disabled=disabled)
    after = await here.accounts.find(user_id)
    if (before["role"], before["disabled"]) != (after["role"], after["disabled"]):
        await here.sessions.end_all(user_id)  # they hold the role
    if before["role"] != after["role"]:
        await here.notifications.tell(user_id, "notice_role", after["role"])
    return after


async def end_sessions(here: Services, user_id: int) -> None:
    await here.sessions.end_all((await here.accounts.find(user_id))["id"])


async def remove_file(here: Services, admin: Session, file: str) -> None:
    """Remove anybody's file, and tell its owner."""
    found = await here.files.any(file)
    await here.files.remove(found)
    if found["owner_id"] != admin.user_id:
        await here.notifications.tell(found["owner_id"], "notice_removed", found["name"])


@router.post("/session", tags=["account"])
async def log_in(request: Request, response: Response, here: Here, body: Credentials) -> dict[str, Any]:
    user = await here.accounts.log_in(body.email, body.password, access.address(request))
    return told(await access.begin(request, response, user))


@router.get("/users", tags=["users"])
async def users(
    here: Here, _: Admin, like: Like = "", after: Annotated[int, Query(ge=0)] = 0
) -> list[dict[str, Any]]:
    return await here.accounts.list(like, after)


@router.patch("/users/{user_id}", tags=["users"])
async def change(here: Here, admin: Admin, user_id: int, body: UserChanges) -> dict[str, Any]:
    return await change_user(here, admin, user_id, role=body.role, disabled=body.disabled)


@router.delete("/users/{user_id}/sessions", status_code=204, tags=["users"])
async def end(here: Here, _: Admin, user_id: int) -> None:
    await end_sessions(here, user_id)


@router.get("/sessions", tags=["users"])
async def sessions(here: Here, admin: Admin) -> list[dict[str, Any]]:
    return [shown(each, admin) for each in await here.sessions.of_all(await here.accounts.lately())]


@router.get("/files", tags=["files"])
async def files(here: Here, _: Admin, like: Like = "", before: Before = "") -> list[dict[str, Any]]:
    return await here.files.all(like, before)


@router.delete("/files/{file}", status_code=204, tags=["files"])
async def remove(here: Here, admin: Admin, file: str) -> None:
    await remove_file(here, admin, file)


@router.get("/health", tags=["health"])
async def health(here: Here, _: Admin) -> dict[str, Any]:
    """Which servers behind this one answer, and how much the store holds."""
    count, size = await here.files.usage()
    return {"servers": await here.health(), "files": count, "bytes": size}
