"""Logs in at servers with passwords that they are to take, and with others that they are to refuse."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import pymysql
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from facts.tls import CA_FILE
from filewallball.encryption import mariadb_options, redis_options

MARIADB, REDIS = "mariadb", "redis"
"""The protocols. Valkey and its Sentinels speak that of Redis."""
LOGIN_SECONDS = 5.0
"""How long a server may take to answer."""
PAUSE_SECONDS = 0.5
TOLD_SECONDS = 20.0
"""The time between two lines about what is waited for."""
ACCESS_DENIED = (1045, 1698)
"""MariaDB's errors for a wrong password, and for none."""
THREADS = 8


@dataclass(frozen=True, slots=True)
class Login:
    """A user of one server, and the passwords that the server is to accept and to refuse.

    asks: a command whose answer, a list, has `answer` as its second item once the server itself logs in
    elsewhere with the password that it is to use.
    """

    server: str
    protocol: str
    host: str
    port: int
    user: str
    accepted: tuple[str, ...] = field(repr=False)
    refused: tuple[str, ...] = field(default=(), repr=False)
    asks: tuple[str, ...] = ()
    answer: str = field(default="", repr=False)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        lists: dict[str, Any] = {name: tuple(told[name]) for name in ("accepted", "refused", "asks")}
        return cls(**(told | lists))


def prove(logins: Sequence[Login], seconds: float, say: Callable[[str], None]) -> list[str]:
    """Try until all is as it is to be, at most so many seconds; what isn't by then. No password is in it."""
    deadline = time.monotonic() + seconds
    told = time.monotonic()
    waiting = list(logins)
    with ThreadPoolExecutor(THREADS) as pool:
        while True:
            found = list(zip(waiting, pool.map(fault, waiting), strict=True))
            faults = [text for _, text in found if text]
            waiting = [login for login, text in found if text]
            if not waiting or time.monotonic() > deadline:
                return faults
            if time.monotonic() - told > TOLD_SECONDS:
                told = time.monotonic()
                say(f"waiting for {len(waiting)} of {len(logins)}: {faults[0]}")
            time.sleep(PAUSE_SECONDS)


def fault(login: Login) -> str:
    """What isn't as it is to be, in words; empty if all is."""
    enter = _enter_mariadb if login.protocol == MARIADB else _enter_redis
    who = f"{login.server}: user {login.user}"
    try:
        if not all(enter(login, password) for password in login.accepted):
            return f"{who} is refused with a password that is to be accepted"
        if any(enter(login, password) for password in login.refused):
            return f"{who} is accepted with a password that is to be refused"
        if login.asks and _asked(login) != login.answer:
            return f"{login.server} itself still logs in elsewhere with another password ({login.asks[-1]})"
    except (pymysql.MySQLError, RedisError, OSError) as error:
        return f"{who}: {error}"
    return ""


def _enter_mariadb(login: Login, password: str) -> bool:
    try:
        pymysql.connect(
            host=login.host,
            port=login.port,
            user=login.user,
            password=password,
            connect_timeout=LOGIN_SECONDS,
            read_timeout=LOGIN_SECONDS,
            write_timeout=LOGIN_SECONDS,
            **mariadb_options(_authority()),
        ).close()
    except pymysql.OperationalError as error:
        if error.args[0] not in ACCESS_DENIED:
            raise
        return False
    return True


def _enter_redis(login: Login, password: str) -> bool:
    with closing(_redis(login, password)) as client:
        try:
            # Some users may do nothing but what replication needs: logging in is all that is asked.
            client.connection_pool.get_connection()
        except AuthenticationError:
            return False
    return True


def _asked(login: Login) -> str:
    with closing(_redis(login, login.accepted[0])) as client:
        return str(cast("list[Any]", client.execute_command(*login.asks))[1])


def _redis(login: Login, password: str) -> Any:
    return Redis(
        host=login.host,
        port=login.port,
        username=login.user,
        password=password,
        protocol=2,
        driver_info=None,
        decode_responses=True,
        socket_timeout=LOGIN_SECONDS,
        socket_connect_timeout=LOGIN_SECONDS,
        retry=Retry(NoBackoff(), 0),
        **redis_options(_authority()),
    )


def _authority() -> str | None:
    """The authority of a stack with encrypted connections: only there the pod has the file."""
    return CA_FILE if Path(CA_FILE).exists() else None
