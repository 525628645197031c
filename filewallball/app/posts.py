"""Posts and their comments, which everybody may read."""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import delete, func, insert, select

from filewallball.app.accounts import plain
from filewallball.app.cache import FILE_SECONDS, Cache
from filewallball.app.database import Database
from filewallball.app.errors import NotFound, Refused
from filewallball.app.notifications import Notifications
from filewallball.app.tables import comments, posts, users

RECENT_KEY = "cache:posts:recent"
PAGE = 20
LONGEST_TITLE, LONGEST_TEXT, MOST_COMMENTS = 200, 10_000, 500
_FIELDS = (
    posts.c.id,
    posts.c.title,
    posts.c.content,
    posts.c.author_id,
    users.c.name.label("author"),
    posts.c.created_at,
)

_COUNT = select(func.count()).where(comments.c.post_id == posts.c.id).scalar_subquery().label("comments")
_RECENT = select(*_FIELDS, _COUNT).join(users, users.c.id == posts.c.author_id).order_by(posts.c.id.desc())


class Posts:
    def __init__(self, database: Database, cache: Cache, notifications: Notifications) -> None:
        self._database, self._cache, self._notifications = database, cache, notifications

    async def recent(self, before: int = 0) -> list[dict[str, Any]]:
        """A page of posts, the newest first. The first page is cached for some seconds."""

        async def load() -> list[dict[str, Any]]:
            wanted = (_RECENT.where(posts.c.id < before) if before else _RECENT).limit(PAGE)
            return [
                plain(row) for row in await self._database.run(lambda c: c.execute(wanted).mappings().all())
            ]

        return await (load() if before else self._cache.kept(RECENT_KEY, FILE_SECONDS, load))

    async def see(self, post: int) -> dict[str, Any]:
        """A post with its comments. Raises NotFound."""

        async def load() -> dict[str, Any]:
            one = select(*_FIELDS).join(users, users.c.id == posts.c.author_id).where(posts.c.id == post)
            below = (
                select(comments.c.id, comments.c.content, comments.c.author_id, users.c.name.label("author"),
                       comments.c.created_at)
                .join(users, users.c.id == comments.c.author_id)
                .where(comments.c.post_id == post).order_by(comments.c.id).limit(MOST_COMMENTS)
            )  # fmt: skip
            row, rows = await self._database.run(
                lambda c: (c.execute(one).mappings().first(), c.execute(below).mappings().all())
            )
            if not row:
                raise NotFound
            return {**plain(row), "comments": [plain(each) for each in rows]}

        return await self._cache.kept(_key(post), FILE_SECONDS, load)

    async def write(self, author: int, title: str, content: str) -> int:
        """The new post's number. Raises Refused."""
        values = {
            "title": clean_text(title, LONGEST_TITLE, "title", lines=False),
            "content": clean_text(content, LONGEST_TEXT, "content"),
            "author_id": author,
        }
        made = await self._database.run(
            lambda c: c.execute(insert(posts).values(values)).inserted_primary_key
        )
        await self._cache.drop(RECENT_KEY)
        return int(made[0]) if made else 0

    async def comment(self, author: int, name: str, post: int, content: str) -> None:
        """Add a comment, and tell the post's author. Raises Refused, NotFound."""
        values = {
            "post_id": post,
            "author_id": author,
            "content": clean_text(content, LONGEST_TEXT, "content"),
        }
        found = await self.see(post)
        await self._database.run(lambda c: c.execute(insert(comments).values(values)))
        await self._cache.drop(_key(post), RECENT_KEY)
        if found["author_id"] != author:
            about = f"{name}: {found['title']}"
            await self._notifications.tell(found["author_id"], "notice_comment", about, f"/posts/{post}")

    async def remove(self, post: int, author: int | None) -> None:
        """`author`: whose it has to be; None for who may remove everybody's. Raises NotFound."""
        gone = delete(posts).where(posts.c.id == post)
        gone = gone.where(posts.c.author_id == author) if author is not None else gone
        if not await self._database.run(lambda c: c.execute(gone).rowcount):
            raise NotFound
        await self._cache.drop(_key(post), RECENT_KEY)


def _key(post: int) -> str:
    return f"cache:post:{post}"


def clean_text(given: str, longest: int, field: str, *, lines: bool = True) -> str:
    """Without what can't be seen but the ends of lines. Raises Refused if it is empty or too long."""
    text = unicodedata.normalize("NFC", given.replace("\r\n", "\n"))
    kept = "".join(
        e for e in text if unicodedata.category(e)[0] != "C" or e in "\u200d" or (lines and e == "\n")
    )
    if not 1 <= len(kept.strip()) <= longest:
        raise Refused("bad_text", field=field, most=longest)
    return kept.strip()
