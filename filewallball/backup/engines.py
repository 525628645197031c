"""Engines that MariaDB ships as plugins: ARCHIVE and BLACKHOLE."""

from __future__ import annotations

from contextlib import suppress

import pymysql
from pymysql.cursors import Cursor

_PLUGINS = ("ha_archive", "ha_blackhole")


def load(cursor: Cursor) -> None:
    """Let the server have those whose files are installed beside it."""
    for plugin in _PLUGINS:
        with suppress(pymysql.MySQLError):
            cursor.execute(f"INSTALL SONAME '{plugin}'")
