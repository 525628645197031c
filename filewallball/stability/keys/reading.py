"""Reading a server key by key: SCAN, then DUMP and the time to expire of what it found."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from facts.valkey import CLOCK_DB
from filewallball.errors import UserError
from filewallball.snapshots.databases import OWN, is_own
from filewallball.stability.keys.pace import Pace
from filewallball.stability.keys.records import record, records
from filewallball.stability.keys.wire import (
    PASSING,
    Lost,
    Refused,
    Wire,
    arguments,
    info,
    with_numbers,
    words,
)

_NEVER, _GONE = -1, -2
_DUMP = b"*2\r\n$4\r\nDUMP\r\n$%b\r\n"
_LASTS = b"1\r\n0"
_END = b"0"
"""The cursor after the last key."""
_PAGE = re.compile(rb"\*2\r\n\$\d+\r\n(\d+)\r\n\*(\d+)\r\n")
MOVED = frozenset({"MOVED", "ASK"})
_ASKING = words("ASKING")


@dataclass(frozen=True)
class Batch:
    """Some keys. `records`: their commands, any number in each. `count`: how many keys.

    `cursor`: where SCAN goes on after them; "0" at the end. `strays`: keys that another node has.
    """

    records: Sequence[bytes]
    count: int
    first_expiry: int | None
    cursor: bytes
    strays: Sequence[bytes] = ()


Page = tuple[list[bytes], bytes]
"""Names, each with its length before it, and where SCAN goes on."""


class Reader:
    """The keys of one database of one server.

    Replies are taken by the hundred as they are, since Python is slow where it looks at each one. Only those
    among which there is something else than a value are looked at.

    `timeless`: no key there has a time to expire, nor will get one.
    """

    def __init__(self, wire: Wire, database: int, pace: Pace, *, timeless: bool = False) -> None:
        self._wire = wire
        self.database = database
        self._pace = pace
        self._timeless = timeless
        self._absolute = not isinstance(_tried(wire, "PEXPIRETIME", "x"), Refused)
        mark = secrets.token_bytes(16)
        if isinstance(said := _tried(wire, "PING", mark), Refused):
            raise refused(wire.name, "PING", said)
        self._ping = words("PING", mark)
        self._mark = b"$16\r\n%b\r\n" % mark

    def scanned(self, cursor: bytes) -> Iterator[Batch]:
        """All keys from the cursor on. Raises Lost, UserError for what the server refuses."""
        pace = self._pace
        self._wire.send(_scan(cursor, pace.batch()) + self._ping)
        page: Page | None = self._page()
        self._ask(*page)
        while page:
            following = self._page() if page[1] != _END else None
            if following and not pace.limited:  # the server works on the next keys while these are taken
                self._ask(*following)
            yield self._taken(*page)
            if following and pace.limited:  # in turns: other processors are for the server's users
                self._ask(*following)
            page = following

    def named(self, names: Sequence[bytes], *, importing: bool = False) -> Batch:
        """These keys, as far as they are there. `importing`: they are about to become this node's."""
        counted = [b"%d\r\n%b" % (len(name), name) for name in names]
        self._ask(counted, _END, importing=importing)
        return self._taken(counted, _END, importing=importing)

    def _page(self) -> Page:
        raw = self._wire.before(self._mark)
        if self.database != CLOCK_DB and (head := _PAGE.match(raw)):
            found = arguments(raw[head.end() :], int(head[2]))
            if found is not None:
                return found, head[1]
        self._wire.back(raw)
        [page] = self._wire.replies(1)
        if isinstance(page, Refused):
            raise refused(self._wire.name, "SCAN", page)
        cursor, names = page
        names = [name for name in names if not is_own(self.database, name)]
        return [b"%d\r\n%b" % (len(name), name) for name in names], cursor

    def _ask(self, names: Sequence[bytes], cursor: bytes, *, importing: bool = False) -> None:
        parts = [_scan(cursor, self._pace.batch()), self._ping] if cursor != _END else []
        before = _ASKING if importing else b""
        if self._timeless:
            parts += [_DUMP % name for name in names]
        else:
            expiry = b"*2\r\n$11\r\nPEXPIRETIME\r\n$" if self._absolute else b"*2\r\n$4\r\nPTTL\r\n$"
            parts += [] if self._absolute else [words("TIME")]
            parts += [
                b"%b*2\r\n$4\r\nDUMP\r\n$%b\r\n%b%b%b\r\n" % (before, name, before, expiry, name)
                for name in names
            ]
        parts.append(self._ping)
        self._wire.send(b"".join(parts))

    def _taken(self, names: Sequence[bytes], cursor: bytes, *, importing: bool = False) -> Batch:
        raw = self._wire.before(self._mark)
        if batch := self._at_once(names, raw, cursor):
            return batch
        self._wire.back(raw)
        plain = [name.partition(b"\r\n")[2] for name in names]
        if self._timeless:
            values = self._wire.replies(len(names))
            return self._batch(plain, values, [_NEVER] * len(names), 0, cursor)
        now = 0
        if not self._absolute:
            [(seconds, micro)] = self._wire.replies(1)
            now = int(seconds) * 1000 + int(micro) // 1000
        if importing:
            replies = self._wire.replies(4 * len(names))
            return self._batch(plain, replies[1::4], replies[3::4], now, cursor)
        replies = self._wire.replies(2 * len(names))
        return self._batch(plain, replies[::2], replies[1::2], now, cursor)

    def _at_once(self, names: Sequence[bytes], raw: bytes, cursor: bytes) -> Batch | None:
        """The keys without a look at each value; None if something else is among the replies."""
        if self._timeless:
            values, expiries = arguments(raw, len(names)), [_NEVER] * len(names)
        else:
            values, expiries = with_numbers(raw, len(names)) or (None, [])
        if values is None or _GONE in expiries:
            return None
        times = [_LASTS if each == _NEVER else b"%d\r\n%d" % (len(str(each)), each) for each in expiries]
        first = min((each for each in expiries if each != _NEVER), default=None)
        self._pace.wait(len(names), sum(map(len, values)))
        return Batch([records(names, times, values)], len(names), first, cursor)

    def _batch(
        self, names: Sequence[bytes], values: Sequence[Any], times: Sequence[Any], now: int, cursor: bytes
    ) -> Batch:
        found: list[bytes] = []
        strays: list[bytes] = []
        first: int | None = None
        size = 0
        for name, value, expires in zip(names, values, times, strict=True):
            if value is None:  # it has expired, or was deleted
                continue
            if value.__class__ is not bytes:
                if value.code not in MOVED:
                    raise refused(self._wire.name, f"DUMP of {shown(name)}", value)
                strays.append(name)
                continue
            if expires == _NEVER:
                found.append(record(name, 0, value))
            elif expires.__class__ is not int:  # moved in between
                strays.append(name)
                continue
            elif expires < 0:  # gone in between
                continue
            else:
                expires += now
                first = expires if first is None else min(first, expires)
                found.append(record(name, expires, value))
            size += len(value)
        self._pace.wait(len(names), size)
        return Batch(found, len(found), first, cursor, strays)


