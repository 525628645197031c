"""The application as plain processes, with real servers behind it: MariaDB, two Redis, an S3 store."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pymysql
import redis
from local_program import binary, free_port
from made_certificates import Certificates
from s3_gateway import S3, gateway

START_SECONDS = 90
PASSWORD = "correct horse battery"
DATABASE = "filewallball_db"
BUCKET = "files"
T = TypeVar("T")


def _stopped(thread: Path) -> bool:
    """Whether a thread has come to a halt, or to its end."""
    try:
        return (thread / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "TtZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Process:
    """A server that tests end, freeze and start again."""

    def __init__(self, command: list[str], log: Path, answers: Callable[[], Any], **environment: str) -> None:
        self._command, self._log, self._answers = command, log, answers
        self._environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.begin()
        self.wait()

    def begin(self) -> None:
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command, stdout=out, stderr=subprocess.STDOUT, env=self._environment
            )

    def wait(self) -> None:
        """Until it answers."""
        assert self.process
        deadline = time.monotonic() + START_SECONDS
        while (error := self._silence()) is not None:
            text = self._log.read_text(encoding="utf-8", errors="replace")[-3000:]
            assert self.process.poll() is None, text
            assert time.monotonic() < deadline, f"{error}\n{text}"
            time.sleep(0.02)

    def _silence(self) -> Exception | None:
        """Why it doesn't answer."""
        try:
            self._answers()
        except (OSError, redis.RedisError, pymysql.MySQLError, httpx.HTTPError) as error:
            return error
        return None

    def send(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            # One thread takes the signal and stops the others: until then these go on answering.
            threads = Path(f"/proc/{self.process.pid}/task")
            deadline = time.monotonic() + START_SECONDS
            while not all(_stopped(each) for each in threads.iterdir()):
                assert time.monotonic() < deadline, "it doesn't stop"
                time.sleep(0.005)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.send_signal(number)
            self.process.wait(30)
            self.process = None


class App(Process):
    """One server of the application."""

    def __init__(self, lab: Lab, name: str, **changes: str) -> None:
        self.site_port, self.admin_port = free_port(), free_port()
        self.site, self.admin = f"http://127.0.0.1:{self.site_port}", f"http://127.0.0.1:{self.admin_port}"
        self.name, self.log = name, lab.folder / f"{name}.log"
        own = {
            "APP_NAME": name,
            "APP_SITE_PORT": str(self.site_port),
            "APP_ADMIN_PORT": str(self.admin_port),
        }
        super().__init__(
            [sys.executable, "-m", "filewallball.app", "serve"],
            self.log,
            lambda: httpx.get(f"{self.site}/readyz", timeout=5).raise_for_status(),
            **{**lab.environment(), **own, **changes},
        )

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


class Lab:
    """Everything is started by start(), and ended by close()."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.apps: list[App] = []
        for name in ("database", "cache", "sessions"):
            (folder / name).mkdir()
            (folder / f"{name}-password").write_text(secrets.token_urlsafe(12) + "\n")
        self.database_port = free_port()
        self.database = self._mariadb()
        self.cache, self.cache_port = self._redis("cache")
        self.sessions, self.sessions_port = self._redis("sessions")
        self.store: S3

    def start(self) -> None:
        (self.folder / "s3").mkdir()
        self.store = self._stack.enter_context(gateway(self.folder / "s3"))
        (self.store.data / BUCKET).mkdir()
        (self.folder / "key-id").write_text(self.store.access_key)
        (self.folder / "secret-key").write_text(self.store.secret_key)
        for each in (self.database, self.cache, self.sessions):
            each.begin()
        for each in (self.database, self.cache, self.sessions):
            each.wait()
        self.sql(
            f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4",
            f"CREATE USER app@127.0.0.1 IDENTIFIED BY '{self.password('database')}'",
            f"GRANT ALL ON {DATABASE}.* TO app@127.0.0.1",
        )
        self.run("migrate")

    def close(self) -> None:
        for each in (*self.apps, self.database, self.cache, self.sessions):
            each.stop()
        self._stack.close()

    def app(self, name: str = "app-0", **changes: str) -> App:
        """One more server."""
        made = App(self, name, **changes)
        self.apps.append(made)
        made.start()
        return made

    def run(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """A command of the application, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "filewallball.app", *words],
            env={**self.variables(), **changes},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def password(self, name: str) -> str:
        return (self.folder / f"{name}-password").read_text().strip()

    def variables(self) -> dict[str, str]:
        return {**os.environ, **self.environment()}

    def environment(self) -> dict[str, str]:
        return {
            "APP_DATABASE_HOST": "127.0.0.1",
            "APP_DATABASE_PORT": str(self.database_port),
            "APP_DATABASE_NAME": DATABASE,
            "APP_DATABASE_USER": "app",
            "APP_DATABASE_PASSWORD_FILE": str(self.folder / "database-password"),
            "APP_CACHE_URL": f"redis://127.0.0.1:{self.cache_port}/0",
            "APP_CACHE_PASSWORD_FILE": str(self.folder / "cache-password"),
            "APP_SESSIONS_URL": f"redis://127.0.0.1:{self.sessions_port}/0",
            "APP_SESSIONS_PASSWORD_FILE": str(self.folder / "sessions-password"),
            "APP_FILES_ENDPOINT": self.store.endpoint,
            "APP_FILES_BUCKET": BUCKET,
            "APP_FILES_KEY_ID_FILE": str(self.folder / "key-id"),
            "APP_FILES_SECRET_KEY_FILE": str(self.folder / "secret-key"),
            "APP_MAX_UPLOAD_BYTES": str(100 * 2**20),
            "APP_SECURE_COOKIE": "0",
            "APP_DRAIN_SECONDS": "1",
        }

    def connect(self) -> pymysql.Connection[Any]:
        socket = str(self.folder / "database/socket")
        return pymysql.connect(unix_socket=socket, user="root", charset="utf8mb4", autocommit=True)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """As an administrator; the last statement's rows."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def rows(self) -> dict[str, str]:
        """The files' states by their ids."""
        return dict(self.sql(f"SELECT id, state FROM {DATABASE}.files"))  # type: ignore[arg-type] # noqa: S608

    def until(self, condition: Callable[[], T]) -> T:
        """What it gives as soon as that is true."""
        deadline = time.monotonic() + START_SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, f"still {found!r}"
            time.sleep(0.05)
        return found

    def objects(self) -> list[str]:
        """Files in the store."""
        return sorted(path.name for path in (self.store.data / BUCKET).iterdir() if path.is_file())

    def redis(self, name: str) -> Any:
        port = self.cache_port if name == "cache" else self.sessions_port
        return redis.Redis(port=port, password=self.password(name), decode_responses=True)

    def _redis(self, name: str) -> tuple[Process, int]:
        port, folder = free_port(), self.folder / name
        # redis-tools brings the server under another name, and no service; it is what it is called as
        (folder / "redis-server").symlink_to(binary("redis-check-rdb"))
        command = [str(folder / "redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--requirepass", self.password(name), "--dir", str(folder)]
        client = redis.Redis(port=port, password=self.password(name))
        return Process(command, folder / "log", client.ping), port

    def _mariadb(self) -> Process:
        folder = self.folder / "database"
        install = [
            "mariadb-install-db",
            "--no-defaults",
            "--force",
            f"--datadir={folder}/data",
            "--user=root",
        ]
        install += ["--skip-test-db", "--auth-root-authentication-method=normal"]
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
        environment = {**os.environ, "PATH": path, "TMPDIR": str(folder)}
        subprocess.run(install, check=True, capture_output=True, env=environment)
        tls = folder / "tls"
        tls.mkdir()
        Certificates().write(tls, "127.0.0.1")
        command = [
            *(binary("mariadbd"), "--no-defaults", "--user=root", f"--datadir={folder}/data"),
            *(f"--ssl-cert={tls}/tls.crt", f"--ssl-key={tls}/tls.key"),
            *(f"--tmpdir={folder}", f"--socket={folder}/socket", f"--port={self.database_port}"),
            *("--bind-address=127.0.0.1", f"--pid-file={folder}/pid", "--innodb-buffer-pool-size=32M"),
            *("--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"),
        ]
        return Process(command, folder / "log", lambda: self.connect().close())


class Visitor(httpx.Client):
    """A browser without JavaScript, or a client of the API: it keeps cookies, and the token for changes."""

    def __init__(self, base: str, **options: Any) -> None:
        super().__init__(base_url=base, timeout=30, **options)
        self.email = f"{secrets.token_hex(6)}@example.test"
        self.user: dict[str, Any] = {}

    def sign_up(self, name: str = "홍길동") -> Visitor:
        body = {"email": self.email, "name": name, "password": PASSWORD}
        return self._take(self.post("/api/v1/users", json=body))

    def log_in(self, email: str = "", password: str = PASSWORD) -> Visitor:
        return self._take(
            self.post("/api/v1/session", json={"email": email or self.email, "password": password})
        )

    def _take(self, answer: httpx.Response) -> Visitor:
        assert answer.is_success, answer.text
        self.user = answer.json()["user"]
        self.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return self

    def upload(
        self, data: bytes, name: str = "a.txt", kind: str = "text/plain", **query: str
    ) -> dict[str, Any]:
        headers = {"Content-Type": kind}
        answer = self.post("/api/v1/files", params={"name": name, **query}, content=data, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()
