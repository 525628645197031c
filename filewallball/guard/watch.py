"""One guarded server: a connection that stays open, and a look at least once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from filewallball.guard import choice

CALM_SECONDS = 0.5
CROWDED_SECONDS = 0.1
"""The time between two looks while applications have more than their share."""
LOST_SECONDS = 0.1
REFUSED_SECONDS = 0.02
"""The time between two tries to connect to a full server. Many clients compete for each place that gets free.
"""
SAID_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""A server that is busy for seconds must not cost the guard its connection, because it could not come back.
"""
CONNECT_SECONDS = 1.0
FULL = "max number of clients reached"
"""What a full server says before it closes a new connection."""

Say = Callable[[str], None]


class Guard:
    """Guards one server. Give each a thread: `run` waits for the server's answers.

    share: connections that applications may have. own: the product's users. where: how redis-py gets there.
    """

    def __init__(self, name: str, share: int, own: Collection[str], say: Say, **where: Any) -> None:
        self.name = name
        self._share = share
        self._own = frozenset(own)
        self._say = say
        self._newest = 0
        self._inside = False
        self._server: str = ""
        self._said: dict[str, float] = {}
        self._client: Any = Redis(
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            # Names may hold any byte. Each byte is a character of Latin-1.
            decode_responses=True,
            encoding="latin-1",
            protocol=2,
            driver_info=None,
            retry=Retry(NoBackoff(), 0),
            **where,
        )

    def run(self, stopping: threading.Event) -> None:
        """Look until `stopping` is set."""
        while not stopping.is_set():
            stopping.wait(self.look())
        self._client.close()

    def look(self) -> float:
        """Close what goes beyond the applications' share; return the seconds until the next look."""
        try:
            return self._look()
        except (RedisError, OSError) as error:
            lost_now, self._inside, self._newest = self._inside, False, 0
            if FULL in str(error):
                self._tell("full", "the server is full, and the guard has no connection: trying to get in")
            # At once after a loss as well: the places that came free with it are still there.
            return REFUSED_SECONDS if lost_now or FULL in str(error) else LOST_SECONDS

    def _look(self) -> float:
        # Cheap, where CLIENT LIST costs the server some microseconds for each client.
        info = cast("dict[str, Any]", self._client.execute_command("INFO", "server", "clients"))
        if info["run_id"] != self._server:
            self._newest = 0  # a new server counts from the beginning
            self._enter()
        self._server, self._inside = str(info["run_id"]), True
        if info["connected_clients"] <= self._share:
            return CALM_SECONDS
        clients = choice.read(cast(str, self._client.execute_command("CLIENT", "LIST")))
        ids, excess = choice.beyond(clients, self._share, self._own, self._newest)
        self._newest = max((one.id for one in clients), default=0)
        if not excess:
            return CALM_SECONDS
        self._close(ids)
        self._tell(
            "crowd", f"{excess} beyond the applications' {self._share} connections: closing the newest"
        )
        return CROWDED_SECONDS

    def _enter(self) -> None:
        """Called once for each start of the server, with the connection that stays."""

    @property
    def inside(self) -> bool:
        """Whether it had its connection when it looked last."""
        return self._inside

    def call(self, *words: object) -> Any:
        return self._client.execute_command(*words)

    def _close(self, ids: Sequence[int]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for number in ids:
            pipeline.execute_command("CLIENT", "KILL", "ID", number)
        pipeline.execute(raise_on_error=False)

    def _tell(self, kind: str, text: str) -> None:
        """Say it once, and again only after a while: a crowd may last for hours."""
        now = time.monotonic()
        if now - self._said.get(kind, -SAID_SECONDS) >= SAID_SECONDS:
            self._said[kind] = now
            self._say(f"{self.name}: {text}")
