"""Every MariaDB check passes on a sound server, and fails with a useful hint on one that is really broken."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from filewallball.checks import latency
from filewallball.checks.suites import mariadb_privileges

WIDE = 500  # milliseconds: what this server shares a machine with says nothing about it
ALL = ["mariadb-privileges", "mariadb-transactions", "mariadb-latency", "mariadb-unicode"]


def objects(server) -> list[tuple[str]]:
    """What the checks may have left: schemas, tables, users."""
    return server.run(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '%fwb%' "
        "UNION SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'fwb%' "
        "UNION SELECT routine_name FROM information_schema.routines WHERE routine_name LIKE 'fwb%' "
        "UNION SELECT event_name FROM information_schema.events WHERE event_name LIKE 'fwb%' "
        "UNION SELECT user FROM mysql.global_priv WHERE user LIKE 'fwb%'"
    )


@pytest.mark.parametrize("name", ALL)
def test_sound_server_passes_and_nothing_is_left(mariadb_server, check, name):
    result = check(name, mariadb=replace(mariadb_server.target, latency_limit_ms=WIDE))
    assert result.status == "ok", result.line()
    assert objects(mariadb_server) == []


@pytest.mark.parametrize(
    ("grant", "seen"),
    [
        ("SELECT ON filewallball_db.* TO filewallball_app WITH GRANT OPTION", "pass on its rights (GRANT)"),
        ("CREATE USER ON *.* TO filewallball_app", "create users"),
        ("SELECT ON mysql.* TO filewallball_app", "read accounts (mysql.global_priv)"),
        ("DELETE, SELECT ON mysql.global_priv TO filewallball_app", "change accounts (mysql.global_priv)"),
        ("ALL ON `filewallball_db`.* TO filewallball_app", "use another schema (filewallball0db)"),
        ("CREATE, DROP ON *.* TO filewallball_app", "use another schema (fwb_check_"),
        (r"ALL ON `test\_%`.* TO filewallball_app", "use another schema (test_fwb_check_"),
        ("CONNECTION ADMIN ON *.* TO filewallball_app", "change server settings (SET GLOBAL)"),
        ("FILE ON *.* TO filewallball_app", "write files on the server (FILE)"),
        ("PROCESS ON *.* TO filewallball_app", "see other sessions (PROCESS)"),
        ("RELOAD ON *.* TO filewallball_app", "flush (RELOAD)"),
        ("BINLOG MONITOR ON *.* TO filewallball_app", "see the binary log"),
        ("SHUTDOWN ON *.* TO filewallball_app", "SHUTDOWN on everything"),
        ("SELECT ON somebody_elses.* TO filewallball_app", "SELECT on somebody_elses"),
    ],
)
def test_application_with_too_many_rights(mariadb_server, check, grant, seen):
    mariadb_server.run(f"GRANT {grant}")
    result = check("mariadb-privileges", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert seen in result.observed
    assert "SHOW GRANTS FOR filewallball_app" in result.hint
    assert "PASSWORD" not in result.line()
    assert objects(mariadb_server) == []


def test_schema_test_that_is_open_to_everybody(mariadb_server, check):
    mariadb_server.run("CREATE DATABASE test", "GRANT ALL ON test.* TO PUBLIC")
    try:
        result = check("mariadb-privileges", mariadb=mariadb_server.target)
    finally:
        mariadb_server.run("REVOKE ALL ON test.* FROM PUBLIC", "DROP DATABASE test")
    assert result.status == "failed"
    assert "use another schema (test)" in result.observed


def test_application_that_may_not_do_its_work(mariadb_server, check):
    mariadb_server.run(r"REVOKE ALTER ON `filewallball\_db`.* FROM filewallball_app")
    result = check("mariadb-privileges", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert "ALTER command denied" in result.observed
    assert "grants" in result.hint


@pytest.mark.parametrize(
    ("variable", "seen", "hint"),
    [
        ("event_scheduler", "an event of the application did not run", "event_scheduler"),
        ("log_bin_trust_function_creators", "SUPER", "log_bin_trust_function_creators"),
    ],
)
def test_what_is_granted_but_does_not_work(
    mariadb_server, check, monkeypatch: pytest.MonkeyPatch, variable, seen, hint
):
    monkeypatch.setattr(mariadb_privileges, "EVENT_SECONDS", 2)
    mariadb_server.run(f"SET GLOBAL {variable} = OFF")
    result = check("mariadb-privileges", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert seen in result.observed
    assert hint in result.hint
    assert objects(mariadb_server) == []


def test_what_a_killed_run_left_is_removed(mariadb_server, check):
    left = "filewallball_db.fwb_check_0a1b2c3d_"
    mariadb_server.run(
        f"CREATE TABLE {left}table (id INT)",
        f"CREATE VIEW {left}view AS SELECT id FROM {left}table",  # noqa: S608
        f"CREATE FUNCTION {left}function() RETURNS INT RETURN 1",
        f"CREATE EVENT {left}event ON SCHEDULE EVERY 1 HOUR DO SELECT 1",
    )
    assert check("mariadb-transactions", mariadb=mariadb_server.target).status == "ok"
    assert objects(mariadb_server) == []


def test_named_time_zones(mariadb_server, check):
    """Its tables are filled as start.sh fills them; without them, see the unit tests."""
    data = subprocess.run(["mariadb-tzinfo-to-sql", "/usr/share/zoneinfo"], capture_output=True, check=True)
    client = ["mariadb", "--no-defaults", "--protocol=tcp", f"--port={mariadb_server.target.port}", "mysql"]
    mariadb_server.run("CREATE USER zones IDENTIFIED BY 'z'", "GRANT ALL ON *.* TO zones")
    subprocess.run([*client, "--user=zones", "--password=z"], input=data.stdout, check=True)
    mariadb_server.run("DROP USER zones")
    result = check("mariadb-time-zones", mariadb=mariadb_server.target)
    assert result.status == "ok", result.line()


@pytest.mark.parametrize(
    ("grant", "seen"),
    [("SELECT", "read the application's data"), ("DELETE, SELECT", "change the application's data")],
)
def test_monitor_that_sees_data(mariadb_server, check, grant, seen):
    mariadb_server.run(f"GRANT {grant} ON filewallball_db.* TO filewallball_monitor")
    result = check("mariadb-privileges", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert f"filewallball_monitor can {'read' if grant == 'SELECT' else ''}" in result.observed
    assert seen in result.observed


def test_monitor_that_cannot_log_in(mariadb_server, check):
    mariadb_server.run("DROP USER filewallball_monitor")
    result = check("mariadb-privileges", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert "mariadb-credentials" in result.hint


def test_engine_without_transactions(mariadb_server, check):
    mariadb_server.run("SET GLOBAL default_storage_engine = MyISAM")
    result = check("mariadb-transactions", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert "MyISAM" in result.observed
    assert "changed default_storage_engine" in result.hint
    assert objects(mariadb_server) == []


def test_reads_of_what_is_not_committed(mariadb_server, check):
    mariadb_server.run("SET GLOBAL tx_isolation = 'READ-UNCOMMITTED'")
    result = check("mariadb-transactions", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert "before the commit, sees ['new']" in result.observed
    assert "changed transaction_isolation" in result.hint


@pytest.mark.parametrize(
    "every",
    [pytest.param(1, id="throughout", marks=pytest.mark.nightly), pytest.param(20, id="now and then")],
)
def test_slow_network(mariadb_server, check, proxy, every, monkeypatch):
    monkeypatch.setattr(latency, "ROUND_SECONDS", 0.5)
    through = proxy(mariadb_server.target, delay=0.1, every=every)
    result = check("mariadb-latency", mariadb=through)
    assert result.status == "failed"
    assert result.expected == "p99 within 50 ms"
    assert "read p50" in result.observed
    assert "CPU" in result.hint
    assert objects(mariadb_server) == []


@pytest.mark.parametrize("charset", ["latin1", "utf8mb3"])
def test_schema_with_a_poorer_character_set(mariadb_server, check, charset):
    mariadb_server.run(
        "DROP DATABASE filewallball_db", f"CREATE DATABASE filewallball_db CHARACTER SET {charset}"
    )
    result = check("mariadb-unicode", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert "was refused" in result.observed
    assert f"character_set_database is {charset}" in result.observed
    assert "ALTER DATABASE filewallball_db CHARACTER SET utf8mb4" in result.hint
    assert objects(mariadb_server) == []


def test_text_that_is_silently_spoilt(mariadb_server, check):
    mariadb_server.run(
        "DROP DATABASE filewallball_db", "CREATE DATABASE filewallball_db CHARACTER SET latin1"
    )
    strict = mariadb_server.run("SELECT @@GLOBAL.sql_mode")[0][0]
    mariadb_server.run("SET GLOBAL sql_mode = ''")
    try:
        result = check("mariadb-unicode", mariadb=mariadb_server.target)
    finally:
        mariadb_server.run(f"SET GLOBAL sql_mode = '{strict}'")
    assert result.status == "failed"
    assert "came back as '???" in result.observed


def test_server_with_another_default(mariadb_server, check):
    mariadb_server.run("SET GLOBAL character_set_server = latin1")
    result = check("mariadb-unicode", mariadb=mariadb_server.target)
    assert result.status == "failed"
    assert "character_set_server is latin1" in result.observed
    assert "by hand. Run `fwb up`" in result.hint


@pytest.mark.parametrize("name", ALL)
def test_wrong_password(mariadb_server, check, tmp_path: Path, name):
    (tmp_path / "wrong").write_text("wrong")
    target = replace(mariadb_server.target, app_password_file=str(tmp_path / "wrong"))
    result = check(name, mariadb=target)
    assert result.status == "failed"
    assert "rollout restart statefulset/mariadb" in result.hint


def test_nobody_there(mariadb_server, check):
    result = check("mariadb-transactions", mariadb=replace(mariadb_server.target, port=1))
    assert result.status == "failed"
    assert "kubectl -n filewallball get pods" in result.hint


def test_leftovers_of_killed_runs_go_and_those_of_live_ones_stay(mariadb_server, check):
    mariadb_server.run(
        "CREATE TABLE filewallball_db.fwb_check_deadbeef_latency (id INT)",
        "CREATE TABLE filewallball_db.fwb_check_a11fe000_latency (id INT)",
        "SELECT GET_LOCK('fwb_check_a11fe000', 0)",
    )
    result = check("mariadb-transactions", mariadb=mariadb_server.target)
    mariadb_server.run("SELECT RELEASE_LOCK('fwb_check_a11fe000')")
    assert result.status == "ok", result.line()
    assert objects(mariadb_server) == [("fwb_check_a11fe000_latency",)]
