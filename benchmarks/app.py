"""The sample application beside its limits: a crowd that pauses, single calls, and files of one gigabyte.

MariaDB (as durable as in the stack), two Redis, an S3 store and three servers of the application as in the
stack, all on loopback ports of this machine, which also makes the load. Single calls go to one of the three.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import redis

from benchmarks import app_load, backup
from benchmarks.app_load import Person
from benchmarks.measure import Result
from filewallball.app import migrate, settings
from filewallball.app.sessions import Sessions
from filewallball.drill.load.web.mix import FILE_BYTES, UPLOAD_BYTES, mixed
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import binaries

DATABASE, BUCKET = "filewallball_db", "files"
SERVERS = 3
USERS = 1000
SECONDS = 60.0
PAUSE_SECONDS = 5.0
START_SECONDS = 60.0
LARGE_BYTES = 10**9
MIXED = 2000
"""Requests of the balancer's drill."""
PASSWORD = "bench"  # noqa: S105 - of servers on loopback ports that live for minutes


class Bench:
    """The servers, for as long as a block runs."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.cache, self.sessions, self.store, *ports = app_load.free_ports(3 + 2 * SERVERS)
        self.sites, self.admins = ports[:SERVERS], ports[SERVERS:]
        self.site = self.sites[0]
        (work / "password").write_text(PASSWORD, encoding="utf-8")
        self.people: list[Person] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def environment(self, database: int, server: int = 0) -> dict[str, str]:
        """What a server of the application is told."""
        password = str(self.work / "password")
        return {
            "APP_NAME": f"app-{server}",
            "APP_SITE_PORT": str(self.sites[server]),
            "APP_ADMIN_PORT": str(self.admins[server]),
            "APP_DATABASE_HOST": "127.0.0.1",
            "APP_DATABASE_PORT": str(database),
            "APP_DATABASE_NAME": DATABASE,
            "APP_DATABASE_USER": "app",
            "APP_DATABASE_PASSWORD_FILE": password,
            "APP_CACHE_URL": f"redis://127.0.0.1:{self.cache}/0",
            "APP_SESSIONS_URL": f"redis://127.0.0.1:{self.sessions}/0",
            "APP_FILES_ENDPOINT": f"http://127.0.0.1:{self.store}",
            "APP_FILES_BUCKET": BUCKET,
            "APP_FILES_KEY_ID_FILE": password,
            "APP_FILES_SECRET_KEY_FILE": password,
            "APP_SECURE_COOKIE": "0",
            "APP_LOG_LEVEL": "INFO",
        }

    @contextmanager
    def running(self, users: int) -> Generator[None]:
        with ExitStack() as stack:
            database = stack.enter_context(backup.server(self.work))
            for port in (self.cache, self.sessions):
                stack.enter_context(self._redis(port))
            stack.enter_context(self._store())
            database.sql(
                f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4; "
                f"CREATE USER app@127.0.0.1 IDENTIFIED BY '{PASSWORD}'; "
                f"GRANT ALL ON {DATABASE}.* TO app@127.0.0.1"
            )
            given = self.environment(database.port)
            migrate.upgrade(settings.database(given), print)
            self._fill(database, users)
            asyncio.run(self._log_in(settings.from_environment(given)))
            for server in range(SERVERS):
                given = self.environment(database.port, server)
                log = stack.enter_context((self.work / f"app-{server}.log").open("wb"))
                words = [sys.executable, "-m", "filewallball.app", "serve"]
                process = subprocess.Popen(words, env={**os.environ, **given}, stdout=log, stderr=log)
                stack.callback(_end, process)
                self.processes.append(process)
            for port in self.sites:
                app_load.wait_until(lambda port=port: app_load.status(port, "/readyz") == 200, START_SECONDS)
            yield

    def forget(self, file: str) -> None:
        """Take a file's metadata out of the cache."""
        redis.Redis(port=self.cache).delete(f"file:meta:{file}")

    def memory(self, name: str) -> float:
        """MiB of the first server: `VmRSS` now, `VmHWM` at the most."""
        status = Path(f"/proc/{self.processes[0].pid}/status").read_text(encoding="utf-8")
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def processor(self) -> float:
        """Milliseconds of a processor that the first server has taken."""
        fields = (
            Path(f"/proc/{self.processes[0].pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        )
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _fill(self, database: backup.Server, users: int) -> None:
        """Users who can't log in, since they are logged in by hand; each has some files and a post."""
        people = ", ".join(f"({n}, '{n}@example.test', 'x', 'user {n}')" for n in range(1, users + 1))
        fill(database, "users", "id, email, password_hash, name", people)
        ids = {n: [_uuid() for _ in range(5)] for n in range(1, users + 1)}
        rows = ", ".join(
            f"('{file}', {n}, 'ready', 'report {k}.pdf', 'application/pdf', 1000, 'x', {k == 0})"
            for n, files in ids.items()
            for k, file in enumerate(files)
        )
        fill(database, "files", "id, owner_id, state, name, type, size, sha256, shared", rows)
        posts = ", ".join(f"('post {n}', 'text', {n})" for n in range(1, users + 1))
        fill(database, "posts", "title, content, author_id", posts)
        self.people = [Person(n, files) for n, files in ids.items()]

    async def _log_in(self, given: settings.Settings) -> None:
        """A password's hash would take a minute for all of them."""
        sessions = Sessions(given.sessions)
        for person in self.people:
            user = {"id": person.id, "email": f"{person.id}@example.test", "name": "user", "role": "member"}
            session, cookie = await sessions.start(user, "127.0.0.1", "benchmark")
            person.cookie, person.csrf = f"session={cookie}", session.csrf
        await sessions.close()

    @contextmanager
    def _redis(self, port: int) -> Generator[None]:
        found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
        if not found:
            raise SystemExit("redis-server is missing: install the package redis-server or redis-tools")
        folder = self.work / f"redis-{port}"
        folder.mkdir()
        (folder / "redis-server").symlink_to(found)
        words = [str(folder / "redis-server"), "--port", str(port), "--save", "", "--dir", str(folder)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            app_load.wait_until(lambda: app_load.listens(port), START_SECONDS)
            yield
        finally:
            _end(process)

    @contextmanager
    def _store(self) -> Generator[None]:
        (self.work / "store" / BUCKET).mkdir(parents=True)
        words = [str(binaries(Progress())["versitygw"]), "--port", f"127.0.0.1:{self.store}", "posix"]
        keys = {"ROOT_ACCESS_KEY": PASSWORD, "ROOT_SECRET_KEY": PASSWORD}
        process = subprocess.Popen(
            [*words, str(self.work / "store")], env={**os.environ, **keys}, stdout=subprocess.DEVNULL
        )
        try:
            app_load.wait_until(lambda: app_load.listens(self.store), START_SECONDS)
            yield
        finally:
            _end(process)


def fill(database: backup.Server, table: str, columns: str, rows: str) -> None:
    """Write rows, which may be more than a command line takes."""
    file = database.work / f"{table}.sql"
    file.write_text(f"INSERT INTO {table} ({columns}) VALUES {rows};\n", encoding="utf-8")  # noqa: S608 - ours
    database.sql(f"SOURCE {file}", DATABASE)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _uuid() -> str:
    found = secrets.token_hex(16)
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"


def measure(scale: float = 1.0) -> list[Result]:
    """All figures. `scale`: part of the users, the time and the large file."""
    users = max(10, int(USERS * scale))
    with TemporaryDirectory(prefix="fwb-bench-") as folder:
        bench = Bench(Path(folder))
        with bench.running(users):
            start = Result("processor time of a start", "ms", [bench.processor()], None)
            results = [start, *asyncio.run(_mixed(bench, int(MIXED * scale))), *asyncio.run(_calls(bench))]
            times = asyncio.run(app_load.crowd(bench.sites, bench.people, SECONDS * scale, PAUSE_SECONDS))
            failed = times.pop("failed", [])
            who = f"{users} users who pause {PAUSE_SECONDS:g} s"
            for name, found in sorted(times.items()):
                about = f"p99 of {name}, {who} ({len(found)} calls)"
                results.append(Result(about, "ms", [app_load.quantile(found, 0.99)], 100.0))
            results.append(Result("calls that failed in the crowd", "calls", [float(len(failed))], 0.0))
            results += asyncio.run(_large(bench, int(LARGE_BYTES * scale)))
    return results


async def _mixed(bench: Bench, count: int) -> list[Result]:
    """What a request of the balancer's drill takes of a processor in the server."""
    async with app_load.Connection(bench.site, bench.people[0]) as connection:
        file = await connection.upload("/api/v1/files?name=drill", FILE_BYTES)
        before = bench.processor()
        for kind in islice(mixed(), count):
            path = kind.path.replace("{file}", file)
            if kind.method == "POST":
                await connection.upload(path, UPLOAD_BYTES)
            else:
                await connection.call(kind.method, path)
    taken = (bench.processor() - before) / count
    return [Result("processor time of a request, of those of the balancer's drill", "ms", [taken], None)]


async def _calls(bench: Bench) -> list[Result]:
    """One caller, one call after the other."""
    person = bench.people[0]
    path = f"/api/v1/files/{person.files[0]}"
    async with app_load.Connection(bench.site, person) as connection:
        cached = [await connection.timed("GET", path) for _ in range(2000)][100:]
        uncached: list[float] = []
        for _ in range(500):
            bench.forget(person.files[0])
            uncached.append(await connection.timed("GET", path))
    return [
        Result("metadata of a file, cached, p99", "ms", [app_load.quantile(cached, 0.99)], 10.0),
        Result("metadata of a file, cached, median", "ms", [app_load.quantile(cached, 0.5)], 10.0),
        Result("metadata of a file, not cached, p99", "ms", [app_load.quantile(uncached, 0.99)], 50.0),
    ]


async def _large(bench: Bench, size: int) -> list[Result]:
    """A large file up and down: what the server's memory grows by at the most."""
    person = bench.people[0]
    before = bench.memory("VmRSS")
    async with app_load.Connection(bench.site, person) as connection:
        started = time.perf_counter()
        file = await connection.upload("/api/v1/files?name=large", size)
        up = time.perf_counter() - started
        started = time.perf_counter()
        received = await connection.download(f"/api/v1/files/{file}/content")
        down = time.perf_counter() - started
    if received != size:
        raise SystemExit(f"{received} bytes of {size} came back.")
    megabytes = size / 1e6
    grown = max(0.0, bench.memory("VmHWM") - before)
    return [
        Result(f"upload of {megabytes:.0f} MB", "s", [up], None),
        Result(f"download of {megabytes:.0f} MB", "s", [down], None),
        Result("what the server's memory grows by meanwhile", "MiB", [grown], 64.0),
    ]
