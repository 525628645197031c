"""`python -m benchmarks backup-impact`: what an application's queries feel of a database's backup.

An application of its own process sends queries at a steady rate to the server that is backed up: three reads
by key and one insert with its commit, in turns. What counts is the time from when a query was due.

In a cluster the backup's pod has a quarter of the server's share of the processor, which `nice -n 6` is for
plain processes.
"""

from __future__ import annotations

import json
import math
import os
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
    os.environ["PATH"] += ":/usr/sbin"
    with TemporaryDirectory(prefix="fwb-bench-") as folder, backup.server(Path(folder)) as server:
        backup.fill(server, megabytes)
        server.sql("CREATE TABLE seen (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6))", backup.DATABASE)
        rows = megabytes * backup.ROWS
        application = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.backup_impact", server.socket, str(rows)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        time.sleep(_QUIET)
        began = time.time()
        told = backup.ours(server, Path(folder), rate, ["nice", "-n", "6"])
        ended = time.time()
        time.sleep(_QUIET)
        sent, _ = application.communicate("\n")
    times: list[tuple[float, float, bool]] = json.loads(sent)
    dumped = told["began"] + told["dump"]
    results: list[Result] = []
    kinds = {
        "query": times,
        "read": [each for each in times if not each[2]],
        "insert": [each for each in times if each[2]],
    }
    for kind, of_kind in kinds.items():
        quiet = p99([took for due, took, _ in of_kind if due < began - 1 or due > ended + 1])
        for name, first, last in (("dump", told["began"], dumped), ("verification", dumped, ended)):
            found = p99([took for due, took, _ in of_kind if first < due < last])
            limit = 2.0 if kind == "query" else None
            what = f"p99 of each {kind} during the {name}"
            results.append(Result(what, "ms", [found], limit, "without a backup", [quiet]))
    return results


def p99(times: Sequence[float]) -> float:
    """Milliseconds."""
    return sorted(times)[math.ceil(len(times) * 0.99) - 1] * 1000


def _application(socket: str, rows: int) -> None:
    """Query until a line comes in; print of each when it was due, the seconds that it took, and
    whether it wrote."""
    import select

    chosen = random.Random(2)  # noqa: S311 - the same each time
    connection: Any = pymysql.connect(
        unix_socket=socket, user="root", database=backup.DATABASE, autocommit=True
    )
    times: list[tuple[float, float, bool]] = []
    due = time.time()
    with connection.cursor() as cursor:
        while not select.select([sys.stdin], [], [], max(0.0, due - time.time()))[0]:
            if len(times) % 4:
                cursor.execute("SELECT * FROM files WHERE id = %s", (chosen.randint(1, rows),))
                cursor.fetchall()
            else:
                cursor.execute("INSERT INTO seen (at) VALUES (NOW(6))")
            times.append((due, time.time() - due, not len(times) % 4))
            due += 1 / _A_SECOND
    print(json.dumps(times))


if __name__ == "__main__":
    _application(sys.argv[1], int(sys.argv[2]))
