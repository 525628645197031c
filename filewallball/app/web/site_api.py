"""The site's API. Each change needs the session's token in the header X-CSRF-Token; logging in tells it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from filewallball.app import ranges, roles
from filewallball.app.accounts import of_check
from filewallball.app.errors import Forbidden, NotFound, Refused
from filewallball.app.sessions import Session
from filewallball.app.web import access, content
from filewallball.app.web.access import Anybody, Here, User, Writer

router = access.routes(prefix="/api/v1")
Like = Annotated[str, Query(alias="q", max_length=100)]
Before = Annotated[str, Query(max_length=36)]


class Credentials(BaseModel):
    email: str = Field(max_length=255)
    password: str = Field(max_length=1024)


class SignUp(Credentials):
    name: str = Field(max_length=200)


class Changes(BaseModel):
    name: str | None = Field(None, max_length=1000)
    shared: bool | None = None


class Announced(BaseModel):
    name: str = Field(max_length=1000)
    size: int = Field(ge=1)
    type: str | None = Field(None, max_length=200)
    shared: bool = False


class Post(BaseModel):
    title: str
    content: str


class Comment(BaseModel):
    content: str


def told(session: Session) -> dict[str, Any]:
    user = {"id": session.user_id, "email": session.email, "name": session.name, "role": session.role}
    return {"user": {**user, "permissions": sorted(roles.PERMISSIONS[session.role])}, "csrf": session.csrf}


@router.post("/users", status_code=201, tags=["account"])
async def sign_up(request: Request, response: Response, here: Here, body: SignUp) -> dict[str, Any]:
    """Make an account, and log in."""
    user = await here.accounts.sign_up(body.email, body.name, body.password)
    return told(await access.begin(request, response, user))


@router.post("/session", tags=["account"])
async def log_in(request: Request, response: Response, here: Here, body: Credentials) -> dict[str, Any]:
    user = await here.accounts.log_in(body.email, body.password, access.address(request))
    return told(await access.begin(request, response, user))


@router.get("/session", tags=["account"])
async def who(user: User) -> dict[str, Any]:
    """Who is logged in, and the token for changes."""
    return told(user)


@router.delete("/session", status_code=204, tags=["account"])
async def log_out(request: Request, response: Response, user: User) -> None:
    await access.finish(request, response, user)


@router.delete("/account", status_code=204, tags=["account"])
async def leave(here: Here, user: User) -> None:
    """Remove the account with all that it has, if it is a check's, and those that checks have left."""
    if not of_check(user.email):
        raise Forbidden("not_allowed")
    await here.check_accounts.remove(user.user_id)
    await here.check_accounts.sweep()


@router.get("/sessions", tags=["account"])
async def sessions(here: Here, user: User) -> list[dict[str, Any]]:
    """All sessions of the user."""
    return [shown(each, user) for each in await here.sessions.of(user.user_id)]


@router.delete("/sessions", status_code=204, tags=["account"])
async def end_others(here: Here, user: User) -> None:
    """End all sessions of the user but this one."""
    await here.sessions.end_others(user)


def shown(session: Session, mine: Session) -> dict[str, Any]:
    own = {"id": session.mark[:16], "user_id": session.user_id, "created": session.created}
    return {**own, "address": session.address, "agent": session.agent, "current": session.mark == mine.mark}


@router.get("/files", tags=["files"])
async def own_files(here: Here, user: User, like: Like = "", before: Before = "") -> list[dict[str, Any]]:
    """The user's files, the newest first; `q`: part of a name, `before`: the last id of the page before."""
    return await here.files.of_owner(user.user_id, like, before)


@router.get("/wall", tags=["files"])
async def wall(here: Here, like: Like = "", before: Before = "") -> list[dict[str, Any]]:
    """What everybody shares."""
    return await here.files.wall(like, before)


@router.post("/files", status_code=201, tags=["files"])
async def upload(
    request: Request,
    here: Here,
    user: Writer,
    name: Annotated[str, Query(max_length=1000)],
    shared: bool = False,
    progress: Annotated[UUID | None, Query()] = None,
) -> dict[str, Any]:
    """A whole file as the request's body. `progress`: a UUID of the caller's own, for /uploads/…/progress."""
    size, kind = announced(request), request.headers.get("content-type")
    here.uploads.check(size)
    return await here.uploads.whole(
        user.user_id, name, kind, request.stream(), shared=shared, progress=str(progress or ""), size=size
    )


def announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdigit() else 0


@router.head("/files/{file}", include_in_schema=False)
@router.get("/files/{file}", tags=["files"])
async def metadata(here: Here, user: Anybody, file: str) -> dict[str, Any]:
    return await here.files.see(file, user.user_id if user else None)


