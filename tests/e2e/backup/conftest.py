"""A real MariaDB and a real S3 store as processes on loopback ports, and the backup job run against them."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
from local_program import free_port, program
from s3_gateway import S3, Recorded, gateway, recording

from filewallball.backup import failures, settings
from filewallball.backup import job as backup_job
from filewallball.backup.job import Proof
from filewallball.backup.snapshot import Snapshot
from filewallball.backup.store import Store

ZONE_TABLES = tuple(
    f"time_zone{part}" for part in ("", "_leap_second", "_name", "_transition", "_transition_type")
)
# With what a shell, an option file or SQL could trip over.
PASSWORD = "p\"w'\\d #1 $(x) 한"
GRANTS = (
    "GRANT RELOAD ON *.* TO {user}",
    "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE, LOCK TABLES ON {database}.* TO {user}",
    "GRANT SELECT ON mysql.proc TO {user}",
    *(f"GRANT SELECT ON mysql.{table} TO {{user}}" for table in ZONE_TABLES),
)


@pytest.fixture(scope="session", autouse=True)
def _sbin_on_path() -> None:
    """mariadbd lies in /usr/sbin, which is not on everybody's PATH."""
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin"
    for name in ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump"):
        assert shutil.which(name), f"{name} is missing: `make test` installs Debian's mariadb packages"


@pytest.fixture(scope="session", autouse=True)
def installed_once(_sbin_on_path: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder on PATH of what saves most of the time of a proof: see install_once.sh."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "mariadb-installed"
    folder.mkdir(exist_ok=True)
    program = folder / "mariadb-install-db"
    with suppress(FileExistsError):
        program.symlink_to(Path(__file__).with_name("install_once.sh"))
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    return str(folder)


@pytest.fixture
def install_anew(installed_once: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time as in a pod."""
    monkeypatch.setenv("PATH", os.environ["PATH"].removeprefix(f"{installed_once}:"))


@dataclass(frozen=True)
class Server:
    """The server that is backed up."""

    port: int
    socket: str

    def connect(self, database: str | None = None) -> pymysql.Connection[Any]:
        return pymysql.connect(
            unix_socket=self.socket, user="root", database=database, charset="utf8mb4", autocommit=True
        )

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Execute as an administrator; the last statement's rows."""
        rows: list[tuple[Any, ...]] = []
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def load(self, sql: bytes, database: str) -> None:
        """Feed SQL to the ordinary client, as an administrator would."""
        done = subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", "--binary-mode",
             "--comments", "--default-character-set=utf8mb4", database],
            input=sql, check=False, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-500:]


