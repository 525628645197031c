"""The database: transactions, speed and text, as the application's user sees them."""

# ruff: noqa: S608 (names of tables are made here; values are parameters)

from __future__ import annotations

import itertools
import unicodedata

import pymysql

from facts import mariadb
from facts.checks.mariadb import MariadbTarget
from filewallball.checks import latency
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites.mariadb_connections import connections
from filewallball.checks.suites.mariadb_persistence import persistence
from filewallball.checks.suites.mariadb_privileges import privileges
from filewallball.checks.suites.mariadb_session import connected, explain, query, tables
from filewallball.checks.suites.mariadb_zones import time_zones

ROWS = 500
READ_SAMPLES = 300
WRITE_SAMPLES = 100
TEXTS = (
    "보고서 최종본 (진짜 최종).hwp",
    "휴가 사진 🏖️📸.zip",
    unicodedata.normalize("NFD", "가나다.txt"),  # as macOS writes file names
    "𠮷野家 – 領収書 №1.pdf",
)


def transactions(config: ChecksConfig) -> str:
    """What is written is invisible until committed, there afterwards, and undone by a rollback."""
    target = config[MariadbTarget]
    with tables(config) as run:
        table = run.name("transactions")
        with (
            connected(target, autocommit=False) as writer,
            connected(target) as reader,
        ):
            query(writer, f"CREATE TABLE `{table}` (id INT PRIMARY KEY, state VARCHAR(20) NOT NULL)")
            engine = _engine(reader, table)
            query(writer, f"INSERT INTO `{table}` VALUES (1, 'new')")
            _expect(
                "another connection, before the commit,", _states(reader, table), [], engine, config.namespace
            )
            writer.commit()
            _expect(
                "another connection, after the commit,",
                _states(reader, table),
                ["new"],
                engine,
                config.namespace,
            )
            query(writer, f"UPDATE `{table}` SET state = 'changed' WHERE id = 1")
            _expect("the writer itself", _states(writer, table), ["changed"], engine, config.namespace)
            writer.rollback()
            _expect(
                "the writer, after its rollback,", _states(writer, table), ["new"], engine, config.namespace
            )
            writer.commit()
    return f"commit, isolation and rollback seen ({engine})"


def _engine(connection: pymysql.Connection[pymysql.cursors.Cursor], table: str) -> str:
    rows = query(
        connection,
        "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s",
        [table],
    )
    return str(rows[0][0])


def _states(connection: pymysql.Connection[pymysql.cursors.Cursor], table: str) -> list[str]:
    return [str(state) for (state,) in query(connection, f"SELECT state FROM `{table}`")]


def _expect(who: str, seen: list[str], expected: list[str], engine: str, namespace: str) -> None:
    if seen != expected:
        raise CheckFailed(
            f"{who} sees {seen} in a table of the engine {engine}",
            str(expected),
            "Somebody changed "
            f"{'transaction_isolation' if engine == 'InnoDB' else 'default_storage_engine'} by hand. "
            f"Run `fwb up`, which writes my.cnf anew, and then `kubectl -n {namespace} delete pod "
            f"{mariadb.NAME}-0`.",
        )


def speed(config: ChecksConfig) -> str:
    """How long an indexed read and a durable write of one row take."""
    target = config[MariadbTarget]
    with tables(config) as run, connected(target) as connection:
        table = run.name("latency")
        query(connection, f"CREATE TABLE `{table}` (id INT PRIMARY KEY, body VARCHAR(200) NOT NULL)")
        rows = ", ".join(f"({number}, REPEAT('x', 200))" for number in range(ROWS))
        query(connection, f"INSERT INTO `{table}` VALUES {rows}")
        numbers = itertools.count()

        def read() -> object:
            return query(connection, f"SELECT body FROM `{table}` WHERE id = %s", [next(numbers) % ROWS])

        def write() -> object:
            number = next(numbers)
            return query(connection, f"UPDATE `{table}` SET body = %s WHERE id = %s", [number, number % ROWS])

        limit = target.latency_limit_ms
        hint = (
            f"Look at `kubectl -n {config.namespace} top pod`: MariaDB or its node may have too little CPU "
            "or memory. If not, its disk may be slow, or a query may hold it up: look at SHOW PROCESSLIST."
        )
        reads = latency.judge("read", read, READ_SAMPLES, limit, hint)
        writes = latency.judge("write and commit", write, WRITE_SAMPLES, limit, hint)
    return f"{reads}; {writes}"


def text(config: ChecksConfig) -> str:
    """Korean, emoji and rare characters come back as they went in, and count as one character each."""
    target = config[MariadbTarget]
    hint = (
        "Somebody changed a character set by hand. Run `fwb up`, which writes my.cnf anew, and then "
        f"`kubectl -n {config.namespace} delete pod {target.statefulset}-0`. If the schema has the wrong "
        f"one, run ALTER DATABASE {target.database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci."
    )
    with tables(config) as run, connected(target) as connection:
        wrong = _wrong_character_sets(connection)
        table = run.name("unicode")
        query(connection, f"CREATE TABLE `{table}` (id INT PRIMARY KEY, name VARCHAR(100) NOT NULL)")
        for number, name in enumerate(TEXTS):
            try:
                query(connection, f"INSERT INTO `{table}` VALUES (%s, %s)", [number, name])
            except pymysql.DataError as error:
                raise CheckFailed(
                    "; ".join([f"{name!r} was refused: {error.args[-1]}", *wrong]), "it is taken", hint
                ) from error
            got = query(connection, f"SELECT name, CHAR_LENGTH(name) FROM `{table}` WHERE id = %s", [number])[
                0
            ]
            if got != (name, len(name)):
                raise CheckFailed(
                    "; ".join([f"{name!r} came back as {got[0]!r}, {got[1]} characters", *wrong]),
                    f"the same, {len(name)} characters",
                    hint,
                )
    if wrong:
        raise CheckFailed("; ".join(wrong), "utf8mb4 in the server, the schema and the connection", hint)
    return f"{len(TEXTS)} texts with Korean, emoji and rare characters came back unchanged"


_CHARACTER_SETS = (
    "character_set_server",
    "collation_server",
    "character_set_database",
    "collation_database",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
)


def _wrong_character_sets(connection: pymysql.Connection[pymysql.cursors.Cursor]) -> list[str]:
    # the global value: a session inherits what clients negotiate, the next client may not
    columns = [f"@@{'GLOBAL.' if name.endswith('_server') else ''}{name}" for name in _CHARACTER_SETS]
    row = query(connection, "SELECT " + ", ".join(columns))[0]
    return [
        f"{name} is {value}"
        for name, value in zip(_CHARACTER_SETS, row, strict=True)
        if not str(value).startswith("utf8mb4")
    ]


CHECKS = (
    Check("mariadb-privileges", privileges, timeout=30, explain=explain),
    Check("mariadb-transactions", transactions, quick=True, timeout=30, explain=explain),
    Check("mariadb-connections", connections, quick=True, timeout=30, explain=explain),
    Check("mariadb-latency", speed, timeout=90, explain=explain),
    Check("mariadb-unicode", text, timeout=30, explain=explain),
    Check("mariadb-time-zones", time_zones, timeout=20, explain=explain),
    Check("mariadb-persistence", persistence, timeout=180, explain=explain),
)

SUITE = Suite(MariadbTarget, CHECKS, place=30)
