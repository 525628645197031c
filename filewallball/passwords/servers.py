"""The servers whose passwords can be changed: their Secrets, their users, and where each user logs in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from facts import mariadb, redis, valkey
from filewallball.errors import ConfigError, nearest
from filewallball.passwords.credentials import Credentials
from filewallball.passwords.proof.logins import MARIADB, REDIS, Login

Passwords = Mapping[str, Sequence[str]]
"""By user."""


@dataclass(frozen=True, slots=True)
class Server:
    """One of SERVERS. `access`: the label with which a pod reaches it."""

    name: str
    secret: str
    users: tuple[str, ...]
    access: str
    sets: tuple[str, ...] = ()
    """StatefulSets of which each pod is a server of its own."""


SERVERS = {
    server.name: server
    for server in (
        Server(mariadb.NAME, mariadb.CREDENTIALS, mariadb.USERS, mariadb.RESERVED),
        Server(redis.NAME, redis.CREDENTIALS, redis.USERS, redis.NAME),
        Server(
            valkey.NAME, valkey.CREDENTIALS, valkey.USERS, valkey.NAME, sets=(valkey.NAME, valkey.SENTINEL)
        ),
    )
}


def select(name: str) -> list[Server]:
    """The server of this name, all for an empty one. Raises ConfigError."""
    if not name:
        return list(SERVERS.values())
    if name not in SERVERS:
        raise ConfigError(f"There is no server {name}", nearest(name, SERVERS, "Servers"))
    return [SERVERS[name]]


def logins(
    server: Server,
    sizes: Mapping[str, int],
    accepted: Passwords,
    refused: Passwords | None = None,
    *,
    follows: bool = False,
) -> list[Login]:
    """Every user at every pod of a server. sizes: how many pods a StatefulSet has.

    follows: the servers of a set log in at each other with the first of the accepted passwords.
    """
    made: list[Login] = []
    for user, name, where, port in _places(server, sizes):
        login = Login(
            where, MARIADB if server.name == mariadb.NAME else REDIS, where, port, name,
            tuple(accepted[user]), tuple((refused or {}).get(user, ())),
        )  # fmt: skip
        made.append(replace(login, **_links(user, accepted)) if follows else login)
    return made


def _places(server: Server, sizes: Mapping[str, int]) -> Iterator[tuple[str, str, str, int]]:
    """The user by its key, its name, and the Service and port where it logs in."""
    if server.name == mariadb.NAME:
        yield from ((user, mariadb.user(user), mariadb.NAME, mariadb.RESERVED_PORT) for user in server.users)
    elif server.name == redis.NAME:
        yield from ((user, user, redis.NAME, redis.PORT) for user in server.users)
    else:
        for names, kind, port in (
            (valkey.SERVER_USERS, valkey.NAME, valkey.PORT),
            (valkey.SENTINEL_USERS, valkey.SENTINEL, valkey.SENTINEL_PORT),
        ):
            for pod in valkey.pods_of(kind, sizes[kind]):
                yield from ((user, name, pod, port) for user, name in names.items())


def _links(user: str, accepted: Passwords) -> dict[str, Any]:
    """What a server of the set is asked for, by the one user who may ask."""
    if user == "agent":
        return {"asks": ("CONFIG", "GET", "masterauth"), "answer": accepted["replica"][0]}
    if user == "peer":
        return {"asks": ("SENTINEL", "CONFIG", "GET", "sentinel-pass"), "answer": accepted["peer"][0]}
    return {}


def both(server: Server, sizes: Mapping[str, int], now: Credentials, *, follows: bool = False) -> list[Login]:
    """Each user gets in with what it has, and with the other one if there is any."""
    accepted = {
        user: [now.current[user], *([now.other[user]] if user in now.other else [])] for user in server.users
    }
    return logins(server, sizes, accepted, follows=follows)


def only(server: Server, sizes: Mapping[str, int], now: Credentials, gone: Credentials) -> list[Login]:
    """Each user gets in with what it has, and not with what was the other one before."""
    refused = {user: [password] for user, password in gone.other.items()}
    return logins(server, sizes, {user: [now.current[user]] for user in server.users}, refused)
