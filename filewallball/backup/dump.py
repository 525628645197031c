"""A dump in the making: definitions, rows out of the snapshot, rows of locked tables, in one packed file."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from pymysql.connections import Connection

from filewallball.backup import definitions, exact
from filewallball.backup.aside import Aside
from filewallball.backup.contents import Contents
from filewallball.backup.database import errors
from filewallball.backup.packed import SUFFIXES, packing
from filewallball.backup.program import SNAPSHOT, Program
from filewallball.backup.rate import Rate
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.workdir import WorkDir, full


@dataclass(frozen=True)
class Dumped:
    """A finished dump: its file, the sizes in bytes, and the SHA-256 of the file."""

    path: Path
    bytes: int
    sql_bytes: int
    sha256: str


class Dump:
    """A dump in the making. Leaving the `with` block ends it, whatever happened.

    Two threads read at the same time: one what is in the snapshot, which becomes the file; the other what is
    locked, which is kept aside until the first has come to it. Meanwhile the caller counts.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        work: WorkDir,
        contents: Contents,
        compression: str = "gzip",
        rate: int | None = None,
    ) -> None:
        self._settings, self._work, self._contents = settings, work, contents
        self._rate = Rate(rate)
        self._compression = compression
        self._path = work.path / f"dump{SUFFIXES[compression]}"
        self.sql_bytes = 0
        self._bytes = 0
        self._sha256 = hashlib.sha256()
        self._connection: Connection[Any] | None = None
        self._may_go_on = threading.Event()
        self._stopped = False
        self._snapshot = (
            Program(settings, work, contents.in_snapshot, SNAPSHOT) if contents.in_snapshot else None
        )
        self._aside = Aside(settings, work, contents)
        self._pool = ThreadPoolExecutor(1, "dump")
        self._pumping = self._pool.submit(self._pump)

    def __enter__(self) -> Dump:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        if self._snapshot is not None:
            self._snapshot.kill()
        self._may_go_on.set()
        self._aside.close()
        self._pool.shutdown()

    def wait_open(self, timeout: float) -> None:
        """Wait, up to `timeout` seconds, until mariadb-dump has opened its snapshot. Raises UserError."""
        if self._snapshot is not None:
            self._snapshot.wait_open(timeout)

    def go_on(self, connection: Connection[Any]) -> None:
        """Write the file: the definitions, and the rows of some tables, are read by `connection`."""
        self._connection = connection
        self._aside.start()  # first: the thread that goes on waits for it
        self._may_go_on.set()

    def wait_unlocked(self) -> None:
        """Wait until nothing is read any more that is locked. Raises what stopped that."""
        self._aside.wait()

    def check(self) -> None:
        """Raise what stopped the dump, if something did."""
        if self._pumping.done():
            self.finish()

    def finish(self) -> Dumped:
        """Wait for the end. Raises UserError unless the dump is whole."""
        try:
            self._pumping.result()
        except OSError as error:
            raise full(self._work.path, str(error.strerror)) from error
        return Dumped(self._path, self._bytes, self.sql_bytes, self._sha256.hexdigest())

    def _pump(self) -> None:
        try:
            with self._path.open("wb") as file:
                self._compress(file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            if self._snapshot is not None:
                self._snapshot.kill()
            raise

    def _compress(self, file: BinaryIO) -> None:
        with packing(lambda data: self._write(file, data), self._compression) as packer:
            for piece in self._pieces():
                if self._stopped:
                    return
                self.sql_bytes += len(piece)
                packer.write(piece)
                self._rate.wait(len(piece))

    def _pieces(self) -> Iterator[bytes]:
        if self._snapshot is not None:
            self._snapshot.look_for_beginning()
        self._may_go_on.wait()
        if self._connection is None:
            return  # it ended before it began
        database = self._settings.name
        yield definitions.head(database)
        with errors("Reading how tables are made"):
            yield from definitions.tables(self._connection.cursor(), self._contents)
        if self._snapshot is not None:
            yield from self._snapshot.pieces()
        with errors("Reading rows one by one"):
            for table in self._contents.exact:
                if table.name not in self._contents.locked:
                    yield from exact.insertions(self._connection, table)
        yield from self._aside.pieces()
        with errors("Reading how views and routines are made"):
            yield from definitions.programs(exact.as_bytes(self._connection).cursor(), database)
        yield definitions.tail()
        yield f"\n-- Dump completed on {datetime.now(UTC):%Y-%m-%d %H:%M:%S}\n".encode()

    def _write(self, file: BinaryIO, data: bytes) -> None:
        self._work.check()
        self._sha256.update(data)
        self._bytes += len(data)
        file.write(data)
