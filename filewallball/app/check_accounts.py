"""Accounts of checks, which test the site as users do and leave nothing of themselves behind.

A check signs up with an address of its own kind (accounts.CHECKS) and removes its account at the end. What a
check that was killed has left is removed by the next one, and from time to time by the servers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import delete, exists, select, text

from filewallball.app.accounts import OF_CHECKS
from filewallball.app.database import Database
from filewallball.app.errors import Unavailable
from filewallball.app.files import Files
from filewallball.app.sessions import Sessions
from filewallball.app.tables import comments, files, notifications, posts, users

ABANDONED_MINUTES = 2
"""Longer than a check takes."""


class CheckAccounts:
    def __init__(self, database: Database, sessions: Sessions, found: Files) -> None:
        self._database, self._sessions, self._files = database, sessions, found

    async def remove(self, user_id: int) -> None:
        """The account and all that it has. Raises Unavailable; what is left then goes with the next sweep.

        For accounts of checks alone: with their posts go the comments of others on these.
        """
        wanted = select(files.c.id, files.c.state, files.c.shared).where(files.c.owner_id == user_id)
        for file, state, shared in await self._rows(wanted):
            if state == "uploading":
                await self._files.give_up(file)
            else:
                await self._files.remove({"id": file, "shared": shared})
        for statement in (
            delete(notifications).where(notifications.c.user_id == user_id),
            delete(comments).where(comments.c.author_id == user_id),
            delete(posts).where(posts.c.author_id == user_id),
        ):
            await self._database.run(lambda connection, one=statement: connection.execute(one))
        alone = delete(users).where(users.c.id == user_id, ~exists().where(files.c.owner_id == user_id))
        await self._database.run(lambda connection: connection.execute(alone))
        if await self._rows(select(users.c.id).where(users.c.id == user_id)):
            raise Unavailable(f"Files of user {user_id} can't be removed yet.")
        # Last: until then whoever asks can ask again.
        await self._sessions.end_all(user_id)

    async def sweep(self) -> int:
        """Remove those whose check is over, and has not done it. How many."""
        old = text(f"users.created_at < UTC_TIMESTAMP(6) - INTERVAL {ABANDONED_MINUTES} MINUTE")
        left = [int(row[0]) for row in await self._rows(select(users.c.id).where(OF_CHECKS, old).limit(100))]
        removed = 0
        for each in left:
            with suppress(Unavailable):
                await self.remove(each)
                removed += 1
        return removed

    async def _rows(self, wanted: Any) -> list[Any]:
        return await self._database.run(lambda connection: list(connection.execute(wanted).all()))
