"""`python -m benchmarks backup`: a database's backup against mariadb-dump, gzip and the mariadb client.

A server of its own with the stack's durability, on a loopback port. Ours is the dump with its counts, and
then the trial restore with its comparison. Both sides write to the same disk, and neither uploads.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from benchmarks.measure import Result, run, timed

DATABASE = "bench"
COPY = "bench_copy"
ROWS = 2850
"""Rows that give a megabyte of SQL."""
_CHUNK = 100_000
_WORDS = [
    "file",
    "report",
    "invoice",
    "photo",
    "holiday",
    "family",
    "archive",
    "budget",
    "한국",
    "사진",
    "보고서",
    "backup",
    "draft",
    "final",
    "version",
    "meeting",
    "notes",
    "project",
    "plan",
    "contract",
    "summary",
    "image",
    "video",
    "music",
    "data",
    "table",
    "index",
    "user",
    "admin",
    "guest",
    "upload",
    "folder",
]
PASSWORD = "bench"  # noqa: S105 - of a server on a loopback port that lives for minutes


@dataclass(frozen=True)
class Server:
    """A MariaDB server: its folder, with the socket and the data, and its port."""

    work: Path
    port: int

    @property
    def socket(self) -> str:
        return f"{self.work}/socket"

    def start(self) -> subprocess.Popen[bytes]:
        """Start it with the stack's durability, and wait until it answers."""
        options = (
            f"--datadir={self.work}/data --socket={self.socket} --port={self.port} --bind-address=127.0.0.1 "
            f"--log-bin=bin --tmpdir={self.work} --pid-file={self.work}/pid --server-id=1 "
            "--binlog-format=ROW --sync-binlog=1 --innodb-flush-log-at-trx-commit=1 "
            "--innodb-buffer-pool-size=256M --max-allowed-packet=64M --character-set-server=utf8mb4"
        )
        with (self.work / "log").open("ab") as log:
            process = subprocess.Popen(
                ["mariadbd", "--no-defaults", *options.split(), *_user()], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.sql("SELECT 1")
            except SystemExit:
                if process.poll() is not None or time.monotonic() > deadline:
                    process.kill()
                    raise
                time.sleep(0.1)
            else:
                return process

    def sql(self, text: str, database: str = "") -> str:
        """Run SQL as the administrator; what the client prints."""
        return run([*self.client(), *([database] if database else []), "--execute", text])

    def client(self) -> list[str]:
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root"]


def measure(megabytes: int, work: Path) -> list[Result]:
    """Both sides, once each, over about so many megabytes of SQL."""
    with server(work) as found:
        fill(found, megabytes)
        told = ours(found, work)
        packed = work / "peer.sql.gz"
        dump = (
            f"mariadb-dump --no-defaults --socket={found.socket} --user=root --single-transaction {DATABASE}"
        )
        dumped = timed(lambda: shell(f"{dump} | gzip > {packed}"))
        found.sql(f"CREATE DATABASE {COPY}")
        client = " ".join(found.client())
        restored = timed(lambda: shell(f"gunzip < {packed} | {client} {COPY}"))
        peer = "mariadb-dump --single-transaction to gzip"
        million = 1e6
        return [
            Result("backup, not yet verified", "s", [told["dump"]], 0.6, peer, [dumped]),
            Result("size", "MB", [told["bytes"] / million], 1.15, peer, [packed.stat().st_size / million]),
            Result(
                "backup, verified",
                "s",
                [told["dump"] + told["verify"]],
                1.2,
                f"{peer}, then gunzip to mariadb",
                [dumped + restored],
            ),
            Result("peak memory of our process", "MiB", [told["peak"] / 2**20], 256.0),
            Result("SQL that was dumped", "MB", [told["sql"] / million], None),
        ]


@contextmanager
def server(work: Path) -> Generator[Server]:
    """A new server below `work`, until the block ends."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    found = Server(work, port)
    run(
        ["mariadb-install-db", "--no-defaults", "--force", f"--datadir={work}/data", "--skip-test-db",
         "--auth-root-authentication-method=normal", *_user()]
    )  # fmt: skip
    signal.signal(signal.SIGTERM, _stop)  # so that the server ends as well
    process = found.start()
    try:
        yield found
    finally:
        process.kill()
        process.wait()


def _user() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


def fill(found: Server, megabytes: int) -> None:
    """The same rows each time: text in two languages, hashes, numbers, times, and binary data."""
    chosen = random.Random(1)  # noqa: S311 - the same each time

    def word(salt: int) -> str:
        words = ", ".join(f"'{each}'" for each in chosen.sample(_WORDS, len(_WORDS)))
        return f"ELT(1 + CRC32(CONCAT(seq, 'x{salt}')) MOD {len(_WORDS)}, {words})"

    found.sql(
        f"CREATE DATABASE {DATABASE}; CREATE TABLE {DATABASE}.files (id INT PRIMARY KEY, sha CHAR(64), path "
        "VARCHAR(255), size BIGINT, made DATETIME, score DOUBLE, state ENUM('active', 'hidden', 'gone'), "
        "note TEXT, thumb VARBINARY(64), KEY (made))"
    )
    note = ", ".join(word(number) for number in range(20))
    path = f"CONCAT_WS('/', {word(90)}, {word(91)}, seq MOD 9973)"
    made = "'2026-01-01' + INTERVAL CRC32(seq + 1) MOD 30000000 SECOND"
    values = (
        f"seq, SHA2(seq, 256), {path}, CRC32(seq), {made}, CRC32(seq + 2) / 1000003, 1 + seq MOD 3, "
        f"CONCAT_WS(' ', {note}), IF(seq MOD 8, NULL, UNHEX(SHA2(-seq, 512)))"
    )
    rows = megabytes * ROWS
    found.sql(
        f"CREATE TABLE base LIKE files; INSERT INTO base SELECT {values} "  # noqa: S608 - ours
        f"FROM seq_1_to_{min(rows, _CHUNK)}",
        DATABASE,
    )
    # The same texts again are further away than a compressor looks back.
    again = (
        "id + {first}, SHA2(id + {first}, 256), path, CRC32(id + {first}), made + INTERVAL {first} SECOND, "
        "score + {first}, state, note, thumb"
    )
    found.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 0, sync_binlog = 0")
    for first in range(0, rows, _CHUNK):
        copied = f"{again.format(first=first)} FROM base WHERE id <= {min(_CHUNK, rows - first)}"
        found.sql(f"SET sql_log_bin = 0; INSERT INTO files SELECT {copied}", DATABASE)
    found.sql("DROP TABLE base; SET GLOBAL innodb_flush_log_at_trx_commit = 1, sync_binlog = 1", DATABASE)
    found.sql(
        f"CREATE USER backup@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO backup@'127.0.0.1'"
    )


def ours(found: Server, work: Path, rate: str = "", before: Sequence[str] = ()) -> dict[str, float]:
    """A process of its own, so that its memory is its own. `rate`: SQL a second at most, such as 20Mi.

    `before`: words in front of the command.
    """
    told = run([*before, sys.executable, "-m", "benchmarks.backup", str(found.port), str(work), rate])
    return json.loads(told.splitlines()[-1])


def shell(text: str) -> None:
    """Run a line of bash; every part of a pipe counts."""
    run(["bash", "-o", "pipefail", "-c", text])


def _one(port: int, folder: Path, rate: str) -> None:
    from facts.units import quantity_bytes
    from filewallball.backup import database, job, snapshot
    from filewallball.backup.rate import yield_the_disk
    from filewallball.backup.settings import DatabaseSettings, Settings, StoreSettings
    from filewallball.backup.workdir import work_dir

    where = DatabaseSettings("127.0.0.1", port, DATABASE, "backup", PASSWORD)
    settings = Settings(where, StoreSettings("none"), folder, None, rate=quantity_bytes(rate))
    if settings.rate:
        yield_the_disk()
    log = job.Log(lambda line: print(line, flush=True))
    with work_dir(folder, None) as work:
        source = database.preflight(where)
        began, started = time.time(), time.perf_counter()
        taken = snapshot.take(where, work, log.clock, _nothing, rate=settings.rate)
        dumped = time.perf_counter()
        job._verify(settings, work, source, taken, log)  # pyright: ignore[reportPrivateUsage]
        verified = time.perf_counter()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    figures = {"dump": dumped - started, "verify": verified - dumped, "peak": peak * 1024, "began": began}
    print(json.dumps({**figures, "bytes": taken.dumped.bytes, "sql": taken.dumped.sql_bytes}))


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(1)


def _nothing(_table: str, _number: int, _of: int, _bytes: int) -> None:
    """Progress is for people."""


def main(megabytes: int) -> list[Result]:
    """The figures, in a folder that is removed again."""
    os.environ["PATH"] += ":/usr/sbin"
    with TemporaryDirectory(prefix="fwb-bench-") as folder:
        return measure(megabytes, Path(folder))


if __name__ == "__main__":
    _one(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
