"""All that requests need, made once for both sites, and what has to be done from time to time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from filewallball.app import metrics, schema
from filewallball.app.accounts import Accounts
from filewallball.app.cache import Cache
from filewallball.app.check_accounts import CheckAccounts
from filewallball.app.database import Database
from filewallball.app.errors import Unavailable
from filewallball.app.files import Files
from filewallball.app.notifications import Notifications
from filewallball.app.online import EVERY_SECONDS, Online
from filewallball.app.passwords import Passwords
from filewallball.app.posts import Posts
from filewallball.app.sessions import Sessions
from filewallball.app.settings import Settings
from filewallball.app.store import Store
from filewallball.app.throttle import Throttle
from filewallball.app.uploads import Uploads

SWEEP_SECONDS = 600.0
CONNECT_SECONDS = 1.5
"""How long a server that starts waits for the first answers of those behind it."""
log = logging.getLogger(__name__)


class Services:
    """`draining`: no more traffic is wanted."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.draining = False
        self.database = Database(settings.database)
        self.cache = Cache(settings.cache)
        self.sessions = Sessions(settings.sessions)
        self.store = Store(settings.files)
        self.passwords = Passwords()
        self.accounts = Accounts(self.database, self.passwords, Throttle(self.cache))
        self.notifications = Notifications(self.database, self.cache)
        self.files = Files(self.database, self.cache, self.store)
        self.uploads = Uploads(self.files, self.cache, settings.files.max_bytes)
        self.posts = Posts(self.database, self.cache, self.notifications)
        self.online = Online(self.database, self.cache)
        self.check_accounts = CheckAccounts(self.database, self.sessions, self.files)
        self._connected = self._schema = False

    async def ready(self) -> bool:
        """Whether this server may get traffic: first it connects to the others, where they are there.

        The schema is looked at until it is right. A database that is gone later doesn't count: all servers
        would leave at once, and cached reads with them.
        """
        if self.draining:
            return False
        if not self._connected:
            self._connected = True
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self.health()
        if not self._schema:
            try:
                self._schema = schema.works(await self.database.run(schema.current))
            except Unavailable:
                return False
        return self._schema

    async def health(self) -> dict[str, bool]:
        """Which of the servers behind this one answer."""
        names = ("database", "cache", "sessions", "store")
        found = await asyncio.gather(
            self._database_works(), self.cache.works(), self.sessions.works(), self.store.works()
        )
        for name, works in zip(names, found, strict=True):
            metrics.UP.labels(name).set(works)
        return dict(zip(names, found, strict=True))

    async def _database_works(self) -> bool:
        try:
            await self.database.run(schema.current)
        except Unavailable:
            return False
        return True

    async def keep_house(self) -> None:
        """Until it is cancelled."""

        async def often() -> None:
            await self.online.write()
            hits, misses = await self.cache.counts()
            metrics.CACHE.labels("hit").set(hits)
            metrics.CACHE.labels("miss").set(misses)

        async with asyncio.TaskGroup() as group:
            group.create_task(_every(EVERY_SECONDS, often))
            group.create_task(_every(EVERY_SECONDS, self.health))
            group.create_task(_every(SWEEP_SECONDS, self.sweep))

    async def sweep(self) -> None:
        """One server at a time; two would do no harm, but each other's work."""
        async with self.cache.alone("app:sweep", SWEEP_SECONDS) as alone:
            if alone:
                await self.files.sweep()
                await self.check_accounts.sweep()

    async def close(self) -> None:
        await self.online.write()
        await self.cache.close()
        await self.sessions.close()
        for each in (self.database, self.store, self.passwords):
            each.close()


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Unavailable as error:
            log.warning("Later: %s", error.message)
        except Exception:
            log.exception("Housekeeping failed")
