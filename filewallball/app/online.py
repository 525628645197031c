"""Who is online: each server writes down every few seconds whom it has seen."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, select, text, update

from filewallball.app.accounts import OF_CHECKS, plain
from filewallball.app.cache import TEMPORARY_SECONDS, Cache
from filewallball.app.database import Database
from filewallball.app.errors import Unavailable
from filewallball.app.tables import users

KEY = "online:users"
EVERY_SECONDS, MINUTES = 5, 2
_SHOWN = 100
_MOST_AT_ONCE = 1000
_NOW = (
    select(users.c.id, users.c.name)
    .where(users.c.last_seen > text(f"UTC_TIMESTAMP(6) - INTERVAL {MINUTES} MINUTE"), ~OF_CHECKS)
    .order_by(users.c.last_seen.desc())
    .limit(_SHOWN)
)


class Online:
    def __init__(self, database: Database, cache: Cache) -> None:
        self._database, self._cache = database, cache
        self._seen: set[int] = set()

    def saw(self, user_id: int) -> None:
        self._seen.add(user_id)

    async def write(self) -> None:
        """Write down whom this server has seen; kept for the next time if the database is gone."""
        seen, self._seen = sorted(self._seen), set()
        mark = (
            update(users)
            .where(users.c.id.in_(bindparam("ids", expanding=True)))
            .values(last_seen=func.now(6))
        )
        try:
            for start in range(0, len(seen), _MOST_AT_ONCE):
                ids = seen[start : start + _MOST_AT_ONCE]
                await self._database.run(lambda c, ids=ids: c.execute(mark, {"ids": ids}))
        except Unavailable:
            self._seen.update(seen)

    async def now(self) -> list[dict[str, Any]]:
        """Those whom any server has seen within the last minutes; not the accounts of checks."""

        async def load() -> list[dict[str, Any]]:
            return [
                plain(row) for row in await self._database.run(lambda c: c.execute(_NOW).mappings().all())
            ]

        return await self._cache.kept(KEY, TEMPORARY_SECONDS, load)
