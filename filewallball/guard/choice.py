"""Whom a guard closes: a pure function of the server's CLIENT LIST."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

REDIS_USERS = ("checks", "guard")
"""The product's own users of the cache."""
CHECKS_NAME = "fwb-check"
"""The names of the checks' connections begin with this. Some of them log in as an application does."""
CHECKS_PLACES = 16
"""How many connections with that name are spared. An application that uses the name gains no more."""

_LINE = re.compile(r"^id=(\d+) .*? name=(\S*) .*? flags=(\S*) .*? cmd=(\S*) user=(\S*)", re.MULTILINE)
_NOBODY = "default"
"""The user of those that haven't logged in. In Valkey it is the applications' user as well."""
_BEFORE_LOGIN = ("NULL", "ping", "hello", "auth")
"""The last command of a connection that hasn't logged in yet. A replica sends PING before AUTH."""


@dataclass(frozen=True, slots=True)
class Client:
    """A connection. Ids only grow: the larger one is the newer one."""

    id: int
    name: str
    user: str
    command: str
    flags: str = "N"


def read(text: str) -> list[Client]:
    """The clients in the answer to CLIENT LIST."""
    return [
        Client(int(number), name, user, command, flags)
        for number, name, flags, command, user in _LINE.findall(text)
    ]


def beyond(
    clients: Sequence[Client], share: int, own: Collection[str], newest_before: int
) -> tuple[list[int], int]:
    """The ids to close, the newest first, and how many connections applications have too many.

    own: users of the product, which are never closed, nor are the links between a primary and its replicas.
    newest_before: the highest id at the last look. A connection that came since and hasn't logged in yet may
    be one of the product's, and is spared until the next look; until then more are there than are closed.
    """
    applications = of_applications(clients, own)
    excess = max(0, len(applications) - share)
    newest = sorted(applications, key=lambda one: one.id, reverse=True)
    return [one.id for one in newest[:excess] if not _arriving(one, newest_before)], excess


def of_applications(clients: Sequence[Client], own: Collection[str]) -> list[Client]:
    """Those that are counted against the applications' share: whoever is none of the product's."""
    return [one for one in _without_checks(clients) if one.user not in own and not _is_link(one)]


def _without_checks(clients: Sequence[Client]) -> list[Client]:
    named = sorted((one.id for one in clients if one.name.startswith(CHECKS_NAME)), reverse=True)
    spared = set(named[:CHECKS_PLACES])
    return [one for one in clients if one.id not in spared]


def _is_link(one: Client) -> bool:
    return "S" in one.flags or "M" in one.flags


def _arriving(one: Client, newest_before: int) -> bool:
    return one.id > newest_before and one.user == _NOBODY and one.command in _BEFORE_LOGIN