@contextmanager
def serving(folder: Path, *more: str) -> Generator[Server]:
    """A server with all of its files in `folder`; `more`: further options."""
    found = Server(free_port(), f"{folder}/socket")
    subprocess.run(
        # A server that starts clears its tmpdir, also of what another one has there.
        ["mariadb-install-db", "--no-defaults", "--force", f"--datadir={folder}/data", "--user=root",
         "--skip-test-db", "--auth-root-authentication-method=normal"],
        check=True, capture_output=True, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    arguments = [
        "mariadbd",
        "--no-defaults",
        "--user=root",
        f"--datadir={folder}/data",
        f"--tmpdir={folder}",
        f"--socket={found.socket}",
        f"--port={found.port}",
        "--bind-address=127.0.0.1",
        "--server-id=1",
        "--log-bin=bin",
        "--binlog-format=ROW",
        "--log-bin-trust-function-creators=ON",
        "--event-scheduler=ON",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
        "--innodb-buffer-pool-size=32M",
        "--innodb-log-file-size=16M",
        "--innodb-flush-log-at-trx-commit=0",
        f"--pid-file={folder}/pid",
        *more,
    ]
    with program(arguments, folder, lambda: found.connect().close()):
        zones = subprocess.run(
            ["mariadb-tzinfo-to-sql", "/usr/share/zoneinfo"], capture_output=True, check=True
        )
        found.load(zones.stdout, "mysql")
        yield found


@pytest.fixture(scope="session")
def server(installed_once: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("mariadb")) as found:
        yield found


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """What this process asks of the store in a test; an operation that no role allows fails it."""
    with recording(monkeypatch) as found:
        yield found


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with gateway(tmp_path_factory.mktemp("s3")) as found:
        yield found


class Job:
    """A database with its user, a bucket, a work directory, and the job that uses them."""

    def __init__(self, server: Server, s3: S3, folder: Path) -> None:
        mark = secrets.token_hex(4)
        self.server = server
        self.database = f"files_{mark}"
        self.user = f"backup_{mark}"
        self.bucket = s3.data / f"bucket-{mark}"
        self.work = folder / "work"
        self.bucket.mkdir()
        self.work.mkdir()
        secret = {"db": PASSWORD, "access": s3.access_key, "secret": s3.secret_key}
        for name, value in secret.items():
            (folder / name).write_text(value + "\n")
        self.environment = {
            "FWB_DB_HOST": "127.0.0.1",
            "FWB_DB_PORT": str(server.port),
            "FWB_DB_NAME": self.database,
            "FWB_DB_USER": self.user,
            "FWB_DB_PASSWORD_FILE": str(folder / "db"),
            "FWB_STORE_ENDPOINT": s3.endpoint,
            "FWB_STORE_BUCKET": self.bucket.name,
            "FWB_STORE_PREFIX": "stack/",
            "FWB_STORE_REGION": "us-east-1",
            "FWB_STORE_ACCESS_KEY_FILE": str(folder / "access"),
            "FWB_STORE_SECRET_KEY_FILE": str(folder / "secret"),
            "FWB_WORK_DIR": str(self.work),
        }
        self.sql(f"CREATE DATABASE {self.database}")
        quoted = pymysql.converters.escape_string(PASSWORD)
        self.sql(f"CREATE USER {self.user} IDENTIFIED BY '{quoted}'")
        self.sql(*(grant.format(user=self.user, database=self.database) for grant in GRANTS))

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        database = None if statements[0].startswith("CREATE DATABASE") else self.database
        return self.server.run(*statements, database=database)

    def settings(self, **changes: str) -> settings.Settings:
        return settings.from_environment({**self.environment, **changes})

    def store(self) -> Store:
        return Store(self.settings().store)

    def start(self, *command: str, **changes: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **self.environment, **changes}
        return subprocess.Popen(
            [sys.executable, "-m", "filewallball.backup", *(command or ["run"])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def run(self, *command: str, **changes: str) -> tuple[int, str]:
        """Exit code and all output of the job, as its pod would run it."""
        process = self.start(*command, **changes)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output

    def back_up(self, *, allow_empty: bool = False) -> None:
        """The same in this process, which saves its start. Raises UserError."""
        backup_job.run(replace(self.settings(), allow_empty=allow_empty), backup_job.Log(lambda _: None))

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End the job and all its children at once, as a node does that loses its power."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def objects(self) -> list[str]:
        """What the bucket holds under final names."""
        return sorted(item.key for item in self.store().list() if not failures.NAMING.time(item.key))

    def leftovers(self) -> list[str]:
        """What a backup left in the work directory."""
        return [path.name for path in self.work.iterdir() if path.name != ".filewallball-backup.lock"]

    def close(self) -> None:
        self.sql(f"DROP DATABASE {self.database}", f"DROP USER {self.user}")
        shutil.rmtree(self.bucket)


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dumped in this process counts as proven: for tests of what comes before and after the proof."""

    def believe(_settings: Any, _work: Any, _server: Any, taken: Snapshot, _log: Any) -> Proof:
        return Proof(taken.inventory)

    monkeypatch.setattr(backup_job, "_verify", believe)


@pytest.fixture
def job(server: Server, s3: S3, tmp_path: Path) -> Iterator[Job]:
    with closing(Job(server, s3, tmp_path)) as found:
        yield found


@pytest.fixture
def job_on(installed_once: str, s3: S3, tmp_path: Path) -> Callable[..., AbstractContextManager[Job]]:
    """A job on a server of its own that is started with these options."""

    @contextmanager
    def found(*options: str) -> Generator[Job]:
        folder = tmp_path / "server"
        folder.mkdir()
        with serving(folder, *options) as server, closing(Job(server, s3, tmp_path)) as job:
            yield job

    return found
