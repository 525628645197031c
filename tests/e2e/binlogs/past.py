"""A database's past, made second by second."""

# ruff: noqa: S608 (names of tables are made here)

from __future__ import annotations

import time

from log_lab import DATABASE, Lab

from filewallball.backup.manifest import Manifest

BEGAN = int(time.time()) - 1000
"""The tests' own time: seconds that are stamped by SET TIMESTAMP, all before the shipper's first look."""


class Then:
    """The database's past, second by second."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        lab.server.run(
            f"SET TIMESTAMP = {BEGAN}",
            "RESET MASTER",
            f"CREATE DATABASE {DATABASE}",
            f"CREATE TABLE {DATABASE}.numbers (n INT PRIMARY KEY, t TEXT)",
        )

    def at(self, second: float, *statements: str) -> None:
        self.lab.server.run(f"SET TIMESTAMP = {BEGAN + second}", f"USE {DATABASE}", *statements)

    def add(self, second: float, number: int) -> None:
        self.at(second, f"INSERT INTO numbers VALUES ({number}, '값 {number}')")

    def back_up(self, second: float) -> Manifest:
        return self.lab.back_up(BEGAN + second)

    def numbers(self) -> list[int]:
        return [n for (n,) in self.lab.restored("SELECT n FROM numbers ORDER BY n")]
