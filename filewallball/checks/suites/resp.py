"""A client of Redis or Valkey that hides nothing: no retry, short patience, no word that nobody asked for."""

from __future__ import annotations

from typing import Any

import redis

from filewallball.encryption import redis_options
from filewallball.guard.patience import WhileFull


def client(
    host: str,
    port: int,
    user: str | None,
    password: str | None,
    *,
    seconds: float,
    name: str | None = None,
    ca_file: str | None = None,
) -> Any:
    """One connection, opened by the first command; none of its steps takes longer than `seconds`.

    Without a user it logs in by the password alone; without both, not at all. `ca_file`: the authority of an
    encrypted connection.
    """
    return redis.Redis(
        host=host,
        port=port,
        username=user,
        password=password,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        client_name=name,
        driver_info=None,  # CLIENT SETINFO is unknown to Redis 7.0 and not allowed to every user
        single_connection_client=True,
        decode_responses=True,
        protocol=2,
        # any other retry would hide the very faults that the checks look for
        retry=WhileFull(),
        **redis_options(ca_file),
    )
