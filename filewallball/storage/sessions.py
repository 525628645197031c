"""Sessions in Valkey, through the Sentinels: timeouts and retries with which a fail-over goes unnoticed.

redis-py's own defaults wait without end for a server that has frozen, and then up to ten seconds between
tries. Here one try takes half a second at most, and whatever a fail-over throws is tried again.

    sessions = connect([("valkey-sentinel-0", 26379), …], password=…, sentinel_password=…)
    sessions.call(lambda valkey: valkey.set("session:1", "…", ex=1800))
    sessions.read(lambda valkey: valkey.get("session:1"))

A write may be done twice: its first answer can be lost with the connection. SET, HSET, EXPIRE and DEL bear
that; a command that doesn't (INCR, LPUSH) needs a condition or an id of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry
from redis.sentinel import Sentinel

from filewallball.storage.errors import Unavailable
from filewallball.storage.failures import passes
from filewallball.storage.on_redis.connections import ManagedEncrypted
from filewallball.storage.patience import Patience

MASTER = "valkey-session-master"
ATTEMPT_SECONDS = 0.5
"""How long one try waits for a connection or an answer."""
PAUSE_SECONDS = 0.025
"""The pause between two tries."""
T = TypeVar("T")


class Sessions:
    """`primary` and `replica` are redis-py clients, for any number of threads; neither retries."""

    def __init__(self, sentinel: Sentinel, master: str, timeout: float) -> None:
        make: Any = sentinel  # its methods have no types
        self.primary: Redis = make.master_for(master)
        self.replica: Redis = make.slave_for(master)
        self.timeout = timeout
        self._patience, self._reading = (Patience(master, timeout, attempt=ATTEMPT_SECONDS) for _ in range(2))

    def call(self, function: Callable[[Redis], T]) -> T:
        """`function` with the primary, tried again while a fail-over lasts; at most `timeout` seconds.

        Raises what the last try raised (a RedisError), and at once what no fail-over explains. When nothing
        has worked for so long, calls raise a ConnectionError at once; once a second one of them tries.
        """
        return self._try(function, self.primary, self._patience)

    def read(self, function: Callable[[Redis], T]) -> T:
        """The same with a replica, which may be some milliseconds behind; the primary if there is none."""
        return self._try(function, self.replica, self._reading)

    def _try(self, function: Callable[[Redis], T], client: Redis, patience: Patience) -> T:
        since: float | None = None
        while True:
            try:
                probing = patience.enter()
            except Unavailable as error:
                raise ConnectionError(str(error)) from None
            try:
                found = function(client)
            except Exception as error:
                now = time.monotonic()
                since = now if since is None else since
                if passes(error):
                    patience.noticed(now, probing=probing)
                elif probing:
                    patience.worked()
                if probing or not passes(error) or now - since >= self.timeout:
                    raise
            else:
                if patience.failing_since is not None:
                    patience.worked()
                return found
            time.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        self.primary.close()
        self.replica.close()


def connect(
    sentinels: Sequence[tuple[str, int]],
    *,
    password: str,
    sentinel_password: str,
    master: str = MASTER,
    db: int = 0,
    decode_responses: bool = True,
    timeout: float = 10.0,
    ca_file: str | None = None,
) -> Sessions:
    """Sessions of the set that these Sentinels watch; connects with the first use. `timeout` in seconds.

    `ca_file`: the file with the authority's certificate, of a stack with encrypted connections.
    `db`: 0 to 15. `decode_responses=False` gives bytes, which pickled sessions need.
    """
    limits: dict[str, Any] = {
        "socket_timeout": ATTEMPT_SECONDS,
        "socket_connect_timeout": ATTEMPT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    members: dict[str, Any] = {"connection_class": ManagedEncrypted} if ca_file else {}
    if ca_file:
        limits |= {"ssl": True, "ssl_ca_certs": ca_file, "ssl_check_hostname": True}
    sentinel = Sentinel(
        list(sentinels),
        sentinel_kwargs={"password": sentinel_password, **limits},
        password=password,
        db=db,
        decode_responses=decode_responses,
        **limits,
        **members,
    )
    return Sessions(sentinel, master, timeout)
