"""Sessions in Valkey, so that a log-in on one server is good on all: one key holds all sessions of a user.

`session:user:{user_id}` holds the sessions by the hash of their token: who can read the server's memory can't
log in with it. The cookie is `{user_id}.{token}`, the token 256 random bits.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from filewallball.app.errors import Unavailable
from filewallball.app.settings import Server
from filewallball.storage.asynchronous import AsyncStorage
from filewallball.storage.errors import StorageError

TTL_SECONDS = 24 * 3600
PATIENCE_SECONDS = 5.0
"""How long a call is tried: longer than a fail-over of the set takes."""
MOST = 20
"""How many sessions one user may have; the oldest make room."""
_COOKIE = re.compile(r"([0-9]{1,19})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class Session:
    user_id: int
    email: str
    name: str
    role: str
    mark: str
    """The hash of the token: the session's name for its owner and for administrators."""
    csrf: str
    created: float
    address: str
    agent: str


_FIELDS = frozenset(each.name for each in fields(Session))


def key(user_id: int) -> str:
    return f"session:user:{user_id}"


def _mark(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """Each call raises Unavailable while the set of servers is gone, within some seconds."""

    def __init__(self, server: Server) -> None:
        self._storage = AsyncStorage.from_url(server.url, timeout=PATIENCE_SECONDS, **server.options())

    async def start(self, user: dict[str, Any], address: str, agent: str) -> tuple[Session, str]:
        """A new session, and the value of its cookie."""
        token = secrets.token_urlsafe(32)
        session = Session(
            user["id"], user["email"], user["name"], user["role"], _mark(token), secrets.token_urlsafe(24),
            time.time(), address, agent[:200],
        )  # fmt: skip

        def add(found: Any) -> dict[str, Any]:
            newest = sorted(_alive(found).values(), key=lambda each: each["created"], reverse=True)[
                : MOST - 1
            ]
            return {each["mark"]: each for each in (*newest, asdict(session))}

        await self._change(session.user_id, add)
        return session, f"{session.user_id}.{token}"

    async def find(self, cookie: str | None) -> Session | None:
        """Whose cookie it is."""
        parts = _COOKIE.fullmatch(cookie or "")
        if not parts:
            return None
        found = await self._read(int(parts[1]))
        return _session(found.get(_mark(parts[2])))

    async def of(self, user_id: int) -> list[Session]:
        """The newest first."""
        found = map(_session, (await self._read(user_id)).values())
        return sorted(filter(None, found), key=lambda each: each.created, reverse=True)

    async def of_all(self, users: Sequence[int]) -> list[Session]:
        """Those of many users."""
        return [each for found in await asyncio.gather(*map(self.of, users)) for each in found]

    async def end(self, user_id: int, mark: str) -> None:
        def without(found: Any) -> Any:
            return {each: kept for each, kept in _alive(found).items() if each != mark} or None

        await self._change(user_id, without)

    async def end_others(self, session: Session) -> None:
        """All of the user's but this one."""

        def only(found: Any) -> Any:
            return {each: kept for each, kept in _alive(found).items() if each == session.mark} or None

        await self._change(session.user_id, only)

    async def end_all(self, user_id: int) -> None:
        await self._change(user_id, _nothing)

    async def works(self) -> bool:
        return bool((await self._storage.health_check())["healthy"])

    async def _read(self, user_id: int) -> dict[str, Any]:
        try:
            return _alive(await self._storage.get_json(key(user_id)))
        except StorageError as error:
            raise Unavailable(f"The sessions can't be reached: {error}") from error

    async def _change(self, user_id: int, function: Callable[[Any], Any]) -> None:
        try:
            await self._storage.change(key(user_id), function, TTL_SECONDS)
        except StorageError as error:
            raise Unavailable(f"The sessions can't be reached: {error}") from error

    async def close(self) -> None:
        await self._storage.close()


def _session(found: dict[str, Any] | None) -> Session | None:
    """As this version knows sessions; None for one that lacks something, so that its user logs in again.

    A newer version's may have more, which counts in a rolling update.
    """
    try:
        return Session(**{name: value for name, value in (found or {}).items() if name in _FIELDS})
    except TypeError:
        return None


def _alive(found: dict[str, Any] | None) -> dict[str, Any]:
    """Those that have not run out."""
    since = time.time() - TTL_SECONDS
    return {mark: each for mark, each in (found or {}).items() if each["created"] > since}


def _nothing(_: Any) -> None:
    return None
