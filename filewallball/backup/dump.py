"""mariadb-dump, streamed through gzip into a file; its snapshot's position and its end are looked for."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, cast

from facts import mariadb
from filewallball.backup.lease import own_namespace
from filewallball.backup.manifest import Position
from filewallball.backup.packed import GZIP, TAIL, ends_complete
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.workdir import WorkDir, full
from filewallball.encryption import mariadb_words
from filewallball.errors import UserError

_POSITION = re.compile(rb"-- CHANGE MASTER TO MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+);")
_HEAD = 64 * 1024
"""Bytes at the start of a dump in which the position of the binary log must stand."""
_CHUNK = 256 * 1024
"""Bytes that are read at a time."""
_HINTS = (
    ("definition has changed", "The schema was changed during the backup. Run the backup again."),
    ("1412", "The schema was changed during the backup. Run the backup again."),
    ("references invalid", "A view or trigger uses something that no longer exists. Correct or drop it."),
    (
        "Access denied",
        "The backup's user lacks a right, which the server grants when it starts. Restart it: "
        f"`kubectl -n {{namespace}} delete pod {mariadb.NAME}-0`.",
    ),
    (
        "Lost connection",
        "The server closed the connection. Look for a restart or out of memory in "
        f"`kubectl -n {{namespace}} logs {mariadb.NAME}-0`.",
    ),
)
_OTHER = f"Look at `kubectl -n {{namespace}} logs {mariadb.NAME}-0`, and run the backup again."


@dataclass(frozen=True)
class Dumped:
    """A finished dump: its file, the sizes in bytes, and the SHA-256 of the file."""

    path: Path
    bytes: int
    sql_bytes: int
    sha256: str


class Dump:
    """A running mariadb-dump. Leaving the `with` block ends it, whatever happened.

    It is read by a thread of its own, so that the counting goes on at the same time.
    """

    def __init__(self, settings: DatabaseSettings, work: WorkDir) -> None:
        self._work = work
        self._path = work.path / "dump.sql.gz"
        self._messages = work.path / "dump.err"
        self._head = b""
        self._opened = threading.Event()
        self._error: BaseException | None = None
        self.sql_bytes = 0
        self._tail = b""
        self._bytes = 0
        self._sha256 = hashlib.sha256()
        with self._messages.open("wb") as messages:
            self._process = subprocess.Popen(
                command(settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=messages,
                env={**client_environment(work), "MYSQL_PWD": settings.password},
            )
        self._thread = threading.Thread(target=self._pump, name="dump", daemon=True)
        self._thread.start()

    def __enter__(self) -> Dump:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._thread.join()

    def wait_open(self, timeout: float) -> Position:
        """Wait, up to `timeout` seconds, until the dump has opened its snapshot; return its position.

        The dump writes the position after it has opened the snapshot; that line arrives with the first 4 KiB.
        """
        if not self._opened.wait(timeout):
            raise UserError(
                f"mariadb-dump opened no snapshot within {timeout:.0f} s.",
                "The server may be overloaded. Look at its load, and run the backup again.",
            )
        match = _POSITION.search(self._head)
        if match is None:
            self.finish()
            raise UserError("mariadb-dump wrote no position of the binary log.")
        return Position(match[1].decode(), int(match[2]))

    def check(self) -> None:
        """Raise what stopped the dump, if something did."""
        if self._error is not None or self._process.poll() not in (None, 0):
            self.finish()

    def finish(self) -> Dumped:
        """Wait for the end, and prove that the dump is whole. Raises UserError."""
        self._thread.join()
        code = self._process.wait()
        if self._error is not None:
            if isinstance(self._error, OSError):
                raise full(self._work.path, str(self._error.strerror)) from self._error
            raise self._error
        messages = self._messages.read_text(errors="replace", encoding="utf-8").strip()
        if code != 0:
            hint = next((hint for sign, hint in _HINTS if sign in messages), _OTHER)
            raise UserError(
                f"mariadb-dump ended with {code}: {messages[-2000:] or 'no message'}",
                hint.format(namespace=own_namespace()),
            )
        if not ends_complete(self._tail):
            raise UserError(
                "The dump ends without its last line, '-- Dump completed'.", "Run the backup again."
            )
        return Dumped(self._path, self._bytes, self.sql_bytes, self._sha256.hexdigest())

    def _pump(self) -> None:
        try:
            with self._path.open("wb") as file:
                self._compress(file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self._error = error
            self._process.kill()
        finally:
            self._opened.set()

    def _compress(self, file: BinaryIO) -> None:
        compressor = zlib.compressobj(6, zlib.DEFLATED, GZIP)
        with cast("IO[bytes]", self._process.stdout) as stream:
            # os.read returns what there is: the head must not wait for a full buffer.
            while piece := os.read(stream.fileno(), _CHUNK):
                self.sql_bytes += len(piece)
                self._tail = (self._tail + piece)[-TAIL:]
                if not self._opened.is_set():
                    self._look_for_position(piece)
                self._write(file, compressor.compress(piece))
        self._write(file, compressor.flush())

    def _look_for_position(self, piece: bytes) -> None:
        self._head += piece
        if _POSITION.search(self._head) or len(self._head) > _HEAD:
            self._opened.set()

    def _write(self, file: BinaryIO, data: bytes) -> None:
        self._work.check()
        self._sha256.update(data)
        self._bytes += len(data)
        file.write(data)


def command(settings: DatabaseSettings) -> list[str]:
    """The command line of the dump. The password is not in it: it goes by the environment."""
    return [
        *login("mariadb-dump", settings),
        "--single-transaction",
        "--quick",
        "--master-data=2",
        "--routines",
        "--triggers",
        "--events",
        "--dump-history",
        "--hex-blob",
        "--no-tablespaces",
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
        settings.name,
    ]


def login(program: str, settings: DatabaseSettings) -> list[str]:
    """One of MariaDB's programs and where it logs in; the password goes by the environment."""
    return [
        program,
        "--no-defaults",
        "--protocol=tcp",
        f"--host={settings.host}",
        f"--port={settings.port}",
        f"--user={settings.user}",
        *mariadb_words(settings.ca_file),
    ]


def client_environment(work: WorkDir) -> dict[str, str]:
    """What MariaDB's programs get to see of this process's environment."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(work.path),
        "TMPDIR": str(work.path),
        "LC_ALL": "C",
    }
