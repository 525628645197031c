"""A database as its pod runs it, restarted when it ends; a store beside it; restores by their own command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql
import pytest
from mariadb_pod import ACCOUNT, Database
from s3_gateway import S3

from filewallball.backup import catalogue
from filewallball.backup import job as backup_job
from filewallball.backup.store import Store
from filewallball.jobs.joblog import Log
from filewallball.recovery import settings, swap
from filewallball.recovery.choosing import Wanted

NAME = "filewallball_db"


class Restarted(Database):
    """The server, started again by itself whenever it ends, as the kubelet does with a container."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._up = False
        self._kubelet: threading.Thread | None = None
        for file in (root / "etc/filewallball").iterdir():
            text = file.read_text().replace("--user=mysql", f"--user={ACCOUNT}")
            # Sooner than in a pod; and without time zones, which take a second.
            text = text.replace("while sleep 2", "while sleep 0.1").replace("/usr/share/zoneinfo", "/nowhere")
            file.write_text(text)
        self.volume = root / "var/lib/mysql"

    def start(self) -> None:
        super().start()
        self._up = True
        self._kubelet = threading.Thread(target=self._keep, daemon=True)
        self._kubelet.start()

    def _keep(self) -> None:
        while self._up and self.process:
            self.process.wait()
            if self._up:
                with self.log.open("ab") as log:
                    self.process = subprocess.Popen(
                        self._script("start.sh"), env=self._environment, stderr=log, stdout=log
                    )

    def stop(self) -> None:
        self._up = False
        super().stop()

    def crash(self) -> None:
        """End it as a node does that loses its power; it starts again."""
        assert self.process
        self.process.kill()
        self.wait_served()

    def wait_served(self) -> None:
        deadline = time.monotonic() + 60
        while subprocess.run([*self.client, "-e", "SELECT 1"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


class Lab:
    """The database, its store, and what a restore's pod is told."""

    def __init__(self, root: Path, s3: S3) -> None:
        self.database = Restarted(root / "pod")
        self.bucket = s3.data / f"restores-{root.name}"[:60].replace("_", "-").lower()
        self.bucket.mkdir()
        self.work = root / "work"
        self.work.mkdir()
        (root / "access").write_text(s3.access_key)
        (root / "secret").write_text(s3.secret_key)
        self.environment = {
            "FWB_DB_HOST": self.database.host,
            "FWB_DB_PORT": "3307",
            "FWB_DB_NAME": NAME,
            "FWB_DB_USER": "filewallball_backup",
            "FWB_DB_PASSWORD_FILE": str(self.database.root / "secrets/mariadb-credentials/backup-password"),
            "FWB_DB_VOLUME": str(self.database.volume),
            "FWB_STORE_ENDPOINT": s3.endpoint,
            "FWB_STORE_BUCKET": self.bucket.name,
            "FWB_STORE_PREFIX": "",
            "FWB_STORE_REGION": "us-east-1",
            "FWB_STORE_ACCESS_KEY_FILE": str(root / "access"),
            "FWB_STORE_SECRET_KEY_FILE": str(root / "secret"),
            "FWB_WORK_DIR": str(self.work),
        }

    def settings(self) -> settings.Settings:
        return settings.from_environment(self.environment)

    def store(self) -> Store:
        return Store(self.settings().backup.store)

    def back_up(self) -> str:
        """A backup's name."""
        return backup_job.run(self.settings().backup, Log(lambda _: None)).name

    def restore(
        self,
        name: str | None = None,
        hears: Callable[[str], object] = len,
        tables: Collection[str] = (),
        **wanted: Any,
    ) -> list[str]:
        """Restore in this process; what it said, each line of which `hears` gets. Raises UserError."""
        said: list[str] = []

        def write(line: str) -> None:
            said.append(line)
            hears(line)

        swap.run(self.settings(), Log(write), Wanted(name, **wanted), tables)
        return said

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The pod's command, in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "filewallball.recovery", *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, **self.environment, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip

    def killed_after(self, step: str, *words: str) -> list[str]:
        """Run a restore, and kill it with all that it started when it has said a line with `step` in it."""
        process = self.start(*words)
        assert process.stdout
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if step in line:
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL, "".join(said)
        with suppress(FileNotFoundError):  # as if a minute had passed
            os.utime(self.database.volume / "restoring" / "alive", (0, 0))
        return said

    def admin(self, *statements: str, database: str = NAME) -> list[tuple[Any, ...]]:
        """As the server's administrator; the last statement's rows."""
        rows: list[tuple[Any, ...]] = []
        socket = str(self.database.root / "run/mysqld/mysqld.sock")
        with pymysql.connect(
            unix_socket=socket, user=ACCOUNT, charset="utf8mb4", autocommit=True, database=database
        ) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def app(self, statement: str) -> list[tuple[Any, ...]]:
        """As the application; the rows. Raises the driver's errors."""
        with pymysql.connect(
            host=self.database.host, user="filewallball_app", password="pw of app",
            database=NAME, charset="utf8mb4", autocommit=True,
        ) as connection:  # fmt: skip
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())

    def wait_writable(self) -> None:
        deadline = time.monotonic() + 30
        while not self._writable():
            assert time.monotonic() < deadline, self.database.log.read_text()
            time.sleep(0.1)

    def _writable(self) -> bool:
        try:
            return self.admin("SELECT @@read_only", database="mysql") == [(0,)]
        except pymysql.OperationalError:  # it is just restarting
            return False

    def wait_unhelped(self) -> None:
        """The server's pod sees a moment later that a restore has ended, and removes the user made for it."""
        deadline = time.monotonic() + 30
        users = "SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'filewallball_restore'"
        while self.admin(users) != [(0,)]:
            assert time.monotonic() < deadline, "the restore's user is still there"
            time.sleep(0.1)

    def leftovers(self) -> list[str]:
        """What a restore has left on the volume and in its work directory."""
        known = {"data", "server-version", "time-zones", "restore.lock", ".filewallball-backup.lock"}
        return sorted(
            {path.name for folder in (self.database.volume, self.work) for path in folder.iterdir()} - known
        )


@contextmanager
def unsaved(lab: Lab, *, end: bool = False) -> Iterator[None]:
    """Restores make no safety backup, and one at their `end` only if that is the point."""
    real = backup_job.run

    def run(*arguments: Any, before_restore: str = "") -> Any:
        if end and not before_restore:
            return real(*arguments)
        return next(entry.manifest for entry in catalogue.entries(lab.store()) if entry.manifest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup_job, "run", run)
        yield


@contextmanager
def running(root: Path, s3: S3) -> Iterator[Lab]:
    """The lab with its server up."""
    lab = Lab(root, s3)
    lab.database.start()
    try:
        yield lab
    finally:
        lab.database.stop()
