"""The site's pages. All but the bar of an upload's progress works without JavaScript."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse

from filewallball.app import roles
from filewallball.app.errors import Refused, Unavailable
from filewallball.app.files import PAGE
from filewallball.app.sessions import Session
from filewallball.app.web import access, content, forms, pages, texts
from filewallball.app.web.access import Anybody, Here, PageUser, PageWriter
from filewallball.app.web.site_api import Before, Like, announced

router = access.routes(include_in_schema=False)
FORM_OVERHEAD_BYTES = 64 * 2**10
FRONT_POSTS = 5


def _viewer(user: Session | None) -> int | None:
    return user.user_id if user else None


@router.get("/")
async def wall(request: Request, here: Here, user: Anybody, like: Like = "", before: Before = "") -> Response:
    """The shared files, the newest posts, and who is online."""
    files = await here.files.wall(like, before)
    posts = (await here.posts.recent())[:FRONT_POSTS]
    try:
        online = await here.online.now()
    except Unavailable:
        online = []
    more = files[-1]["id"] if len(files) == PAGE else ""
    return await pages.page(
        request,
        "wall.html",
        user,
        files=files,
        posts=posts,
        online=online,
        like=like,
        before=before,
        more=more,
    )


@router.get("/signup")
async def signup_page(request: Request, user: Anybody) -> Response:
    if user:
        return RedirectResponse("/files", 303)
    return await pages.page(request, "signup.html", None, email="", name="", wrong="", field="")


@router.post("/signup")
async def signup(request: Request, here: Here) -> Response:
    form = await forms.read(request, None)
    email, name = form.get("email", ""), form.get("name", "")
    try:
        user = await here.accounts.sign_up(email, name, form.get("password", ""))
    except Refused as problem:
        if problem.status >= 500:
            raise
        wrong = texts.say(texts.language_of(request), problem.text, **problem.values)
        return await pages.page(
            request, "signup.html", None, problem.status,
            email=email[:255], name=name[:100], wrong=wrong, field=problem.field,
        )  # fmt: skip
    response = RedirectResponse("/files", 303)
    await access.begin(request, response, user)
    return response


@router.get("/files")
async def own(request: Request, here: Here, user: PageUser, like: Like = "", before: Before = "") -> Response:
    files = await here.files.of_owner(user.user_id, like, before)
    more = files[-1]["id"] if len(files) == PAGE else ""
    return await pages.page(
        request, "files.html", user, files=files, like=like, before=before, more=more, most=here.uploads.most
    )


@router.post("/upload")
async def upload(request: Request, here: Here, user: PageWriter) -> Response:
    """The form's file, as it comes: what stands before it has to hold the token."""
    here.uploads.check(announced(request) - FORM_OVERHEAD_BYTES)
    form = forms.FileForm(request)
    await form.open()
    access.check_token(user.csrf, form.fields.get("csrf", ""))
    if not form.filename:
        raise Refused("no_file", field="file")
    await here.uploads.whole(
        user.user_id, form.filename, form.type, form.file(), shared=form.fields.get("shared") == "1"
    )
    return RedirectResponse("/files", 303)


@router.get("/files/{file}")
async def one(request: Request, here: Here, user: Anybody, file: str) -> Response:
    found = await here.files.see(file, _viewer(user))
    return await pages.page(request, "file.html", user, file=found)


@router.api_route("/files/{file}/download", methods=["GET", "HEAD"])
async def download(request: Request, here: Here, user: Anybody, file: str) -> Response:
    return await content.respond(request, here.files, await here.files.see(file, _viewer(user)))


@router.api_route("/files/{file}/view", methods=["GET", "HEAD"])
async def view(request: Request, here: Here, user: Anybody, file: str) -> Response:
    """In place, where its type can't do harm."""
    found = await here.files.see(file, _viewer(user))
    return await content.respond(request, here.files, found, inline=True)


@router.post("/files/{file}/change")
async def change(request: Request, here: Here, user: PageWriter, file: str) -> Response:
    form = await forms.read(request, user)
    found = await here.files.own(file, user.user_id)
    await here.files.change(found, name=form.get("name"), shared=form.get("shared") == "1")
    return RedirectResponse(f"/files/{file}", 303)


@router.post("/files/{file}/delete")
async def remove(request: Request, here: Here, user: PageUser, file: str) -> Response:
    await forms.read(request, user)
    await here.files.remove(await here.files.own(file, user.user_id))
    return RedirectResponse("/files", 303)


@router.get("/posts")
async def posts(
    request: Request, here: Here, user: Anybody, before: Annotated[int, Query(ge=0)] = 0
) -> Response:
    found = await here.posts.recent(before)
    return await pages.page(request, "posts.html", user, posts=found, before=before)


@router.post("/posts")
async def write(request: Request, here: Here, user: PageWriter) -> Response:
    form = await forms.read(request, user)
    made = await here.posts.write(user.user_id, form.get("title", ""), form.get("content", ""))
    return RedirectResponse(f"/posts/{made}", 303)


@router.get("/posts/{post}")
async def post(request: Request, here: Here, user: Anybody, post: int) -> Response:
    found = await here.posts.see(post)
    own = user is not None and (found["author_id"] == user.user_id or roles.may(user.role, "delete"))
    return await pages.page(request, "post.html", user, post=found, own=own)


@router.post("/posts/{post}/comments")
async def comment(request: Request, here: Here, user: PageWriter, post: int) -> Response:
    form = await forms.read(request, user)
    await here.posts.comment(user.user_id, user.name, post, form.get("content", ""))
    return RedirectResponse(f"/posts/{post}", 303)


@router.post("/posts/{post}/delete")
async def remove_post(request: Request, here: Here, user: PageUser, post: int) -> Response:
    await forms.read(request, user)
    await here.posts.remove(post, None if roles.may(user.role, "delete") else user.user_id)
    return RedirectResponse("/posts", 303)


@router.get("/notifications")
async def notifications(request: Request, here: Here, user: PageUser) -> Response:
    found = await here.notifications.of(user.user_id)
    if found and not found[0]["seen"]:
        await here.notifications.see(user.user_id, found[0]["id"])
    return await pages.page(request, "notifications.html", user, notifications=found)


@router.get("/account")
async def account(request: Request, here: Here, user: PageUser) -> Response:
    return await pages.page(request, "account.html", user, sessions=await here.sessions.of(user.user_id))


@router.post("/account/sessions/end")
async def end_others(request: Request, here: Here, user: PageUser) -> Response:
    await forms.read(request, user)
    await here.sessions.end_others(user)
    return RedirectResponse("/account", 303)
