#!/usr/bin/env python3
"""Tests the commands that clients of the cache use, from inside the cluster of the stack $STACK, or of dev.

It is a thin call of `fwb check`, which exits with 1 where something fails. With `--local` it tries the
client of docs/redis-client-guide.md from this machine instead, on the Redis that REDIS_HOST … name.
"""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ("redis-commands", "redis-connections", "redis-latency")


def local() -> int:
    """Write, read, count and delete with RedisClient, below a key prefix of its own; the exit code."""
    sys.path.insert(0, str(ROOT))
    from filewallball.storage import CacheTTL, RedisClient, StorageError, WrongSetting

    try:
        with RedisClient(prefix=f"fwb:check:{uuid.uuid4().hex}:") as client:
            value = {"name": "보고서.pdf", "size": 5}
            client.set_with_ttl("file:meta:1", value, CacheTTL.TEMP_DATA)
            seen = {
                "set_with_ttl, get": client.get("file:meta:1") == value,
                "ttl": 0 < (client.ttl("file:meta:1") or 0) <= CacheTTL.TEMP_DATA,
                "a key that is not there": client.get("file:meta:2") is None,
                "incr": client.incr("visits", ttl=CacheTTL.TEMP_DATA) == 1,
                "get_many": client.get_many(["file:meta:1", "file:meta:2"]) == {"file:meta:1": value},
                "delete": client.delete("file:meta:1", "visits") == 2,
                "get_info": bool(client.get_info()["version"]),
                "get_stats": 0 <= client.get_stats()["hit_rate"] <= 100,
            }
    except WrongSetting as error:
        print(f"redis-client: {error}", file=sys.stderr)
        return 2
    except StorageError as error:
        print(f"redis-client: FAILED ({error})")
        return 1
    for name, right in seen.items():
        print(f"{name}: {'OK' if right else 'FAILED'}")
    return 0 if all(seen.values()) else 1


if __name__ == "__main__":
    if sys.argv[1:] == ["--local"]:
        sys.exit(local())
    os.chdir(ROOT)
    command = [str(ROOT / ".venv/bin/fwb"), "check", os.environ.get("STACK", "dev"), *CHECKS, *sys.argv[1:]]
    os.execv(command[0], command)  # noqa: S606 - there is nothing for a shell to do
