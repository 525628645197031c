"""What a user is told: kept in MariaDB, the number of unread ones cached."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, func, insert, select, update

from filewallball.app.accounts import plain
from filewallball.app.cache import TEMPORARY_SECONDS, Cache
from filewallball.app.database import Database
from filewallball.app.tables import notifications

SHOWN = 50


class Notifications:
    def __init__(self, database: Database, cache: Cache) -> None:
        self._database, self._cache = database, cache

    async def tell(self, user_id: int, kind: str, about: str, link: str = "") -> None:
        """`kind`: a text's name in web/texts.toml; `link`: where it leads."""
        values = {"user_id": user_id, "kind": kind, "about": about[:255], "link": link}
        await self._database.run(lambda c: c.execute(insert(notifications).values(values)))
        await self._cache.drop(_key(user_id))

    async def of(self, user_id: int) -> list[dict[str, Any]]:
        """The newest first."""
        wanted = (
            select(notifications)
            .where(notifications.c.user_id == user_id)
            .order_by(notifications.c.id.desc())
            .limit(SHOWN)
        )
        return [plain(row) for row in await self._database.run(lambda c: c.execute(wanted).mappings().all())]

    async def unread(self, user_id: int) -> int:
        async def load() -> int:
            unseen = and_(notifications.c.user_id == user_id, notifications.c.seen.is_(False))
            wanted = select(func.count()).where(unseen)
            return await self._database.run(lambda c: int(c.execute(wanted).scalar_one()))

        return await self._cache.kept(_key(user_id), TEMPORARY_SECONDS, load)

    async def see(self, user_id: int, last: int) -> None:
        """The user has seen those up to this number."""
        seen = update(notifications).where(notifications.c.user_id == user_id, notifications.c.id <= last)
        await self._database.run(lambda c: c.execute(seen.values(seen=True)))
        await self._cache.drop(_key(user_id))


def _key(user_id: int) -> str:
    return f"notifications:{user_id}"
