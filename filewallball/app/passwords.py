"""Passwords: argon2id with the library's parameters (RFC 9106's for little memory), two at a time."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from filewallball.app.threads import Threads

AT_ONCE = 2
PATIENCE_SECONDS = 10.0
LEAST, MOST = 8, 256


class Passwords:
    """Hashing takes 64 MiB and some 50 ms on purpose, so it is bounded and beside the event loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = Threads("password hash", AT_ONCE, PATIENCE_SECONDS)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        return await self._threads.run(lambda: self._hasher.hash(password))

    async def verify(self, known: str | None, password: str) -> bool:
        """Whether the password is right. Takes as long for an account that isn't there (None)."""
        if known is None:
            if self._nobodys is None:
                self._nobodys = await self.hash("nobody's password")
            await self._threads.run(lambda: self._matches(self._nobodys or "", password))
            return False
        return await self._threads.run(lambda: self._matches(known, password))

    def outdated(self, known: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(known)

    def _matches(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (Argon2Error, InvalidHashError):
            return False

    def close(self) -> None:
        self._threads.close()
