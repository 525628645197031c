"""Backups and restores of keys on real servers: in this process, or in one of its own that can be killed."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis_lab import Server, config, wait_for

from filewallball.stability.keys import command
from filewallball.stability.keys.manifest import Manifest
from filewallball.stability.keys.pace import Pace
from filewallball.stability.keys.reading import Batch, Reader
from filewallball.stability.keys.records import parsed
from filewallball.stability.keys.wire import Wire

BACKUP: dict[str, Any] = {"way": "auto", "rate": 0, "packing": "zstd", "verify": "full", "resume": True}
RESTORE: dict[str, Any] = {
    "latest": False, "name": None, "to": None, "overwrite": True, "match": None, "database": None,
    "dry_run": False, "verify": "full",
}  # fmt: skip
LIBRARY = "#!lua name=mine\nredis.register_function('answer', function() return 42 end)"


@dataclass
class Keys:
    """A project's folder, and a folder that is the store."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def named(self, name: str, servers: Sequence[Server]) -> str:
        """Write config.json for a target with these nodes."""
        config(self.folder, name, servers)
        return name

    def backup(self, target: str, **options: Any) -> tuple[str, str]:
        """The backup_id, and all that was said."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            command.backup(self.folder, target, options.pop("store", "store"), **BACKUP | options)
        last = said.getvalue().splitlines()[-1]
        assert last.startswith("backup_id: redis-backup-")
        return last.split()[1], said.getvalue()

    def restore(self, target: str, **options: Any) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            command.restore(self.folder, target, options.pop("store", "store"), **RESTORE | options)
        return said.getvalue()

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`fwb redis …` as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "filewallball.cli", "redis", *words,
             "--store", "store", "--cwd", str(self.folder)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ.copy(),
        )  # fmt: skip

    def pieces(self) -> dict[Path, int]:
        """What lies in the store as pieces whose description is there, and when it was written."""
        return {
            path: path.stat().st_mtime_ns
            for path in self.store.rglob("*.resp*")
            if path.with_name(f"{path.name.partition('.')[0]}.json").exists()
        }

    def manifest(self, name: str) -> Manifest:
        return Manifest.from_json((self.store / name / "manifest.json").read_bytes())


def fill(server: Server, *, databases: Sequence[int] = (0,)) -> None:
    """Keys of every type, with any bytes, with and without a time to expire."""
    for database in databases:
        client = raw(server, database)
        pipe = client.pipeline(transaction=False)
        every = bytes(range(256))
        pipe.set(b"bytes\r\n\0\xff" + every, every * 5)
        pipe.set("empty", b"")
        pipe.set("number", 12345)
        pipe.set("lasts", b"x", pxat=32503680000123)
        pipe.set("large", os.urandom(10 * 2**20))
        pipe.rpush("list", *[b"%d" % n for n in range(3000)])
        pipe.sadd("set", *[b"m%d" % n for n in range(3000)])
        pipe.sadd("numbers", 1, 2, 3)
        pipe.hset("hash", mapping={b"f%d" % n: every for n in range(600)})
        pipe.zadd("zset", {b"z%d" % n: n / 3 for n in range(600)})
        pipe.zadd("extremes", {"a": float("inf"), "b": float("-inf"), "c": 1e-300})
        for n in range(200):
            pipe.xadd("stream", {"n": n}, id=f"{n + 1}-1")
        pipe.xgroup_create("stream", "readers", id="0")
        pipe.execute_command("XREADGROUP", "GROUP", "readers", "me", "COUNT", 5, "STREAMS", "stream", ">")
        pipe.xdel("stream", "200-1")
        pipe.pfadd("hyperloglog", *range(2000))
        pipe.setbit("bits", 100_000, 1)
        pipe.geoadd("places", (127.0, 37.5, "Seoul"))
        for n in range(2000):
            pipe.set(b"key:%d" % n, b"value %d" % n, pxat=32503680000000 + n if n % 2 else None)
        pipe.execute()


def digest(server: Server, databases: Sequence[int] = (0,)) -> dict[tuple[int, bytes], tuple[bytes, int]]:
    """Of each key the server's own sum of its value, and when it expires."""
    found: dict[tuple[int, bytes], tuple[bytes, int]] = {}
    for database in databases:
        client = raw(server, database)
        names = list(client.scan_iter(count=1000))
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            sums = client.execute_command("DEBUG", "DIGEST-VALUE", *some)
            pipe = client.pipeline(transaction=False)
            for name in some:
                pipe.execute_command("PEXPIRETIME", name)
            for name, one, expires in zip(some, sums, pipe.execute(), strict=True):
                found[database, name] = one, expires
    return found


def of_cluster(servers: Sequence[Server]) -> dict[tuple[int, bytes], tuple[bytes, int]]:
    """The same for all primaries of a cluster."""
    found: dict[tuple[int, bytes], tuple[bytes, int]] = {}
    for each in servers:
        with contextlib.suppress(redis.ConnectionError):
            if raw(each).execute_command("ROLE")[0] == b"master":
                found |= digest(each)
    return found


class _OneByOne(Reader):
    def _at_once(self, names: Sequence[bytes], raw: bytes, cursor: bytes) -> None:
        return None


def at_once(server: Server, *, timeless: bool, user: str = "", rate: int | None = None) -> list[Batch]:
    """All of database 0, as it is read: by the hundred, where that can be."""
    with _wire(server) as wire:
        if user:
            wire.run("AUTH", user, "secret")
        return list(Reader(wire, 0, Pace(rate), timeless=timeless).scanned(b"0"))


def one_by_one(server: Server) -> list[Batch]:
    """The same with a look at each reply."""
    with _wire(server) as wire:
        return list(_OneByOne(wire, 0, Pace(None)).scanned(b"0"))


def records(batches: Sequence[Batch]) -> list[bytes]:
    """The records in them, sorted: two ways may give out keys in another order."""
    return sorted(one.raw for batch in batches for one in parsed(b"".join(batch.records)))


def _wire(server: Server) -> Wire:
    return Wire(socket.create_connection(("127.0.0.1", server.port)), "server")


def raw(server: Server, database: int = 0) -> Any:
    """A client that gives bytes."""
    return redis.Redis(port=server.port, db=database, password=server.password, protocol=2)


def until(condition: Any, seen: Any = lambda: "", seconds: float = 60) -> Any:
    return wait_for(condition, seconds, seen)
