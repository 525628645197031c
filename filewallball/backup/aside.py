"""The rows of locked tables, written into a file of their own as fast as they come: others wait meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from filewallball.backup import exact
from filewallball.backup.contents import Contents
from filewallball.backup.database import connect
from filewallball.backup.program import LOCKED, Program
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.workdir import WorkDir

_CHUNK = 256 * 1024
"""Bytes that are read at a time."""


class Aside:
    """What is read while the lock is held. Not packed yet, which would take longer than reading it."""

    def __init__(self, settings: DatabaseSettings, work: WorkDir, contents: Contents) -> None:
        self._settings, self._work, self._contents = settings, work, contents
        self._path = work.path / "locked.sql"
        self._stopped = False
        self._pool = ThreadPoolExecutor(1, "locked tables")
        self._filling: Future[None] | None = None
        self._program: Program | None = None

    def start(self) -> None:
        """Begin, now that the tables are locked."""
        if self._contents.locked:
            self._filling = self._pool.submit(self._fill)

    def wait(self) -> None:
        """Wait until all is read. Raises what stopped it."""
        if self._filling is not None:
            self._filling.result()

    def pieces(self) -> Iterator[bytes]:
        """All of it, once it is there. Raises what stopped it."""
        self.wait()
        if self._filling is None:
            return
        with self._path.open("rb") as file:
            while piece := file.read(_CHUNK):
                yield piece
        self._path.unlink()

    def close(self) -> None:
        """Stop, whatever happened."""
        self._stopped = True
        if self._program is not None:  # it may wait for whoever waits for our lock
            self._program.kill()
        self._pool.shutdown()

    def _fill(self) -> None:
        with self._path.open("wb") as file:
            for piece in self._rows():
                self._work.check()
                file.write(piece)
                if self._stopped:
                    return

    def _rows(self) -> Iterator[bytes]:
        locked = self._contents.locked
        if plain := [name for name in self._contents.plain if name in locked]:
            program = self._program = Program(self._settings, self._work, plain, LOCKED)
            try:
                if not self._stopped:
                    yield from program.pieces()
            finally:
                program.kill()
        if special := [table for table in self._contents.exact if table.name in locked]:
            with connect(self._settings, "Reading rows of locked tables one by one") as connection:
                for table in special:
                    yield from exact.insertions(connection, table)
