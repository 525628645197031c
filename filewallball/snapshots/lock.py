"""One restore at a time: a key in the set itself, which goes by itself if its holder is killed."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

from redis.exceptions import RedisError

from facts.valkey import CLOCK_DB
from filewallball.errors import UserError
from filewallball.snapshots.databases import LOCK
from filewallball.snapshots.sessions import SessionSet, errors
from filewallball.snapshots.settings import Address

_SECONDS = 120
_KEEP_SECONDS = 10.0


class Lock:
    """Held inside the `with` block, as long as `keep` is called now and then. Raises UserError."""

    def __init__(self, sessions: SessionSet, primary: Address) -> None:
        self._sessions = sessions
        self._token = secrets.token_hex(8)
        self._client: Any = sessions.connect(primary, CLOCK_DB)
        self._kept = 0.0

    def __enter__(self) -> Lock:
        with errors("Taking the restore's lock"):
            if not self._client.set(LOCK, self._token, nx=True, ex=_SECONDS):
                raise UserError(
                    "Another restore is at work.",
                    f"Wait until it has ended. If it was killed, its lock ends {_SECONDS} seconds later.",
                )
        self._kept = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._client:
            try:
                self._release(self._client)
            except RedisError:
                # The key is on the next primary as well; failing that, it goes by itself.
                with suppress(RedisError, UserError):
                    client: Any
                    with self._sessions.connect(self._sessions.primary(), CLOCK_DB) as client:
                        self._release(client)

    def _release(self, client: Any) -> None:
        if client.get(LOCK) == self._token.encode():
            client.delete(LOCK)

    def keep(self) -> None:
        """Hold it for longer. Raises UserError if it is another's by now."""
        if time.monotonic() - self._kept < _KEEP_SECONDS:
            return
        with errors("Keeping the restore's lock"):
            # Gone (a member was flushed, or made room) is as good as held: nobody else has taken it.
            before = self._client.get(LOCK)
            if before not in (None, self._token.encode()):
                raise UserError(
                    "Another restore has begun meanwhile.",
                    "Wait until it has ended, and run the command again.",
                )
            self._client.set(LOCK, self._token, ex=_SECONDS)
        self._kept = time.monotonic()
