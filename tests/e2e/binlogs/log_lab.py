"""A real MariaDB whose log is shipped into a real S3 store, and a throw-away server to replay it into."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymysql
import pytest
from s3_gateway import S3, free_port

from filewallball.backup import age
from filewallball.backup.manifest import Manifest, Position
from filewallball.backup.names import MANIFEST_SUFFIX, backup_name
from filewallball.backup.settings import DatabaseSettings, StoreSettings
from filewallball.backup.store import Store
from filewallball.binlogs import catalogue, replay
from filewallball.binlogs.merge import merge
from filewallball.binlogs.server import Seen, Server
from filewallball.binlogs.ship import Shipper
from filewallball.binlogs.target import Target

START_SECONDS = 60
DATABASE = "files"
USER = "shipper"
RIGHTS = f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO {USER}"
UTF8 = "--character-set-server=utf8mb4"
_SMALL = (
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-flush-log-at-trx-commit=0",
    "--performance-schema=OFF",
)


class Process:
    """A server with data of its own below `folder`; `options` beside those that all have."""

    def __init__(self, folder: Path, installed: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = f"{folder}/socket"
        self._installed = installed
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.new_volume()

    @property
    def client(self) -> list[str]:
        """The words that start its client as its administrator."""
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root"]

    def new_volume(self) -> None:
        """Replace the data by that of a server that is new."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        shutil.copytree(self._installed, self.folder / "data")

    def start(self) -> None:
        arguments = [
            "mariadbd", "--no-defaults", "--user=root", f"--datadir={self.folder}/data",
            f"--tmpdir={self.folder}", f"--socket={self.socket}", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--pid-file={self.folder}/pid", *_SMALL, *self._options,
        ]  # fmt: skip
        log = self.folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.connect().close()
            except pymysql.MySQLError:
                assert self._process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < deadline, log.read_text()[-2000:]
                time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        if self._process:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait()

    def connect(self) -> pymysql.Connection[Any]:
        return pymysql.connect(unix_socket=self.socket, user="root", charset="utf8mb4", autocommit=True)

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Execute as an administrator; the last statement's rows."""
        rows: list[tuple[Any, ...]] = []
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows


@contextmanager
def running(folder: Path, installed: Path, *options: str) -> Iterator[Process]:
    process = Process(folder, installed, *options)
    process.start()
    try:
        yield process
    finally:
        process.stop(kill=True)


class Clock:
    """The time that the server shows to the shipper, `now`: seconds since 1970."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = int(time.time())
        look = Server.look

        def told(server: Server) -> Seen:
            return Seen(self.now, look(server).place)

        monkeypatch.setattr(Server, "look", told)


class Lab:
    """The database, its log and its store; time stands still in it unless it is moved."""

    def __init__(self, server: Process, empty: Process, s3: S3, folder: Path) -> None:
        self.server = server
        self.empty = empty
        bucket = s3.data / f"bucket-{secrets.token_hex(4)}"
        bucket.mkdir()
        self.store = Store(
            StoreSettings(bucket.name, "stack/", s3.endpoint, "us-east-1", s3.access_key, s3.secret_key)
        )
        self.logs = catalogue.below(self.store)
        self.work = folder
        self.said: list[str] = []
        self.recipients: tuple[str, ...] = ()
        self.shipper = self.new_shipper()
        server.run(
            "RESET MASTER",
            f"DROP DATABASE IF EXISTS {DATABASE}",
            "SET sql_log_bin = 0",
            f"CREATE USER IF NOT EXISTS {USER} IDENTIFIED BY 'p'",
            RIGHTS,
        )
        empty.run(f"DROP DATABASE IF EXISTS {DATABASE}", "SET GLOBAL gtid_slave_pos = ''")

    def new_shipper(self) -> Shipper:
        """One that knows nothing but what the store holds."""
        settings = DatabaseSettings("127.0.0.1", self.server.port, DATABASE, USER, "p")
        return Shipper(Server(lambda: settings), self.logs, self.work, self.said.append, self.recipients)

    def merge(self, seconds: float = 3600) -> bool:
        """Put small pieces together, as the shipper does now and then."""
        settings = DatabaseSettings("127.0.0.1", self.server.port, DATABASE, USER, "p")
        with closing(Server(lambda: settings)) as server:
            return merge(server, self.logs, self.work, self.said.append, self.recipients, seconds)

    def settle(self) -> int:
        """Ship until the store knows all that was committed until now; the second in which that was."""
        second = int(time.time())
        while self.shipper.turn().time <= second:
            time.sleep(0.1)
        return second

    def keys(self) -> list[str]:
        return [item.key for item in self.logs.list()]

    def back_up(self, at: float | None = None) -> Manifest:
        """A backup, made `at` that time: its manifest in the store, its data in the throw-away server."""
        dump = subprocess.run(
            ["mariadb-dump", "--no-defaults", f"--socket={self.server.socket}", "--user=root",
             "--single-transaction", "--master-data=2", "--routines", "--events", "--databases", DATABASE],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
        made = datetime.fromtimestamp(time.time() if at is None else at, UTC)
        found = re.search(rb"MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+)", dump)
        assert found
        subprocess.run(self.empty.client, input=dump, check=True, capture_output=True)
        manifest = Manifest(
            name=backup_name(made), created=made, bytes=4, sha256="", sql_bytes=len(dump), database=DATABASE,
            charset="utf8mb4", collation="utf8mb4_general_ci", server_version="10.11",
            snapshot=Position(found[1].decode(), int(found[2])), tables={}, objects={}, verified=True,
            verified_at=made, restore_seconds=0,
        )  # fmt: skip
        self.store.put(b"dump", manifest.name)
        self.store.put(manifest.to_json(), manifest.name + MANIFEST_SUFFIX)
        return manifest

    def replay(self, manifest: Manifest, second: float, keys: Sequence[age.Identity] = ()) -> replay.Replayed:
        plan = replay.plan(self.store, manifest, datetime.fromtimestamp(second, UTC), keys)
        return replay.apply(plan, Target(self.empty.client), DATABASE, lambda _: None)

    def restored(self, sql: str) -> list[tuple[Any, ...]]:
        return self.empty.run(f"USE {DATABASE}", sql)
