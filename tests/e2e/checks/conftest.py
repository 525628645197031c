"""Real servers on loopback ports, in temporary directories, for the checks to find fault with."""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
import redis
from faulty_proxy import Proxy
from local_program import binary, free_port, program
from redis.backoff import NoBackoff
from redis.retry import Retry

from facts.checks import Section
from facts.checks.mariadb import MariadbTarget
from facts.checks.redis import RedisTarget
from filewallball.checks import runner
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import Result
from filewallball.checks.suites import ALL

ONCE = Retry(NoBackoff(), 0)
CHECKS_RULES = (
    "resetchannels -@all ~fwb:check:* +ping +hello +auth +select +info +dbsize +config|get +client|list "
    "+client|setname +client|id +client|getname +set +get +del +unlink +exists +ttl +pttl "
    "+scan +touch +object|idletime +object|freq +memory|usage +latency"
)
BASE_CONF = """
# what the dev stack declares, in short
maxmemory 256mb
maxmemory-policy allkeys-lru
save ""
appendonly no
"""
APP_GRANTS = r"ALL PRIVILEGES ON `filewallball\_db`.*"
MONITOR_GRANTS = "PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.*"


@dataclass(frozen=True)
class RedisServer:
    """A server, and `root`, a client that may do everything."""

    target: RedisTarget
    root: Any


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """`redis_server(conf, rules=…, live=…)` starts a server. `live` is what it runs with, if another file."""
    with ExitStack() as stack:

        def start(
            conf: str = BASE_CONF, *, rules: str = CHECKS_RULES, live: str | None = None
        ) -> RedisServer:
            folder = tmp_path / f"redis-{secrets.token_hex(3)}"
            folder.mkdir()
            port, password = free_port(), secrets.token_urlsafe(12)
            (folder / "redis.conf").write_text(conf)
            (folder / "password").write_text(password + "\n")
            (folder / "live.conf").write_text(
                f"{conf if live is None else live}\nport {port}\nbind 127.0.0.1\ndir {folder}\n"
                f"user default off\nuser root on nopass ~* &* +@all\nuser checks on >{password} {rules}\n"
            )
            root: Any = redis.Redis(
                port=port, username="root", password="-", decode_responses=True, protocol=2, retry=ONCE
            )
            # redis-tools brings the server under another name, and no service; it is what it is called as
            (folder / "redis-server").symlink_to(binary("redis-check-rdb"))
            command = [str(folder / "redis-server"), str(folder / "live.conf")]
            server = program(command, folder, root.ping)
            stack.enter_context(server)
            stack.callback(root.close)
            target = RedisTarget(
                host="127.0.0.1",
                password_file=str(folder / "password"),
                port=port,
                conf=str(folder / "redis.conf"),
            )
            return RedisServer(target, root)

        yield start


@dataclass(frozen=True)
class MariadbServer:
    """A server, and `root`, a connection that may do everything."""

    target: MariadbTarget
    root: Any

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        with self.root.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows


@pytest.fixture(scope="session")
def mariadb_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariadbServer]:
    folder = tmp_path_factory.mktemp("mariadb")
    data, server_socket = folder / "data", folder / "socket"
    subprocess.run(
        [binary("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"],
        check=True,
        capture_output=True,
        # A server that starts clears its tmpdir, also of what another one has there.
        env={**os.environ, "TMPDIR": str(folder)},
    )
    for name in ("app", "monitor"):
        (folder / name).write_text(f"{name}-secret")

    def connect() -> Any:
        return pymysql.connect(unix_socket=str(server_socket), user="root", autocommit=True)

    port = free_port()
    arguments = [
        binary("mariadbd"),
        "--no-defaults",
        "--user=root",
        f"--datadir={data}",
        f"--tmpdir={folder}",
        f"--socket={server_socket}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_unicode_ci",
        "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=8M",
        "--log-bin=bin",
        f"--pid-file={folder}/pid",
    ]
    with program(arguments, folder, lambda: connect().close()):
        target = MariadbTarget(
            host="127.0.0.1",
            port=port,
            database="filewallball_db",
            app_user="filewallball_app",
            app_password_file=str(folder / "app"),
            monitor_user="filewallball_monitor",
            monitor_password_file=str(folder / "monitor"),
        )
        with closing(connect()) as root:
            yield MariadbServer(target, root)


@pytest.fixture
def mariadb_server(mariadb_process: MariadbServer) -> MariadbServer:
    """A server as the program sets it up; what a test changes in users and schema is undone by the next."""
    server = mariadb_process
    server.run(
        "SET GLOBAL character_set_server = utf8mb4",
        "SET GLOBAL collation_server = utf8mb4_unicode_ci",
        "SET GLOBAL default_storage_engine = InnoDB",
        "SET GLOBAL tx_isolation = 'REPEATABLE-READ'",
        "SET GLOBAL event_scheduler = ON",
        "SET GLOBAL log_bin_trust_function_creators = ON",
        "DROP DATABASE IF EXISTS filewallball_db",
        "CREATE DATABASE filewallball_db",
        "DROP USER IF EXISTS filewallball_app, filewallball_monitor",
        "CREATE USER filewallball_app IDENTIFIED BY 'app-secret'",
        "CREATE USER filewallball_monitor IDENTIFIED BY 'monitor-secret'",
        f"GRANT {APP_GRANTS} TO filewallball_app",
        f"GRANT {MONITOR_GRANTS} TO filewallball_monitor",
    )
    return server


Check = Callable[..., Result]


@pytest.fixture
def check() -> Check:
    """`check(name, redis=…, mariadb=…, disposable=…)`: run one check as the pod does."""

    def run(name: str, *, disposable: bool = True, **targets: Section) -> Result:
        [chosen] = runner.select(ALL, [name], quick=False, deep=False)
        config = ChecksConfig("filewallball", disposable, tuple(targets.values()))
        [result] = runner.run([chosen], config, named=[name])
        return result

    return run


@pytest.fixture
def proxy() -> Iterator[Callable[..., Any]]:
    """`proxy(target, changes, delay=…, every=…)`: the same target, reached through a faulty path."""
    running: list[Proxy] = []

    def start(target: Any, changes: Any = (), *, delay: float = 0, every: int = 1) -> Any:
        running.append(Proxy(target.port, list(changes), delay, every))
        return replace(target, port=running[-1].port)

    yield start
    for one in running:
        one.close()


@pytest.fixture
def background() -> Iterator[Callable[[Callable[[], object]], None]]:
    """`background(action)`: another client, which repeats the action until the test is over."""
    over, threads = threading.Event(), list[threading.Thread]()

    def start(action: Callable[[], object]) -> None:
        def repeat() -> None:
            while not over.wait(0.01):
                action()

        threads.append(threading.Thread(target=repeat))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()
