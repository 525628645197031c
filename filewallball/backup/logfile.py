"""Which binary log a snapshot stands in: names are used again after a reset, and on a new volume."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pymysql
from pymysql.constants import COMMAND

from filewallball.backup.database import connect
from filewallball.backup.settings import DatabaseSettings
from filewallball.errors import UserError

_AT_ITS_END, _FORMAT, _FIRST = 1, 15, 4
_EVENT = struct.Struct("<xIB")
"""An event as it is sent: when it was written, and its kind."""


def newest(settings: DatabaseSettings) -> tuple[str, int | None]:
    """The file that the server writes now, and when it began it; as `begun`, where it may not be asked."""
    with (
        suppress(UserError, pymysql.MySQLError),
        connect(settings, "Asking for the binary log") as connection,
    ):
        cursor = connection.cursor()
        cursor.execute("SHOW MASTER STATUS")
        if row := cursor.fetchone():
            return str(row[0]), begun(settings, str(row[0]))
    return "", None


def begun(settings: DatabaseSettings, file: str) -> int | None:
    """When the server began a file of its log, in seconds since 1970; None where it doesn't tell.

    The first event says it, which is read as a replica reads it: the user needs REPLICATION SLAVE.
    """
    with suppress(UserError, pymysql.MySQLError), connect(settings, "Reading the binary log") as connection:
        cursor = connection.cursor()
        cursor.execute("SET @master_binlog_checksum = @@global.binlog_checksum")
        cursor.execute("SET @mariadb_slave_capability = 4")
        # Replica 0 is nobody: the server ends no other one for it.
        asked = struct.pack("<IHI", _FIRST, _AT_ITS_END, 0) + file.encode()
        reading: Any = connection
        reading._execute_command(COMMAND.COM_BINLOG_DUMP, asked)
        while not (packet := reading._read_packet()).is_eof_packet():
            time, kind = _EVENT.unpack_from(packet.get_all_data())
            if kind == _FORMAT:
                return int(time)
    return None
