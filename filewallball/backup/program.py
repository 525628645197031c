"""mariadb-dump, which writes the rows of most tables; its beginning and its end are looked for."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, cast

from facts import mariadb
from filewallball.backup import broken
from filewallball.backup.lease import own_namespace
from filewallball.backup.packed import TAIL, ends_complete
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.workdir import WorkDir
from filewallball.encryption import mariadb_words
from filewallball.errors import UserError

SNAPSHOT = ("--single-transaction",)
"""Options for rows out of a snapshot. Its position is not asked for: that kills mariadb-dump if an event of
the binary log is longer than the max_allowed_packet of the server."""
LOCKED = ("--skip-lock-tables",)
"""Options for rows of tables on which somebody else holds a lock."""
_BEGUN = b"\n-- Dumping data for table "
"""What stands before the first rows, and so after the opening of the snapshot."""
_MODE = b"SQL_MODE='NO_AUTO_VALUE_ON_ZERO'"
_LENIENT = b"SQL_MODE='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"
"""What the restore's session is set to, and to what it must be: 31 February would become the zero date."""
_HEAD = 64 * 1024
"""Bytes at the start of a dump in which that must stand."""
_CHUNK = 256 * 1024
"""Bytes that are read at a time."""
_PIPE = 2**20
"""Bytes that it may be ahead: the most that everybody may have."""
_HINTS = (
    ("definition has changed", "The schema was changed during the backup. Run the backup again."),
    ("1412", "The schema was changed during the backup. Run the backup again."),
    ("Couldn't find table", "The schema was changed during the backup. Run the backup again."),
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


class Program:
    """A running mariadb-dump that writes the rows of `tables`."""

    def __init__(
        self, settings: DatabaseSettings, work: WorkDir, tables: Sequence[str], options: Sequence[str]
    ) -> None:
        self._messages = work.path / f"dump{options[0]}.err"
        self._head = b""
        self._opened = threading.Event()
        with self._messages.open("wb") as messages:
            self._process = subprocess.Popen(
                command(settings, tables, options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=messages,
                env={**client_environment(work), "MYSQL_PWD": settings.password},
                pipesize=_PIPE,
            )
        self._stream = cast("IO[bytes]", self._process.stdout)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def wait_open(self, timeout: float) -> None:
        """Wait, up to `timeout` seconds, until it has opened its snapshot. Raises UserError.

        The program says that it comes to its first table after it has opened the snapshot.
        """
        if not self._opened.wait(timeout):
            raise UserError(
                f"mariadb-dump opened no snapshot within {timeout:.0f} s.",
                "The server may be overloaded. Look at its load, and run the backup again.",
            )
        if _BEGUN not in self._head:
            self._prove_end(self._head)
            raise UserError("mariadb-dump wrote no table.", "Run the backup again.")

    def look_for_beginning(self) -> None:
        """Read until `wait_open` can answer. What was read, `pieces` gives later."""
        try:
            while piece := self._read():
                self._head += piece
                if _BEGUN in self._head or len(self._head) > _HEAD:
                    break
        finally:
            self._opened.set()

    def pieces(self) -> Iterator[bytes]:
        """All that it writes. Raises UserError unless that is whole, and BrokenTables."""
        if not self._head:
            self.look_for_beginning()
        tail, piece = b"", self._head.replace(_MODE, _LENIENT, 1)
        with self._stream:
            while piece or (piece := self._read()):
                tail = (tail + piece)[-TAIL:]
                yield piece
                piece = b""
        self._prove_end(tail)

    def _read(self) -> bytes:
        # os.read returns what there is: the head must not wait for a full buffer.
        return os.read(self._stream.fileno(), _CHUNK)

    def _prove_end(self, tail: bytes) -> None:
        code = self._process.wait()
        messages = self._messages.read_text(errors="replace", encoding="utf-8").strip()
        if code != 0 and (broken_table := broken.in_message(messages)):
            raise broken_table
        if code != 0:
            hint = next((hint for sign, hint in _HINTS if sign in messages), _OTHER)
            raise UserError(
                f"mariadb-dump ended with {code}: {messages[-2000:] or 'no message'}",
                hint.format(namespace=own_namespace()),
            )
        if not ends_complete(tail):
            raise UserError(
                "The dump ends without its last line, '-- Dump completed'.", "Run the backup again."
            )


def command(settings: DatabaseSettings, tables: Sequence[str], options: Sequence[str]) -> list[str]:
    """The command line of the dump. The password is not in it: it goes by the environment."""
    return [
        *login("mariadb-dump", settings),
        *options,
        "--no-create-info",
        "--skip-triggers",
        "--skip-add-locks",
        "--quick",
        "--dump-history",
        "--hex-blob",
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
        "--",
        settings.name,
        *tables,
    ]


def login(program: str, settings: DatabaseSettings) -> list[str]:
    """One of MariaDB's programs and where it logs in; the password goes by the environment."""
    if settings.socket:
        where = [f"--socket={settings.socket}"]
    else:
        where = ["--protocol=tcp", f"--host={settings.host}", f"--port={settings.port}"]
        where += mariadb_words(settings.ca_file)
    return [program, "--no-defaults", *where, f"--user={settings.user}"]


@contextmanager
def feeding(client: subprocess.Popen[bytes]) -> Generator[IO[bytes]]:
    """What a client reads; afterwards it has ended. If it stopped at an error, it has told of that itself.

    If anything else goes wrong it is killed before the pipe is closed, which would wait for it.
    """
    pipe = cast("IO[bytes]", client.stdin)
    try:
        yield pipe
        pipe.close()
        client.wait()
    except BrokenPipeError:
        client.wait()
    finally:
        client.kill()
        with suppress(OSError):
            pipe.close()
        client.wait()


def client_environment(work: WorkDir) -> dict[str, str]:
    """What MariaDB's programs get to see of this process's environment."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(work.path),
        "TMPDIR": str(work.path),
        "LC_ALL": "C",
    }
