"""Hears from the server which keys were written, deleted, evicted or have expired: client tracking,
broadcast.

One connection with RESP3, in a thread. Without it there are no copies. It asks the server for a sign of life,
so that a connection that is dead without a word is noticed.
"""

from __future__ import annotations

import threading
from typing import Any

from redis.exceptions import RedisError

from filewallball.storage import forks
from filewallball.storage.errors import StorageError
from filewallball.storage.local.copies import Copies
from filewallball.storage.on_redis import connections
from filewallball.storage.urls import Address

BEAT_SECONDS = 0.5
"""How long it may be still before the server is asked whether it is there."""


class News:
    """Tells `copies` what to forget, of the keys that begin with `prefix`. It starts with the first use."""

    def __init__(self, address: Address, prefix: bytes, copies: Copies) -> None:
        self.address = address
        self.prefix = prefix
        self.copies = copies
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        forks.tell(self)

    def after_fork(self) -> None:
        self._thread, self._stop = None, threading.Event()
        self.copies.after_fork()

    def start(self) -> None:
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(
                target=self._run, args=(self._stop,), daemon=True, name="storage news"
            )
            self._thread.start()

    def end(self) -> None:
        """Of one that nobody asks any more."""
        self._stop.set()

    def stop(self) -> None:
        self.end()
        self.copies.forget_all(listening=False)

    def _run(self, stop: threading.Event) -> None:
        pause = BEAT_SECONDS / 5
        while not stop.is_set():
            try:
                self._listen(stop)
            except (RedisError, OSError, StorageError):
                pause = min(2 * pause, 4 * BEAT_SECONDS)
            else:
                pause = BEAT_SECONDS / 5
            finally:
                self.copies.forget_all(listening=False)
            stop.wait(pause)

    def _listen(self, stop: threading.Event) -> None:
        client = connections.blocking(self.address, protocol=3)
        pool = client.connection_pool
        try:
            connection = pool.get_connection()
            connection._parser.set_invalidation_push_handler(self._heard)
            words = ("CLIENT", "TRACKING", "ON", "BCAST", *(("PREFIX", self.prefix) if self.prefix else ()))
            connection.send_command(*words)
            connection.read_response()
            self.copies.forget_all(listening=True)
            while not stop.is_set():
                if connection.can_read(timeout=BEAT_SECONDS):
                    connection.read_response(push_request=True)
                else:
                    connection.send_command("PING")
                    connection.read_response()
        finally:
            pool.disconnect()

    def _heard(self, message: list[Any]) -> None:
        keys = message[1]
        if keys is None:  # all of them: FLUSHALL
            self.copies.forget_all(listening=True)
        else:
            self.copies.forget(keys)
