"""The session set as a snapshot or a restore sees it: who is the primary, and which replicas can be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)

from facts import valkey
from facts.valkey import CLOCK_DB
from filewallball.encryption import redis_options
from filewallball.errors import UserError
from filewallball.guard.patience import WhileFull
from filewallball.snapshots.databases import DATABASES, OWN
from filewallball.snapshots.settings import Address, SetSettings
from filewallball.snapshots.transfer import USER

_NO_KEY = -2
"""PEXPIRETIME's answer for a key that doesn't exist."""
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 30.0
"""Emptying a database, or writing a large value, may take a while."""
_CLIENT: Any = Redis
"""Without a type, since half of its commands have none."""
_AGAIN = "Run `fwb check STACK valkey-primary valkey-replicas`, do what it says, and run the command again."


@dataclass(frozen=True)
class Server:
    """What INFO says of one server. `keys`: those in the databases of applications.

    `keys_of`: those in each database. Both leave out OWN. `replicas`: those that get what it writes.
    `counted_memory`: bytes that count towards maxmemory, with what the replication backlog may still take.
    """

    address: Address
    role: str
    linked: bool
    offset: int
    replicas: int
    keys: int
    keys_of: dict[int, int]
    used_memory: int
    counted_memory: int
    maxmemory: int
    evicted: int
    version: str


class SessionSet:
    """The set, by its Sentinels. Every method raises UserError."""

    def __init__(self, settings: SetSettings) -> None:
        self.settings = settings

    def connect(self, address: Address, database: int = 0) -> Any:
        """A connection to a member as the user `backup`; nothing but a full server is tried again."""
        return _CLIENT(
            host=address.host,
            port=address.port,
            db=database,
            username=USER,
            password=self.settings.password,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            retry=WhileFull(),
            **redis_options(self.settings.ca_file),
        )

    def raw(self, address: Address, database: int) -> Any:
        """The same, with answers as the server gives them."""
        client = self.connect(address, database)
        client.response_callbacks.clear()
        return client

    def primary(self) -> Address:
        """The server that a majority of all Sentinels names, and that says so itself."""
        named = Counter(filter(None, (self._ask(one) for one in self.settings.sentinels)))
        needed = len(self.settings.sentinels) // 2 + 1
        [(address, votes)] = named.most_common(1) or [(None, 0)]
        if address is None or votes < needed:
            said = ", ".join(f"{count} for {one}" for one, count in named.most_common()) or "none answers"
            raise UserError(
                f"No primary is named by {needed} of {len(self.settings.sentinels)} Sentinels ({said}).",
                _AGAIN,
            )
        if self.look(address).role != "master":
            raise UserError(f"{address} is named as the primary, but it isn't one.", _AGAIN)
        return address

    def replicas(self, primary: Address) -> list[Address]:
        """The replicas that are linked to the primary, the one that is furthest first."""
        known: set[Address] = set()
        for sentinel in self.settings.sentinels:
            known |= self._known(sentinel)
        found: list[Server] = []
        for address in sorted(known - {primary}):
            try:
                server = self.look(address)
            except UserError:  # not in its place at the moment
                continue
            if server.role == "slave" and server.linked:
                found.append(server)
        return [one.address for one in sorted(found, key=lambda one: -one.offset)]

    def look(self, address: Address) -> Server:
        """What a member says of itself."""
        with errors(f"Asking {address}"), self.connect(address) as client:
            info: dict[str, Any] = client.info()
            own = self._own(address)
        keys = {int(name[2:]): int(values["keys"]) for name, values in info.items() if _is_database(name)}
        keys[CLOCK_DB] = keys.get(CLOCK_DB, 0) - own
        role = str(info["role"])
        return Server(
            address,
            role,
            info.get("master_link_status") == "up" and not info.get("master_sync_in_progress"),
            int(info["master_repl_offset"] if role == "master" else info.get("slave_repl_offset", 0)),
            sum(1 for name, one in info.items() if _is_replica(name) and one["state"] == "online"),
            sum(max(0, count) for number, count in keys.items() if number in DATABASES),
            {number: count for number, count in keys.items() if count > 0},
            int(info["used_memory"]),
            int(info["used_memory"])
            - int(info["mem_not_counted_for_evict"])
            + max(0, int(info["repl_backlog_size"]) - int(info["repl_backlog_histlen"])),
            int(info["maxmemory"]),
            int(info["evicted_keys"]),
            str(info.get("valkey_version") or info["redis_version"]),
        )

    def _own(self, address: Address) -> int:
        """How many of OWN there are."""
        with self.connect(address, CLOCK_DB) as client:
            return sum(client.pexpiretime(key) != _NO_KEY for key in OWN)

    def _ask(self, sentinel: Address) -> Address | None:
        try:
            with self._sentinel(sentinel) as client:
                found: Any = client.execute_command(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.settings.master
                )
        except RedisError as error:
            # redis-py counts a wrong password among the faults of a connection.
            if isinstance(error, ConnectionError | TimeoutError) and not isinstance(
                error, AuthenticationError
            ):
                return None
            raise UserError(
                f"The Sentinel {sentinel} refuses: {error}",
                "Run `fwb check STACK valkey-passwords`, and do what it says.",
            ) from error
        return Address(_text(found[0]), int(found[1])) if found else None

    def _known(self, sentinel: Address) -> set[Address]:
        try:
            with self._sentinel(sentinel) as client:
                states: Any = client.sentinel_slaves(self.settings.master)
        except RedisError:
            return set()
        return {Address(str(state["ip"]), int(state["port"])) for state in states}

    def _sentinel(self, address: Address) -> Any:
        return _CLIENT(
            host=address.host,
            port=address.port,
            password=self.settings.sentinel_password,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_CONNECT_SECONDS,
            retry=WhileFull(),
            **redis_options(self.settings.ca_file),
        )


@contextmanager
def errors(doing: str) -> Generator[None]:
    """Turn the driver's errors into a UserError that says what was being done."""
    try:
        yield
    except RedisError as error:
        raise UserError(f"{doing}: {error}", _hint(error)) from error


def _hint(error: RedisError) -> str:
    text = str(error)
    if isinstance(error, AuthenticationError):
        return (
            f"The server has another password than the Secret {valkey.CREDENTIALS}, which it follows within "
            "two minutes. If this lasts, run `fwb check STACK valkey-passwords`, and do what it says."
        )
    if isinstance(error, NoPermissionError):
        return "The user `backup` may not do this. Run `fwb check STACK valkey-passwords`, and do as it says."
    if "DB index is out of range" in text:
        return "The server runs with older settings. Run `fwb up`, and wait until it has ended."
    if "NOREPLICAS" in text:
        return (
            "The primary takes writes only while it is linked to enough replicas. Run "
            "`fwb check STACK valkey-replicas`, and do what it says."
        )
    if isinstance(error, ReadOnlyError | ConnectionError | TimeoutError):
        return "Another server may have become the primary meanwhile. Run the command again."
    if isinstance(error, ResponseError) and text.startswith("OOM"):
        return "The primary has no memory left. Raise filewallball:valkey.maxmemory, and run `fwb up`."
    return _AGAIN


def _is_database(name: str) -> bool:
    return name.startswith("db") and name[2:].isdigit()


def _is_replica(name: str) -> bool:
    return name.startswith("slave") and name[5:].isdigit()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
