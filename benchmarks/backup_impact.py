"""`python -m benchmarks backup-impact`: what an application's queries feel of a database's backup.

An application of its own process sends queries at a steady rate to the server that is backed up: three reads
by key and one insert with its commit, in turns. What counts is the time from when a query was due.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pymysql

from benchmarks import backup
from benchmarks.measure import Result

_A_SECOND = 100
"""Queries a second."""
_QUIET = 15.0
"""Seconds that are measured without a backup, before and after it."""


def main(megabytes: int, rate: str) -> list[Result]:
    """p99 during the backup as a multiple of that without; `rate`: what is read a second, such as 20Mi."""
    with TemporaryDirectory(prefix="fwb-bench-") as folder, backup.server(Path(folder)) as found:
        backup.fill(found, megabytes)
        found.sql("CREATE TABLE seen (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6))", backup.DATABASE)
        rows = megabytes * backup.ROWS
        application = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.backup_impact", found.socket, str(rows)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        time.sleep(_QUIET)
        began = time.time()
        told = backup.ours(found, Path(folder), rate)
        ended = time.time()
        time.sleep(_QUIET)
        sent, _ = application.communicate("\n")
    times: list[tuple[float, float]] = json.loads(sent)
    dumped = told["began"] + told["dump"]
    phases = {
        "quiet": [took for due, took in times if due < began - 1 or due > ended + 1],
        "dump": [took for due, took in times if told["began"] < due < dumped],
        "verify": [took for due, took in times if dumped < due < ended],
    }
    quiet = p99(phases.pop("quiet"))
    return [
        Result(f"p99 of a query during the {name}", "ms", [p99(found)], 2.0, "without a backup", [quiet])
        for name, found in phases.items()
    ]


def p99(times: Sequence[float]) -> float:
    """Milliseconds."""
    return sorted(times)[math.ceil(len(times) * 0.99) - 1] * 1000


def _application(socket: str, rows: int) -> None:
    """Query until a line comes in; print (when it was due, seconds that it took) of each."""
    import select

    chosen = random.Random(2)  # noqa: S311 - the same each time
    connection: Any = pymysql.connect(
        unix_socket=socket, user="root", database=backup.DATABASE, autocommit=True
    )
    times: list[tuple[float, float]] = []
    due = time.time()
    with connection.cursor() as cursor:
        while not select.select([sys.stdin], [], [], max(0.0, due - time.time()))[0]:
            if len(times) % 4:
                cursor.execute("SELECT * FROM files WHERE id = %s", (chosen.randint(1, rows),))
                cursor.fetchall()
            else:
                cursor.execute("INSERT INTO seen (at) VALUES (NOW(6))")
            times.append((due, time.time() - due))
            due += 1 / _A_SECOND
    print(json.dumps(times))


if __name__ == "__main__":
    _application(sys.argv[1], int(sys.argv[2]))
