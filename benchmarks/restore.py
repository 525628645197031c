"""`python -m benchmarks restore`: a backup takes the place of a database, against gunzip and mariadb.

Ours is all that `fwb restore` does but for the safety backup before it and the new backup after it: the
stored file is checked, the server's other data copied, the dump loaded and compared there, everything written
to the disk, and the server restarted with it. The store is a folder on the same disk. The other side loads
the same file into the server as it runs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, cast

from benchmarks.backup import COPY, DATABASE, PASSWORD, Server, fill, server, shell
from benchmarks.measure import Result, run, timed
from filewallball.backup import database, snapshot
from filewallball.backup.manifest import Manifest
from filewallball.backup.settings import DatabaseSettings, StoreSettings
from filewallball.backup.snapshot import Snapshot
from filewallball.backup.store import Store
from filewallball.backup.workdir import WorkDir
from filewallball.jobs.joblog import Log
from filewallball.recovery import choosing, copying, live, loading, volume

_ESTIMATED = 10_000
"""Megabytes of SQL for which the time is told."""


def measure(megabytes: int, work: Path) -> list[Result]:
    """Both sides, once each, over about so many megabytes of SQL."""
    with server(work) as found:
        fill(found, megabytes)
        _call(found, "back_up")
        client = " ".join(found.client())
        found.sql(f"CREATE DATABASE {COPY}")
        loaded = timed(lambda: shell(f"gunzip < {work}/stored/backup | {client} {COPY}"))
        found.sql(f"DROP DATABASE {COPY}")
        ours = _call(found, "restore")
    sql = ours.pop("sql") / 1e6
    total = sum(ours.values())
    parts = [Result(f"of that: {name}", "s", [seconds], None) for name, seconds in ours.items()]
    estimate = total / sql * _ESTIMATED
    return [
        Result("restore with its checks", "s", [total], 1.3, "gunzip to mariadb", [loaded]),
        *parts,
        Result("SQL that was restored", "MB", [sql], None),
        Result(f"{_ESTIMATED} MB of SQL would take, at this rate", "s", [estimate], 1800.0),
    ]


def _call(found: Server, what: str) -> dict[str, float]:
    """A process of its own, so that its memory is its own."""
    told = run([sys.executable, "-m", "benchmarks.restore", what, str(found.port), str(found.work)])
    return json.loads(told.splitlines()[-1])


class _Folder:
    """A store, as far as a restore reads it."""

    settings = StoreSettings("none")

    def __init__(self, path: Path) -> None:
        self._path = path

    def chunks(self, _key: str) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while piece := file.read(2**20):
                yield piece


def _manifest(source: database.Server, taken: Snapshot) -> Manifest:
    return Manifest(
        name="filewallball_backup_20261121_010000.sql.gz",
        created=taken.created,
        bytes=taken.dumped.bytes,
        sha256=taken.dumped.sha256,
        sql_bytes=taken.dumped.sql_bytes,
        database=DATABASE,
        charset=source.charset,
        collation=source.collation,
        server_version=source.version,
        snapshot=taken.position,
        tables=taken.inventory.tables,
        objects=taken.inventory.objects,
        verified=True,
        verified_at=taken.created,
        restore_seconds=0,
    )


def back_up(_found: Server, login: DatabaseSettings, folder: Path) -> dict[str, float]:
    """Make the backup that both sides load."""
    stored = folder / "stored"
    stored.mkdir()
    taken = snapshot.take(login, WorkDir(stored, None), perf_counter, _nothing)
    taken.dumped.path.rename(stored / "backup")
    (stored / "manifest").write_bytes(_manifest(database.preflight(login), taken).to_json())
    return {}


def restore(found: Server, login: DatabaseSettings, folder: Path) -> dict[str, float]:
    """Seconds of each part."""
    manifest = Manifest.from_json((folder / "stored/manifest").read_bytes())
    made, dump, copy = WorkDir(folder / "work", None), folder / "dump", folder / "copy"
    made.path.mkdir()
    seconds: dict[str, float] = {}

    @contextmanager
    def part(name: str) -> Generator[None]:
        started = perf_counter()
        yield
        seconds[name] = perf_counter() - started

    log = Log(lambda line: print(line, flush=True))
    now = live.look(login)
    with part("download and check"):
        store = cast("Store", _Folder(folder / "stored/backup"))
        target = choosing.Target(DATABASE, now.version)
        choosing.fetch(store, manifest, target, dump, [], _ignored)
    with part("copy of the other data"):
        copying.copy(login, folder / "data", copy, DATABASE, made, _ignored)
    with part("load and comparison"):
        loading.Loading(dump, manifest, now, None, log, _ignored).onto(made, copy)
    with part("to the disk"):
        volume.settle(copy)
    with part("restart of the server"):
        found.sql("SHUTDOWN")
        while (folder / "pid").exists():
            continue
        (folder / "data").rename(folder / "old")
        copy.rename(folder / "data")
        process = found.start()
    try:
        told = found.sql("SELECT COUNT(*) FROM files", DATABASE).split()
        if told[-1:] != [str(manifest.tables["files"].rows)]:
            raise SystemExit(f"the server has not got the restored data: {told}")
    finally:
        process.kill()
        process.wait()
    return {**seconds, "sql": manifest.sql_bytes}


def _nothing(_table: str, _number: int, _of: int, _bytes: int) -> None:
    """Progress is for people."""


def _ignored(*_: Any) -> None:
    """The same."""


def main(megabytes: int) -> list[Result]:
    """The figures, in a folder that is removed again."""
    os.environ["PATH"] += ":/usr/sbin"
    with TemporaryDirectory(prefix="fwb-bench-") as folder:
        return measure(megabytes, Path(folder))


if __name__ == "__main__":
    _what, _port, _work = sys.argv[1:]
    _login = DatabaseSettings("127.0.0.1", int(_port), DATABASE, "backup", PASSWORD)
    _done = {"back_up": back_up, "restore": restore}[_what](
        Server(Path(_work), int(_port)), _login, Path(_work)
    )
    print(json.dumps(_done))
