"""The server whose log is shipped: how far the log goes, and the log itself, read as a replica reads it.

The protocol: https://mariadb.com/kb/en/com_binlog_dump/. Events come as they stand in the file, byte by byte,
which `mariadb-binlog --raw` can't do from within a file.
"""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import COMMAND
from pymysql.cursors import Cursor

from filewallball.backup.database import errors
from filewallball.backup.settings import DatabaseSettings
from filewallball.binlogs.events import (
    FIRST,
    Event,
    Kind,
    check_place,
    check_sum,
    checksums,
    parse,
    rotated_to,
)
from filewallball.binlogs.names import LogFile, Place
from filewallball.encryption import mariadb_options
from filewallball.errors import UserError

LOOK_SECONDS = 4.0
"""The most time that may pass between the two questions of `Server.look`."""
_REPLICA = 4_294_901_761
"""The number under which the server knows this reader. Replicas of people have small ones.

The server ends an older connection of the same number. So each process has one of its own, from here on.
"""
_SILENCE_SECONDS = 15
"""For so long the server may be silent while it has something to send."""
_WITH_ANNOTATIONS = 0x02
"""Without it the server leaves events out, and what comes is no whole file."""
_LIKE_A_REPLICA = (
    "SET @master_binlog_checksum = @@global.binlog_checksum",
    # 4: it knows global transaction ids. For anybody less the server would write other events.
    "SET @mariadb_slave_capability = 4",
    # While a piece is uploaded nobody reads.
    "SET SESSION net_write_timeout = 600",
)
_NO_SUCH_LOG = 1236
_DENIED = (1045, 1227)
_RIGHTS = (
    "The backup's user needs REPLICATION SLAVE and BINLOG MONITOR, which the server grants when it starts. "
    "Run `fwb up`."
)


class LogGone(UserError):
    """The server doesn't have the log from the place on that was asked for."""


@dataclass(frozen=True)
class Seen:
    """At `time`, in seconds since 1970 by the server's clock, the log ended at `place` or before it."""

    time: int
    place: Place


class Server:
    """One server. `settings` is asked at each connection: the password may have changed."""

    def __init__(self, settings: Callable[[], DatabaseSettings]) -> None:
        self._settings = settings
        self._replica = _REPLICA + 2 * secrets.randbelow(30_000)
        self._asking: Connection[Cursor] | None = None

    def look(self) -> Seen:
        """Where the log ends now. Raises UserError if the server can't be asked, or takes too long."""
        with self._errors("Asking the server for the end of its binary log"):
            cursor = self._connection().cursor()
            began = time.monotonic()
            # The clock first: what is committed until then is in the log up to the place that is told then.
            cursor.execute("SELECT FLOOR(UNIX_TIMESTAMP(SYSDATE(6)))")
            ((now,),) = cursor.fetchall()
            cursor.execute("SHOW MASTER STATUS")
            status = cursor.fetchall()
        if not status:
            raise UserError(
                "The server writes no binary log.", "Run `fwb up`, which writes my.cnf with log-bin."
            )
        if time.monotonic() - began > LOOK_SECONDS:
            raise UserError(
                f"The server took more than {LOOK_SECONDS:.0f} s to say where its binary log ends.",
                "It is overloaded, or a very large transaction is being committed. Look at its load.",
            )
        return Seen(int(now), Place(str(status[0][0]), int(status[0][1])))

    def oldest(self) -> str:
        """The name of the oldest file of the log that the server still has. Raises UserError."""
        with self._errors("Asking the server for the files of its binary log"):
            cursor = self._connection().cursor()
            cursor.execute("SHOW BINARY LOGS")
            return str(cursor.fetchall()[0][0])

    def follow(self, place: Place, *, beside: bool = False) -> Feed:
        """The log from there on; `beside` another feed, which stays. Raises LogGone, UserError."""
        with self._errors("Reading the server's binary log"):
            return Feed(self._new(), place, self._replica + beside)

    def close(self) -> None:
        """End the connection by which the server is asked; the next question makes a new one."""
        if self._asking:
            self._asking._force_close()  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUnknownMemberType]
            self._asking = None

    def _connection(self) -> Connection[Cursor]:
        if self._asking is None:
            self._asking = self._new()
        return self._asking

    def _new(self) -> Connection[Cursor]:
        settings = self._settings()
        return pymysql.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.encode(),
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=10,
            read_timeout=_SILENCE_SECONDS,
            **mariadb_options(settings.ca_file),
        )

    @contextmanager
    def _errors(self, doing: str) -> Generator[None]:
        try:
            with told(doing):
                yield
        except BaseException:
            self.close()
            raise


@contextmanager
def told(doing: str) -> Generator[None]:
    """The driver's errors as UserErrors, LogGone among them."""
    try:
        with errors(doing):
            yield
    except UserError as error:
        cause: Any = error.__cause__
        code = cause.args[0] if isinstance(cause, pymysql.MySQLError) and cause.args else 0
        if code == _NO_SUCH_LOG:
            raise LogGone(str(cause.args[1])) from error
        if code in _DENIED:
            raise error.retold(error.message, _RIGHTS) from error
        raise


class Feed:
    """The events of a log, one after another. `place`: where the next one stands; `file`: in what."""

    def __init__(self, connection: Connection[Cursor], place: Place, replica: int) -> None:
        self._connection: Any = connection
        self.place = place
        self.file: LogFile | None = None
        self._next = place.file
        cursor = connection.cursor()
        for statement in _LIKE_A_REPLICA:
            cursor.execute(statement)
        # What the server says before it describes the format of the file has its present checksums.
        cursor.execute("SELECT @@global.binlog_checksum")
        ((method,),) = cursor.fetchall()
        self.checksummed = method != "NONE"
        asked = struct.pack("<IHI", place.position, _WITH_ANNOTATIONS, replica) + place.file.encode()
        self._connection._execute_command(COMMAND.COM_BINLOG_DUMP, asked)

    def read(self) -> tuple[Place, Event]:
        """The next event and its place; waits for it. Raises LogGone, LogError, UserError."""
        with told("Reading the server's binary log"):
            while True:
                packet: Any = self._connection._read_packet()
                if packet.is_eof_packet():
                    raise UserError(
                        "The server ended the reading of its binary log.", "It is tried again by itself."
                    )
                event = parse(bytes(packet.get_all_data()[1:]))
                if self._stands(event):
                    start, self.place = self.place, Place(self.place.file, self.place.position + event.size)
                    return start, event

    def close(self) -> None:
        """End the connection. Nothing is said to the server, which may be gone."""
        self._connection._force_close()

    def _stands(self, event: Event) -> bool:
        """Whether the event stands in the file, at the place where the next one must be."""
        if event.kind == Kind.ROTATE and event.artificial:
            self._next, _ = rotated_to(event, self.checksummed)
            return False
        if event.kind == Kind.FORMAT:
            self.checksummed = checksums(event)
            if self.file is None or self._next != self.file.name:
                self.file = LogFile(self._next, event.stamp)
        if event.artificial:
            return False
        if self.file is None:
            raise UserError(
                "The server sent events before the description of their format.",
                "It is tried again by itself.",
            )
        if self.file.name != self.place.file:
            self.place = Place(self.file.name, FIRST)
        check_place(event, self.place.position, self.place.file)
        if self.checksummed:
            check_sum(event)
        return True
