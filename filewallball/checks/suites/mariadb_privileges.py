"""The application's user can do its work and no more; the monitor sees counters and no data.

Both are tried, not read from a table alone: a right may come from a wildcard, a role or an anonymous user.
Every attempt is one that changes nothing, or is undone, should it succeed.
"""

# ruff: noqa: S608 (names of tables are made here; values are parameters)

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from facts import mariadb
from facts.checks.mariadb import MariadbTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites.mariadb_session import DENIED, Tables, connected, query, tables

HINT = (
    "Somebody granted more by hand. SHOW GRANTS FOR {user} lists all rights: REVOKE those that aren't ON "
    "`{schema}`.* (_ is written there as \\_), and GRANT OPTION. Then run "
    "`kubectl -n {namespace} rollout restart statefulset/{statefulset}`, which grants what the user needs."
)


EVENT_SECONDS = 10
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that must be refused. `undo` takes it back if it was not."""

    what: str
    statement: str
    undo: str = ""


def privileges(config: ChecksConfig) -> str:
    """The application's user at its work, and at what it must not do; then the monitor likewise."""
    target = config[MariadbTarget]
    with tables(config) as run:
        table = run.name("privileges")
        with connected(target) as app:
            steps = _work(app, run, config.namespace)
            attempts = forbidden(target.database, run.run)
            excess = [what for what in (_try(app, one) for one in attempts) if what]
            excess += excess_grants([str(row[0]) for row in query(app, "SHOW GRANTS")], target.database)
        if excess:
            raise _excessive(config, target.app_user, excess)
        with connected(target, monitor=True) as monitor:
            query(monitor, "SHOW GLOBAL STATUS LIKE 'Uptime'")
            data = f"`{target.database}`.`{table}`"
            attempts = [
                Attempt("read the application's data", f"SELECT * FROM {data}"),
                Attempt("change the application's data", f"DELETE FROM {data}"),
            ]
            excess = [what for what in (_try(monitor, one) for one in attempts) if what]
        if excess:
            raise _excessive(config, target.monitor_user, excess)
    return f"{steps} kinds of work done, {len(forbidden('', '')) + len(attempts)} attempts at more refused"


def _excessive(config: ChecksConfig, user: str, excess: Sequence[str]) -> CheckFailed:
    hint = HINT.format(
        schema=config[MariadbTarget].database,
        user=user,
        namespace=config.namespace,
        statefulset=config[MariadbTarget].statefulset,
    )
    return CheckFailed(f"{user} can {', '.join(excess)}", "its own work and no more", hint)


def _work(connection: Connection[Cursor], run: Tables, namespace: str) -> int:
    """Everything that an application with migrations does."""
    table, view, function, event = (run.name(what) for what in ("privileges", "view", "function", "event"))
    steps = (
        f"CREATE TABLE `{table}` (id INT PRIMARY KEY, name VARCHAR(50) NOT NULL)",
        f"ALTER TABLE `{table}` ADD COLUMN size BIGINT NOT NULL DEFAULT 0",
        f"CREATE INDEX by_size ON `{table}` (size)",
        f"CREATE TRIGGER `{table}` BEFORE INSERT ON `{table}` FOR EACH ROW SET NEW.size = 7",
        f"INSERT INTO `{table}` (id, name) VALUES (1, 'a'), (2, 'b')",
        f"UPDATE `{table}` SET size = 1 WHERE id = 1",
        f"DELETE FROM `{table}` WHERE id = 2",
        f"SELECT * FROM `{table}`",
        f"CREATE VIEW `{view}` AS SELECT id FROM `{table}`",
        f"DROP VIEW `{view}`",
        # As most people write one; with a binary log it needs more than its right.
        f"CREATE FUNCTION `{function}`(x INT) RETURNS INT RETURN x + 1",
        f"SELECT `{function}`(1)",
        f"DROP FUNCTION `{function}`",
        f"CREATE EVENT `{event}` ON SCHEDULE EVERY 1 SECOND DO UPDATE `{table}` SET size = 8",
    )
    for statement in steps:
        query(connection, statement)
    deadline = time.monotonic() + EVENT_SECONDS
    while query(connection, f"SELECT size FROM `{table}`") != [(8,)]:
        if time.monotonic() > deadline:
            raise CheckFailed(
                f"an event of the application did not run within {EVENT_SECONDS} s",
                "it runs every second",
                "Somebody turned the scheduler off: SHOW VARIABLES LIKE 'event_scheduler' must say ON. Run "
                f"`kubectl -n {namespace} delete pod {mariadb.NAME}-0`: the server starts as my.cnf says.",
            )
        time.sleep(POLL_SECONDS)
    query(connection, f"DROP EVENT `{event}`")
    return len(steps) + 1