@router.patch("/files/{file}", tags=["files"])
async def change(here: Here, user: Writer, file: str, body: Changes) -> dict[str, Any]:
    found = await here.files.own(file, user.user_id)
    return await here.files.change(found, name=body.name, shared=body.shared)


@router.delete("/files/{file}", status_code=204, tags=["files"])
async def remove(here: Here, user: User, file: str) -> None:
    await here.files.remove(await here.files.own(file, user.user_id))


@router.head("/files/{file}/content", include_in_schema=False)
@router.get("/files/{file}/content", tags=["files"], response_class=Response)
async def download(request: Request, here: Here, user: Anybody, file: str) -> Response:
    """The bytes, or by Range a part of them."""
    return await content.respond(
        request, here.files, await here.files.see(file, user.user_id if user else None)
    )


@router.post("/uploads", status_code=201, tags=["uploads"])
async def begin(here: Here, user: Writer, body: Announced) -> dict[str, Any]:
    """Begin an upload that may be resumed. Its bytes follow by PUT."""
    row = await here.uploads.begin(user.user_id, body.name, body.type, body.size, shared=body.shared)
    return {"id": row["id"], "size": body.size, "received": 0}


@router.put("/uploads/{upload}", tags=["uploads"])
async def append(
    request: Request,
    here: Here,
    user: Writer,
    upload: str,
    content_range: Annotated[str | None, Header()] = None,
) -> Response:
    """Bytes with `Content-Range: bytes 0-99/1000`, as many as one likes, in order. At the end 201."""
    row = await here.files.pending(upload, user.user_id)
    piece = ranges.brought(content_range, row["size"])
    if piece is None:
        raise Refused("bad_range", field="Content-Range")
    made = await here.uploads.append(row, piece, request.stream())
    if made:
        return JSONResponse(made, 201)
    return JSONResponse(
        {"id": upload, "size": row["size"], "received": await here.uploads.received(row)}, 202
    )


@router.get("/uploads/{upload}", tags=["uploads"])
async def where(here: Here, user: User, upload: str) -> dict[str, Any]:
    """Where to go on: how many bytes have been received."""
    try:
        row = await here.files.pending(upload, user.user_id)
    except NotFound:
        made = await here.files.own(upload, user.user_id)
        return {"id": upload, "size": made["size"], "received": made["size"], "file": made}
    return {"id": upload, "size": row["size"], "received": await here.uploads.received(row)}


@router.delete("/uploads/{upload}", status_code=204, tags=["uploads"])
async def give_up(here: Here, user: User, upload: str) -> None:
    await here.files.give_up((await here.files.pending(upload, user.user_id))["id"])


@router.get("/uploads/{upload}/progress", tags=["uploads"])
async def progress(here: Here, user: User, upload: str) -> dict[str, Any]:
    """How far an upload is, by its id or the UUID that was given with it."""
    return await here.uploads.progress(upload, user.user_id)


@router.get("/posts", tags=["posts"])
async def posts(here: Here, before: Annotated[int, Query(ge=0)] = 0) -> list[dict[str, Any]]:
    return await here.posts.recent(before)


@router.post("/posts", status_code=201, tags=["posts"])
async def write(here: Here, user: Writer, body: Post) -> dict[str, int]:
    return {"id": await here.posts.write(user.user_id, body.title, body.content)}


@router.get("/posts/{post}", tags=["posts"])
async def post(here: Here, post: int) -> dict[str, Any]:
    return await here.posts.see(post)


@router.delete("/posts/{post}", status_code=204, tags=["posts"])
async def remove_post(here: Here, user: User, post: int) -> None:
    await here.posts.remove(post, None if roles.may(user.role, "delete") else user.user_id)


@router.post("/posts/{post}/comments", status_code=201, tags=["posts"])
async def comment(here: Here, user: Writer, post: int, body: Comment) -> dict[str, int]:
    await here.posts.comment(user.user_id, user.name, post, body.content)
    return {"post": post}


@router.get("/online", tags=["users"])
async def online(here: Here) -> list[dict[str, Any]]:
    """Who has been here within the last two minutes."""
    return await here.online.now()


@router.get("/notifications", tags=["users"])
async def notifications(here: Here, user: User) -> list[dict[str, Any]]:
    return await here.notifications.of(user.user_id)


@router.post("/notifications/seen", status_code=204, tags=["users"])
async def seen(here: Here, user: User, last: Annotated[int, Query(ge=0)]) -> None:
    """The user has seen those up to this number."""
    await here.notifications.see(user.user_id, last)
