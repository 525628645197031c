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

import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, ReadOnlyError, ResponseError, TimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedSSLConnection

MASTER = "valkey-session-master"
ATTEMPT_SECONDS = 0.5
"""How long one try waits for a connection or an answer."""
PAUSE_SECONDS = 0.025
"""The pause between two tries."""
_PASSING = ("NOREPLICAS", "MASTERDOWN", "READONLY", "LOADING", "UNBLOCKED")

T = TypeVar("T")


def passes(error: Exception) -> bool:
    """Whether a fail-over explains the error, so that trying again helps."""
    if isinstance(error, AuthenticationError):  # a ConnectionError to redis-py
        return False
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return False
    if isinstance(error, ConnectionError | TimeoutError | ReadOnlyError):
        return True
    # of a pipeline: "Command # 1 (SET …) of pipeline caused error: NOREPLICAS …"
    said = str(error).rpartition(" of pipeline caused error: ")[2]
    return isinstance(error, ResponseError) and said.startswith(_PASSING)


class Encrypted(SentinelManagedSSLConnection):
    """Trusts the stack's authority alone, and reads nothing else.

    redis-py reads the system's authorities as well, for each connection. Where there are any, that takes
    tens of milliseconds, while all connections are made anew after a fail-over.
    """

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(str(self.ca_certs))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        return context.wrap_socket(sock, server_hostname=self.host)


class Sessions:
    """`primary` and `replica` are redis-py clients, for any number of threads; neither retries."""

    def __init__(self, sentinel: Sentinel, master: str, timeout: float) -> None:
        make: Any = sentinel  # its methods have no types
        self.primary: Redis = make.master_for(master)
        self.replica: Redis = make.slave_for(master)
        self.timeout = timeout

    def call(self, function: Callable[[Redis], T]) -> T:
        """`function` with the primary, tried again while a fail-over lasts; at most `timeout` seconds.

        Raises what the last try raised (a RedisError), and at once what no fail-over explains.
        """
        return self._try(function, self.primary)

    def read(self, function: Callable[[Redis], T]) -> T:
        """The same with a replica, which may be some milliseconds behind; the primary if there is none."""
        return self._try(function, self.replica)

    def _try(self, function: Callable[[Redis], T], client: Redis) -> T:
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                return function(client)
            except Exception as error:
                if not passes(error) or time.monotonic() > deadline:
                    raise
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
    members: dict[str, Any] = {"connection_class": Encrypted} if ca_file else {}
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
