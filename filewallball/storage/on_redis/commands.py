"""The backend's calls as commands of Redis, once for threads and for asyncio (see `steps`).

The steps' `io` has `one(*words, once=…)`, `many(commands)` and `sleep(seconds)`. A command that must not be
done twice is sent with `once`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from filewallball.storage.backend import When
from filewallball.storage.errors import Unavailable
from filewallball.storage.steps import Operation

Words = tuple[Any, ...]
CHUNK = 500
"""Keys in one command, or commands in one round trip."""
MOST_CHANGING_SECONDS = 10.0
CHANGE = """
local found = redis.call('GET', KEYS[1])
if ARGV[1] == '' then
  if found then return 0 end
elseif found ~= ARGV[2] then
  return 0
end
if ARGV[3] == 'delete' then
  redis.call('DEL', KEYS[1])
elseif ARGV[3] == 'keep' then
  redis.call('SET', KEYS[1], ARGV[4], 'KEEPTTL')
elseif ARGV[3] == 'ever' then
  redis.call('SET', KEYS[1], ARGV[4])
else
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[3])
end
return 1
"""
ADD = """
local new = redis.call('EXISTS', KEYS[1]) == 0
redis.call('INCRBY', KEYS[1], ARGV[1])
if new then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
"""


def milliseconds(ttl: float) -> int:
    return max(1, round(ttl * 1000))


def setting(key: bytes, value: bytes, ttl: float | None, when: When = "always") -> Words:
    words: Words = ("SET", key, value)
    if ttl is not None:
        words += ("PX", milliseconds(ttl))
    if when != "always":
        words += ("NX" if when == "new" else "XX",)
    return words


def chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))


def get_many(keys: Sequence[bytes], *, apart: bool) -> Operation[list[bytes | None]]:
    """`apart`: each key may be on another server."""
    found: list[bytes | None] = []
    for some in chunks(keys):
        if apart:
            found += yield lambda io, some=some: io.many([("GET", key) for key in some])
        else:
            found += yield lambda io, some=some: io.one("MGET", *some)
    return found


def set_many(items: Mapping[bytes, bytes], ttl: float | None) -> Operation[None]:
    for some in chunks(list(items.items())):
        yield lambda io, some=some: io.many([setting(key, value, ttl) for key, value in some])


def delete(keys: Sequence[bytes], *, apart: bool) -> Operation[int]:
    count = 0
    for some in chunks(keys):
        if apart:
            count += sum((yield lambda io, some=some: io.many([("UNLINK", key) for key in some])))
        else:
            count += yield lambda io, some=some: io.one("UNLINK", *some)
    return count


def ttl(key: bytes) -> Operation[float | None]:
    left = yield lambda io: io.one("PTTL", key)
    if left == -2:
        raise KeyError(key)
    return None if left == -1 else left / 1000


def expire(key: bytes, seconds: float | None) -> Operation[bool]:
    if seconds is not None:
        return bool((yield lambda io: io.one("PEXPIRE", key, milliseconds(seconds))))
    there, _ = yield lambda io: io.many([("EXISTS", key), ("PERSIST", key)])
    return bool(there)


def add(key: bytes, amount: int, seconds: float | None) -> Operation[int]:
    if seconds is None:
        return int((yield lambda io: io.one("INCRBY", key, amount, once=True)))
    words = ("EVAL", ADD, 1, key, amount, milliseconds(seconds))
    return int((yield lambda io: io.one(*words, once=True)))


def change(
    key: bytes, function: Callable[[bytes | None], bytes | None], seconds: float | Literal["keep"] | None
) -> Operation[bytes | None]:
    end = time.monotonic() + MOST_CHANGING_SECONDS
    pause = 0.001
    while True:
        old: bytes | None = yield lambda io: io.one("GET", key)
        new = function(old)
        if new is None:
            how: Any = "delete"
        elif seconds == "keep" or seconds is None:
            how = "keep" if seconds else "ever"
        else:
            how = milliseconds(seconds)
        if new is old is None:
            return None
        words = ("EVAL", CHANGE, 1, key, "" if old is None else "there", old or b"", how, new or b"")
        if (yield lambda io, words=words: io.one(*words, once=True)):
            return new
        if time.monotonic() > end:
            raise Unavailable(
                f"So many write to {key!r} that a change has not come through. Try again later."
            )
        yield lambda io, pause=pause: io.sleep(pause * random.random())  # noqa: S311 - no secret
        pause = min(2 * pause, 0.05)


def pattern(prefix: bytes) -> bytes:
    """What SCAN takes for the keys that begin so."""
    return b"".join(b"\\" + bytes([each]) if each in b"*?[]\\^-" else bytes([each]) for each in prefix) + b"*"


def facts(said: Mapping[str, Any] | Mapping[str, Mapping[str, Any]], *, apart: bool) -> dict[str, Any]:
    """From what INFO says; of the cluster's primaries together, where `apart`."""
    servers: list[Mapping[str, Any]] = list(said.values()) if apart else [said]
    if not servers:
        return {}
    first = servers[0]
    found: dict[str, Any] = {
        "version": first.get("valkey_version") or first.get("redis_version", ""),
        "mode": "cluster" if apart else first.get("redis_mode", ""),
        "role": first.get("role", ""),
        "servers": len(servers),
        "uptime_seconds": min(int(each.get("uptime_in_seconds", 0)) for each in servers),
    }
    sums = {
        "size": "used_memory",
        "max_size": "maxmemory",
        "connected_clients": "connected_clients",
        "commands": "total_commands_processed",
        "hits": "keyspace_hits",
        "misses": "keyspace_misses",
        "evicted": "evicted_keys",
        "expired": "expired_keys",
    }
    found |= {name: sum(int(each.get(key, 0)) for each in servers) for name, key in sums.items()}
    found["keys"] = sum(
        int(value.get("keys", 0))
        for each in servers
        for name, value in each.items()
        if name.startswith("db") and name[2:].isdigit()
    )
    return found


def wrong(said: Mapping[str, Any] | Mapping[str, Mapping[str, Any]], *, apart: bool) -> list[str]:
    """What INFO tells that should be mended, one sentence each."""
    servers: list[Mapping[str, Any]] = list(said.values()) if apart else [said]
    found: list[str] = []
    for each in servers:
        if each.get("loading"):
            found.append("The server is loading its data. Wait until it has.")
        if each.get("rdb_last_bgsave_status", "ok") != "ok":
            found.append("The server's last save to its disk failed. Look into its log, and at its disk.")
        most = int(each.get("maxmemory", 0))
        if most and each.get("maxmemory_policy") == "noeviction" and int(each.get("used_memory", 0)) >= most:
            found.append(
                "The server's memory is full, so it refuses writes. Delete keys, or raise its limit."
            )
    return found