def databases(wire: Wire) -> dict[int, tuple[int, int]]:
    """Of each database that holds keys: how many, and how many of them expire. Raises Lost, UserError."""
    found: dict[int, tuple[int, int]] = {}
    for name, value in fields(wire, "keyspace").items():
        if name.startswith("db") and name[2:].isdigit():
            said = [part.partition("=") for part in value.split(",")]
            counts = {what: int(count) for what, _, count in said if count.isdigit()}
            found[int(name[2:])] = counts["keys"], counts["expires"]
    return found


def own(wire: Wire, database: int) -> int:
    """How many keys of the database are the product's own, which no backup has. Raises Lost."""
    return int(wire.run("EXISTS", *OWN)) if database == CLOCK_DB else 0


@dataclass(frozen=True)
class About:
    """What a server says of itself. `run_id` changes when it starts anew."""

    run_id: str
    product: str
    version: str
    role: str
    memory: int
    maxmemory: int

    @property
    def text(self) -> str:
        return f"{self.product} {self.version}"


def about(wire: Wire) -> About:
    """Raises Lost, UserError."""
    server, memory = fields(wire, "server"), fields(wire, "memory")
    valkey = "valkey_version" in server
    return About(
        server.get("run_id", ""),
        "Valkey" if valkey else "Redis",
        server["valkey_version"] if valkey else server.get("redis_version", "?"),
        fields(wire, "replication").get("role", ""),
        int(memory.get("used_memory_dataset", memory.get("used_memory", "0"))),
        int(memory.get("maxmemory", "0")),
    )


def fields(wire: Wire, section: str) -> dict[str, str]:
    """A section of INFO. Raises Lost, UserError."""
    try:
        return info(wire, section)
    except Refused as error:
        raise refused(wire.name, "INFO", error) from error


def rdb_version(wire: Wire) -> int | None:
    """The version of the format in which the server gives values; None if it holds none to tell by."""
    for _ in range(5):  # a key may be gone before it is looked at
        name = _tried(wire, "RANDOMKEY")
        if not isinstance(name, bytes):
            return None
        value = _tried(wire, "DUMP", name)
        if isinstance(value, bytes):
            return version_of(value)
    return None


def version_of(value: bytes) -> int:
    """The format's version in a value as DUMP gives it."""
    return int.from_bytes(value[-10:-8], "little")


def functions(wire: Wire) -> bytes | None:
    """All libraries of functions in one value; None where there is none, or the server knows of none."""
    value = _tried(wire, "FUNCTION", "DUMP")
    if isinstance(value, Refused):
        if value.code == "ERR":  # before Redis 7
            return None
        raise refused(wire.name, "FUNCTION DUMP", value)
    libraries = _tried(wire, "FUNCTION", "LIST")
    return value if libraries else None


def refused(name: str, what: str, error: Refused) -> UserError:
    """What a refusal means: Lost for what passes."""
    if error.code in PASSING:
        return Lost(f"{name}: {error.text}", "Run the command again. It goes on where it was.")
    hint = "See the server's log, and run the command again."
    if error.code == "NOPERM":
        hint = "Allow the command for all keys to the user, or write another one into .env.local."
    return UserError(f"{name} refuses {what}: {error.text}", hint)


def shown(name: bytes) -> str:
    """A key for people."""
    return repr(name[:60])[1:]


def _scan(cursor: bytes, count: int) -> bytes:
    return words("SCAN", cursor, "COUNT", count)


def _tried(wire: Wire, *command: str | bytes) -> Any:
    try:
        return wire.run(*command)
    except Refused as error:
        return error