def forbidden(schema: str, run: str) -> list[Attempt]:
    """What the application's user must not be able to do."""
    account = f"'fwb_check_{run}'@'nowhere.invalid'"
    # an unescaped _ in a grant matches any character: `a_b`.* also gives `a0b`.*
    lookalike = schema.replace("_", "0")
    return [
        Attempt("pass on its rights (GRANT)", f"GRANT SELECT ON `{schema}`.* TO CURRENT_USER()"),
        Attempt("create users", f"CREATE USER {account} ACCOUNT LOCK", f"DROP USER {account}"),
        Attempt("read accounts (mysql.global_priv)", "SELECT COUNT(*) FROM mysql.global_priv"),
        Attempt("change accounts (mysql.global_priv)", "DELETE FROM mysql.global_priv WHERE 1 = 0"),
        *(
            Attempt(f"use another schema ({other})", f"CREATE DATABASE `{other}`", f"DROP DATABASE `{other}`")
            for other in (f"fwb_check_{run}", f"test_fwb_check_{run}", *({lookalike} - {schema}))
        ),
        Attempt(
            "use another schema (test)",
            f"CREATE TABLE test.fwb_check_{run} (id INT)",
            f"DROP TABLE test.fwb_check_{run}",
        ),
        Attempt(
            "change server settings (SET GLOBAL)", "SET GLOBAL max_connections = @@GLOBAL.max_connections"
        ),
        # no such directory: nothing is ever written
        Attempt("write files on the server (FILE)", f"SELECT 1 INTO OUTFILE '/nonexistent-fwb-check/{run}'"),
        Attempt("see other sessions (PROCESS)", "SHOW ENGINE INNODB STATUS"),
        Attempt("flush (RELOAD)", "FLUSH USER_RESOURCES"),
        Attempt("see the binary log", "SHOW BINARY LOGS"),
    ]


def _try(connection: Connection[Cursor], attempt: Attempt) -> str:
    """Empty if the attempt was refused for lack of a right, else what was possible."""
    try:
        query(connection, attempt.statement)
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args else 0
        # any other error comes after the server has found the right to be there
        return "" if code in DENIED else f"{attempt.what} [{error.args[-1]}]"
    if attempt.undo:
        query(connection, attempt.undo)
    return attempt.what


_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?:\w+ )?(?P<schema>`(?:[^`]|``)+`|\*)\.\S+ TO ")


def excess_grants(grants: Sequence[str], schema: str) -> list[str]:
    """What SHOW GRANTS lists beyond the own schema. Shows no whole line: one holds the password's hash."""
    found: list[str] = []
    for line in grants:
        match = _GRANT.match(line)
        if match is None:
            found.append(f"use a role ({line.split(' TO ')[0].removeprefix('GRANT ')})")
            continue
        place = match["schema"].strip("`").replace("\\_", "_").replace("\\%", "%")
        if place == "*" and match["rights"] != "USAGE":
            found.append(f"{match['rights']} on everything")
        elif place not in ("*", schema):
            found.append(f"{match['rights']} on {place}")
        if line.endswith("WITH GRANT OPTION"):
            found.append("pass on its rights (GRANT OPTION)")
    return found
