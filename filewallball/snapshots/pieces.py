"""A large key in pieces: how it is written to another server, and how that server's copy is compared.

DUMP and RESTORE take a key whole, and the session servers refuse what is beyond their limits: an argument of
more than `proto-max-bulk-len`, an answer of more than `client-output-buffer-limit`. The commands here stay
within both: no value in them is larger than PIECE, and no session server's answer longer than a page of ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

PIECE = 4 * 2**20
"""Bytes in one command. A key that takes more memory is copied in pieces."""
_ITEMS = 1000
"""Elements that are copied together at most."""
_PART = b"fwb:part:%d"

Command = tuple[Any, ...]
Run = Callable[..., Any]

_SUM = """
local function text(value)
    local found = tostring(value)
    if type(value) == 'table' then
        local parts = {}
        for index, one in ipairs(value) do parts[index] = text(one) end
        found = table.concat(parts)
    end
    return type(value) .. #found .. ':' .. found
end
return redis.sha1hex(text(redis.call(unpack(ARGV))))
"""
"""Runs the command whose words are ARGV, and returns the checksum of its answer."""
_JOIN = """
local words = {unpack(ARGV, #KEYS + 1)}
for number, key in ipairs(KEYS) do
    words[tonumber(ARGV[number])] = table.concat(redis.call('LRANGE', key, 0, -1))
    redis.call('DEL', key)
end
return redis.call(unpack(words))
"""
"""Runs a command of which some words were written before, in parts, to the lists KEYS.

ARGV: the place of each such word in the command, then the command.
"""
_STREAM = """
local found = {}
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for index = 1, #info, 2 do
    if not string.find(info[index], '^radix') and type(info[index + 1]) ~= 'table' then
        found[#found + 1] = info[index] .. ' ' .. tostring(info[index + 1])
    end
end
return found
"""
"""What a stream says of itself, without how it is stored."""
_PENDING = """
local found = {}
for index, one in ipairs(redis.call('XPENDING', KEYS[1], unpack(ARGV))) do
    local there = #redis.call('XRANGE', KEYS[1], one[1], one[1])
    found[index] = {one[1], one[2], one[4], there}
end
return found
"""
"""A page of a group's pending messages: id, consumer, deliveries, and whether the message is still there."""


@dataclass(frozen=True)
class Piece:
    """A part of a key. `write`: the commands that make it. `ask`: what an equal copy has the same answer to.

    `size`: about how many bytes are written.
    """

    write: Sequence[Command]
    ask: Command | None
    size: int


def pieces(run: Run, name: bytes, memory: int) -> Iterator[Piece]:
    """The pieces of a key, in the order in which they are written. They make the key with no time to expire.

    `run` executes a command on the server that holds the key, and answers as that does. `memory`: bytes that
    the key takes there.
    """
    kind = run("TYPE", name).decode()
    yield from _KINDS[kind](_Source(run, name, memory))


class _Source:
    def __init__(self, run: Run, name: bytes, memory: int) -> None:
        self.run = run
        self.name = name
        self._memory = memory

    def at_once(self, length: int) -> int:
        """How many elements to read at a time."""
        return max(1, min(_ITEMS, PIECE * length // self._memory))

    def piece(self, write: Command, ask: Command, size: int) -> Piece:
        return Piece(_carried((write[0], self.name, *write[1:])), _summed(ask[0], self.name, *ask[1:]), size)

    def last(self, *ask: Any) -> Piece:
        return Piece((), _summed(ask[0], self.name), 0)

    def scanned(self, command: str, length: int, width: int) -> Iterator[list[tuple[Any, ...]]]:
        """All elements of a hash or a set, `width` items each."""
        cursor: Any = b"0"
        while True:
            cursor, found = self.run(command, self.name, cursor, "COUNT", self.at_once(length))
            yield from _split(_batched(found, width))
            if int(cursor) == 0:
                return


def _string(source: _Source) -> Iterator[Piece]:
    size = int(source.run("STRLEN", source.name))
    value = source.run("GET", source.name)
    yield Piece(_carried(("SET", source.name, value)), _summed("STRLEN", source.name), size)
    for start in range(0, size, PIECE):
        yield Piece((), _summed("GETRANGE", source.name, start, start + PIECE - 1), 0)


def _hash(source: _Source) -> Iterator[Piece]:
    for group in source.scanned("HSCAN", source.run("HLEN", source.name), 2):
        fields = [field for field, _ in group]
        yield source.piece(("HSET", *_flat(group)), ("HMGET", *fields), _size(group))
    yield source.last("HLEN")


def _set(source: _Source) -> Iterator[Piece]:
    for group in source.scanned("SSCAN", source.run("SCARD", source.name), 1):
        members = list(_flat(group))
        yield source.piece(("SADD", *members), ("SMISMEMBER", *members), _size(group))
    yield source.last("SCARD")


def _list(source: _Source) -> Iterator[Piece]:
    length = int(source.run("LLEN", source.name))
    count = source.at_once(length)
    for start in range(0, length, count):
        at = start
        for group in _split((one,) for one in source.run("LRANGE", source.name, start, start + count - 1)):
            ask = ("LRANGE", at, at + len(group) - 1)
            yield source.piece(("RPUSH", *_flat(group)), ask, _size(group))
            at += len(group)
    yield source.last("LLEN")


def _sorted_set(source: _Source) -> Iterator[Piece]:
    length = int(source.run("ZCARD", source.name))
    count = source.at_once(length)
    for start in range(0, length, count):
        found = source.run("ZRANGE", source.name, start, start + count - 1, "WITHSCORES")
        for group in _split((score, member) for member, score in found):
            members = [member for _, member in group]
            yield source.piece(("ZADD", *_flat(group)), ("ZMSCORE", *members), _size(group))
    yield source.last("ZCARD")


def _stream(source: _Source) -> Iterator[Piece]:
    about = source.run("XINFO", "STREAM", source.name)
    groups = source.run("XINFO", "GROUPS", source.name)
    # A message may be pending though it was deleted. It can only be claimed while it is there.
    dead = {
        entry for one in groups for page in _pending(source, one[b"name"]) for entry, *_, there in page
        if not there
    }  # fmt: skip
    yield from _entries(source, int(about[b"length"]), sorted(dead, key=_id))
    if not about[b"length"] and not dead:
        yield Piece([("XADD", source.name, "MAXLEN", 0, "0-1", "x", "x")], None, 0)
    for one in groups:
        yield from _group(source, one)
    # What is older than the first message was trimmed, which no counter tells of; the others were deleted.
    first = _id(about[b"first-entry"][0]) if about[b"length"] else None
    deleted = sorted(entry for entry in dead if first and _id(entry) > first)
    end: list[Command] = [("XDEL", source.name, *some) for some in _batched(deleted, _ITEMS)]
    end.append(("XTRIM", source.name, "MAXLEN", "=", about[b"length"]))
    counters = ("ENTRIESADDED", about[b"entries-added"], "MAXDELETEDID", about[b"max-deleted-entry-id"])
    end.append(("XSETID", source.name, about[b"last-generated-id"], *counters))
    yield Piece(end, ("EVAL", _STREAM, 1, source.name), 0)
    yield Piece((), _summed("XINFO", "GROUPS", source.name), 0)


def _entries(source: _Source, length: int, dead: list[bytes]) -> Iterator[Piece]:
    start = b"-"
    while found := source.run("XRANGE", source.name, start, "+", "COUNT", source.at_once(length)):
        for group in _split(((entry, *fields) for entry, fields in found)):
            first, last = group[0][0], group[-1][0]
            write: list[Command] = []
            for entry, *fields in group:
                while dead and _id(dead[0]) < _id(entry):
                    write.append(_placeholder(source, dead.pop(0)))
                write += _carried(("XADD", source.name, entry, *fields))
            yield Piece(write, _summed("XRANGE", source.name, first, last), _size(group))
        start = b"(" + found[-1][0]
    yield Piece([_placeholder(source, entry) for entry in dead], None, 0)


def _placeholder(source: _Source, entry: bytes) -> Command:
    return ("XADD", source.name, entry, "x", "x")


def _group(source: _Source, about: dict[bytes, Any]) -> Iterator[Piece]:
    group, name = about[b"name"], source.name
    read = about[b"entries-read"]
    counted = () if read is None else ("ENTRIESREAD", read)
    write: list[Command] = [("XGROUP", "CREATE", name, group, about[b"last-delivered-id"], *counted)]
    consumers = source.run("XINFO", "CONSUMERS", name, group)
    write += [("XGROUP", "CREATECONSUMER", name, group, one[b"name"]) for one in consumers]
    yield Piece(write, None, 0)
    start = b"-"
    while idle := source.run("XPENDING", name, group, start, "+", _ITEMS):
        write = [
            ("XCLAIM", name, group, owner, 0, entry, "IDLE", since, "RETRYCOUNT", count, "FORCE", "JUSTID")
            for entry, owner, since, count in idle
        ]
        yield Piece(write, ("EVAL", _PENDING, 1, name, group, start, idle[-1][0], _ITEMS), 0)
        start = b"(" + idle[-1][0]


def _pending(source: _Source, group: bytes) -> Iterator[list[Any]]:
    start = b"-"
    while page := source.run("EVAL", _PENDING, 1, source.name, group, start, "+", _ITEMS):
        yield page
        start = b"(" + page[-1][0]


def _id(entry: bytes) -> tuple[int, int]:
    milliseconds, _, number = entry.partition(b"-")
    return int(milliseconds), int(number)


_KINDS = {
    "string": _string,
    "hash": _hash,
    "set": _set,
    "list": _list,
    "zset": _sorted_set,
    "stream": _stream,
}


def _summed(*command: Any) -> Command:
    return ("EVAL", _SUM, 0, *command)


def _carried(command: Command) -> list[Command]:
    """Commands with the same effect, without the words that are too large for one argument."""
    large = [place for place, word in enumerate(command) if isinstance(word, bytes) and len(word) > PIECE]
    if not large:
        return [command]
    keys = [_PART % place for place in large]
    written = [
        ("RPUSH", key, command[place][start : start + PIECE])
        for key, place in zip(keys, large, strict=True)
        for start in range(0, len(command[place]), PIECE)
    ]
    words = [b"" if place in large else word for place, word in enumerate(command)]
    return [*written, ("EVAL", _JOIN, len(keys), *keys, *(place + 1 for place in large), *words)]


def _split(elements: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """As many elements at a time as fit into one command; a larger one is alone."""
    group: list[tuple[Any, ...]] = []
    size = 0
    for one in elements:
        own = _size([one])
        if group and (size + own > PIECE or len(group) == _ITEMS):
            yield group
            group, size = [], 0
        group.append(one)
        size += own
    if group:
        yield group


def _batched(items: Sequence[Any], count: int) -> Iterator[tuple[Any, ...]]:
    return (tuple(items[start : start + count]) for start in range(0, len(items), count))


def _size(group: Iterable[tuple[Any, ...]]) -> int:
    return sum(len(word) for one in group for word in one if isinstance(word, bytes))


def _flat(group: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    return itertools.chain.from_iterable(group)
