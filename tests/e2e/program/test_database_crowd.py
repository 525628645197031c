"""More connections than the database takes: whoever is the product's own gets in by the reserve."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import Any

import pymysql
import pytest
from crowd import crowd
from local_set import wait_for
from mariadb_pod import ENVIRONMENT, Database

from facts.checks.mariadb import MariadbTarget
from filewallball.checks import runner
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import Result
from filewallball.checks.suites import mariadb

PORT, RESERVED_PORT = 3306, 3307
SHARE = int(ENVIRONMENT["FWB_MAX_CONNECTIONS"])


def connect(database: Database, port: int, user: str = "app") -> pymysql.Connection[Any]:
    return pymysql.connect(
        host=database.host,
        port=port,
        user=f"filewallball_{user}",
        password=f"pw of {user}",
        connect_timeout=10,
    )


def connected(database: Database) -> str:
    return database.sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'")[0]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, str]]:
    """One server for all tests here, and how many are connected to it when nobody is."""
    made = Database(tmp_path_factory.mktemp("db"))
    try:
        made.start()
        yield made, connected(made)
    finally:
        made.stop()


@pytest.fixture
def database(running: tuple[Database, str]) -> Database:
    """The server, once it has noticed that the connections of the test before are closed."""
    found, alone = running

    def is_alone() -> bool:
        with suppress(subprocess.CalledProcessError):
            return connected(found) == alone
        return False

    wait_for(is_alone, 20, lambda: "connections of the test before")
    return found


@pytest.fixture
def full(database: Database) -> Iterator[Database]:
    """A database to which applications have all the connections that they may have."""
    with ExitStack() as held:
        for _ in range(SHARE):
            held.enter_context(closing(connect(database, PORT)))
        with pytest.raises(pymysql.OperationalError, match="Too many connections"):
            connect(database, PORT)
        yield database


def check(database: Database, **changes: Any) -> Result:
    """`mariadb-connections` against this server."""
    folder = database.root / "secrets/mariadb-credentials"
    target = MariadbTarget(
        host=database.host, port=RESERVED_PORT, database="filewallball_db",
        app_user="filewallball_app", app_password_file=str(folder / "app-password"),
        monitor_user="filewallball_monitor", monitor_password_file=str(folder / "monitor-password"),
        max_connections=SHARE,
    )  # fmt: skip
    [chosen] = [one for one in mariadb.CHECKS if one.name == "mariadb-connections"]

    config = ChecksConfig("filewallball", True, (replace(target, **changes),))
    return runner.run_one(chosen, config)


def test_a_full_database_is_alive_and_ready_and_its_reserve_is_open(full: Database) -> None:
    for _ in range(5):
        assert full.ready()[1] == ""
        assert full.ready("alive") == (True, "")
    for user in ("app", "backup", "monitor"):
        with closing(connect(full, RESERVED_PORT, user)) as connection:
            connection.ping(reconnect=False)
    result = check(full)
    assert result.status == "warning"
    assert f"{SHARE} of {SHARE} connections in use" in result.observed
    assert "raise filewallball:mariadb.maxConnections" in result.hint


def test_clients_that_never_log_in_leave_the_reserve_alone(database: Database) -> None:
    with crowd(database.host, PORT, most=SHARE * 2) as nameless:
        assert nameless.opened >= SHARE
        for _ in range(5):
            assert database.ready() == (True, "")
        with closing(connect(database, RESERVED_PORT, "backup")):
            pass


def test_a_full_reserve_is_no_reason_to_restart(full: Database) -> None:
    with ExitStack() as held:
        for _ in range(int(ENVIRONMENT["FWB_RESERVED_CONNECTIONS"]) + 3):
            one = held.enter_context(socket.create_connection((full.host, RESERVED_PORT), timeout=10))
            one.recv(200)
        assert full.ready()[1] == ""
        assert full.ready("alive") == (True, "")


def test_connections_that_run_out_are_told_before(database: Database) -> None:
    assert check(database).status == "ok"
    with ExitStack() as held:
        for _ in range(SHARE * 8 // 10 - 1):
            held.enter_context(closing(connect(database, PORT)))
        assert check(database).status == "ok"
        held.enter_context(closing(connect(database, PORT)))
        assert check(database).status == "warning"


def test_a_limit_that_is_not_the_declared_one_fails(database: Database) -> None:
    result = check(database, max_connections=SHARE + 1)
    assert result.status == "failed"
    assert f"max_connections is {SHARE}" in result.observed
