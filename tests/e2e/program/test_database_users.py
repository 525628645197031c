"""A real MariaDB, run by the pod's own scripts on this machine: its users, their rights, and time zones."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mariadb_pod import ENVIRONMENT, Database

USERS = ["filewallball_app", "filewallball_backup", "filewallball_monitor", "mariadb.sys", "mysql", "root"]


@pytest.fixture
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database whose volume is empty."""
    assert shutil.which("mariadbd", path=ENVIRONMENT["PATH"]), (
        "`make test` installs Debian's mariadb packages"
    )
    # A short name: a socket's path has at most 107 bytes.
    made = Database(tmp_path_factory.mktemp("db"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume after a first start and a stop: to make one takes longer than most of what is tested on it."""
    made = Database(tmp_path_factory.mktemp("db"))
    try:
        made.start()
    finally:
        made.stop()
    return made.root / "var/lib/mysql"


@pytest.fixture
def database(empty: Database, volume: Path) -> Database:
    """A database that has been started and stopped before."""
    shutil.copytree(volume, empty.root / "var/lib/mysql", dirs_exist_ok=True)
    return empty


def users(database: Database) -> list[str]:
    return database.sql("SELECT User FROM mysql.global_priv ORDER BY User")


def test_a_first_start_and_a_second_are_ready_with_all_users(empty: Database) -> None:
    for _ in range(2):
        empty.start()
        assert empty.ready() == (True, "")
        assert users(empty) == USERS
        empty.stop()


def test_data_without_a_root_gets_all_users(database: Database) -> None:
    database.start()
    owned = "filewallball_app, filewallball_backup, filewallball_monitor, mysql@localhost, root@localhost"
    database.sql(f"DROP USER {owned}")
    database.stop()
    database.start()
    assert database.ready() == (True, "")
    assert users(database) == USERS
    grants = (
        "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = \"'root'@'localhost'\""
    )
    assert "SUPER" in database.sql(grants)


def test_accounts_of_others_are_gone_at_once(database: Database) -> None:
    database.start()
    database.sql("CREATE USER root@'10.%'; GRANT ALL ON *.* TO root@'10.%'; CREATE USER ''@localhost")
    database.stop()
    database.start()
    assert database.ready() == (True, "")
    assert users(database) == USERS
    shown = subprocess.run(
        [*database.client, "-e", "SHOW GRANTS FOR root@'10.%'"], capture_output=True, text=True, check=False
    )
    assert "There is no such grant defined" in shown.stderr


def test_a_statement_that_fails_keeps_the_server_from_getting_ready(database: Database) -> None:
    database.start()
    assert database.ready() == (True, "")
    database.stop()
    # What was there before still answers: only rights are missing.
    database.add_statement(
        "ALTER USER nobody@localhost IDENTIFIED VIA unix_socket;",
        after="REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'filewallball_app'@'%';",
    )
    database.start()
    ready, said = database.ready()
    assert not ready
    assert "users.sql did not run to its end" in said
    failing = [line for line in database.log.read_text().splitlines() if line.startswith("ERROR:")]
    assert failing == ["ERROR: 1396  Operation ALTER USER failed for 'nobody'@'localhost'"]


WORK = (
    "CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(50))",
    "CREATE TABLE child (id INT AUTO_INCREMENT PRIMARY KEY, parent INT, at DATETIME DEFAULT NOW(),"
    " FOREIGN KEY (parent) REFERENCES parent (id))",
    "ALTER TABLE child ADD COLUMN note TEXT",
    "CREATE INDEX by_parent ON child (parent)",
    "INSERT INTO parent VALUES (1, 'a'), (2, 'b')",
    "UPDATE parent SET name = 'c' WHERE id = 2",
    "DELETE FROM parent WHERE id = 2",
    "CREATE VIEW seen AS SELECT id FROM parent",
    "SHOW CREATE VIEW seen",
    "CREATE TRIGGER mark BEFORE INSERT ON child FOR EACH ROW SET NEW.note = CONCAT('by ', USER())",
    "INSERT INTO child (parent) VALUES (1)",
    "CREATE FUNCTION dice() RETURNS DOUBLE NOT DETERMINISTIC RETURN RAND()",
    "CREATE FUNCTION known(x INT) RETURNS INT READS SQL DATA"
    " RETURN (SELECT COUNT(*) FROM parent WHERE id = x)",
    "CREATE PROCEDURE fill() MODIFIES SQL DATA INSERT INTO child (parent) SELECT known(1)",
    "CALL fill()",
    "ALTER PROCEDURE fill COMMENT 'fills'",
    "SHOW CREATE PROCEDURE fill",
    "INSERT INTO child (parent) SELECT 1 FROM parent WHERE dice() < 2",
    "CREATE EVENT later ON SCHEDULE EVERY 1 DAY DO DELETE FROM child WHERE id < 0",
    "ALTER EVENT later DISABLE",
    "SHOW CREATE EVENT later",
    "CREATE TEMPORARY TABLE mine AS SELECT * FROM parent; INSERT INTO mine VALUES (3, 'd');"
    " DROP TEMPORARY TABLE mine",
    "LOCK TABLES parent WRITE, child READ; SELECT * FROM child; UNLOCK TABLES",
    "CREATE SEQUENCE numbers START WITH 5; SELECT NEXTVAL(numbers); SELECT SETVAL(numbers, 9)",
    "CREATE TABLE kept (id INT) WITH SYSTEM VERSIONING; INSERT INTO kept VALUES (1); DELETE FROM kept;"
    " SELECT * FROM kept FOR SYSTEM_TIME ALL; DELETE HISTORY FROM kept",
    "SET sql_mode = ORACLE;\ndelimiter //\nCREATE PACKAGE box AS FUNCTION one RETURN INT; END//",
    "ANALYZE TABLE parent; OPTIMIZE TABLE parent; TRUNCATE TABLE child",
    "RENAME TABLE parent TO elders, elders TO parent",
    "SELECT GET_LOCK('job', 1)",
    "DROP EVENT later; DROP PROCEDURE fill; DROP FUNCTION known; DROP TRIGGER mark;"
    " DROP VIEW seen; DROP TABLE kept",
)
REFUSED = (
    "CREATE DATABASE other",
    "CREATE TABLE mysql.mine (id INT)",
    "CREATE DEFINER=root@localhost TRIGGER sly BEFORE INSERT ON child FOR EACH ROW SET NEW.note = 'x'",
    "CREATE DEFINER=root@localhost FUNCTION sly() RETURNS INT DETERMINISTIC RETURN 1",
    "CREATE DEFINER=filewallball_backup@'%' EVENT sly ON SCHEDULE EVERY 1 SECOND DO SELECT 1",
    "CREATE DEFINER=mysql@localhost SQL SECURITY DEFINER VIEW sly AS SELECT 1",
    "CREATE FUNCTION sly RETURNS STRING SONAME 'udf.so'",
    "CREATE EVENT mysql.sly ON SCHEDULE EVERY 1 SECOND DO SELECT 1",
    "SET GLOBAL event_scheduler = OFF",
    "SET GLOBAL log_bin_trust_function_creators = OFF",
    "SET SESSION sql_log_bin = 0",
    "SET SESSION binlog_format = STATEMENT",
    "TRUNCATE TABLE mysql.time_zone",
    "SELECT * FROM mysql.user",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE parent",
    "GRANT SELECT ON parent TO filewallball_backup",
)


def test_the_application_can_do_all_that_it_is_granted_and_no_more(database: Database) -> None:
    database.start()
    for statement in WORK:
        database.works(statement)
    for statement in REFUSED:
        found, complaint = database.app(statement)
        assert "denied" in complaint, f"{statement}: {found} {complaint}"
    # A function that isn't deterministic writes rows into the log, not its call.
    assert database.sql("SELECT @@GLOBAL.binlog_format") == ["ROW"]


def test_events_run_and_stay_as_they_were_over_a_restart(database: Database) -> None:
    database.start()
    database.works("CREATE TABLE ticks (id INT AUTO_INCREMENT PRIMARY KEY, at TIMESTAMP(6) DEFAULT NOW(6))")
    database.works("CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO ticks VALUES ()")
    database.works("CREATE EVENT off ON SCHEDULE EVERY 1 SECOND DISABLE DO DROP TABLE ticks")
    database.works("CREATE EVENT slave ON SCHEDULE EVERY 1 SECOND DISABLE ON SLAVE DO DROP TABLE ticks")
    _until(lambda: database.works("SELECT 1 FROM ticks LIMIT 1") == ["1"])
    states = "SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS ORDER BY 1"
    before = database.works(states)
    assert before == ["off\tDISABLED", "slave\tSLAVESIDE_DISABLED", "tick\tENABLED"]
    database.stop()
    # The server that upgrades the data runs none of them: it must not change what it finds.
    (database.root / "var/lib/mysql/server-version").unlink()
    database.start()
    assert "upgrading" in database.log.read_text()
    assert database.works(states) == before
    database.works("DELETE FROM ticks")
    _until(lambda: database.works("SELECT 1 FROM ticks LIMIT 1") == ["1"])


ZONED = (
    ("2024-01-01 00:00:00", "Asia/Seoul", "2024-01-01 09:00:00"),
    ("1988-07-01 00:00:00", "Asia/Seoul", "1988-07-01 10:00:00"),
    ("2024-01-15 12:00:00", "America/New_York", "2024-01-15 07:00:00"),
    ("2024-07-15 12:00:00", "America/New_York", "2024-07-15 08:00:00"),
    ("2024-03-31 00:59:59", "Europe/Berlin", "2024-03-31 01:59:59"),
    ("2024-03-31 01:00:00", "Europe/Berlin", "2024-03-31 03:00:00"),
    ("2024-10-05 16:00:00", "Australia/Lord_Howe", "2024-10-06 03:00:00"),
    ("2024-06-01 00:00:00", "UTC", "2024-06-01 00:00:00"),
)


def zone(name: str = "Asia/Seoul") -> str:
    return f"SELECT CONVERT_TZ('2024-01-01', 'UTC', '{name}')"


def test_named_time_zones_are_known_and_renewed_with_the_image(empty: Database, tmp_path: Path) -> None:
    image = tmp_path / "zoneinfo"
    shutil.copytree("/usr/share/zoneinfo", image, ignore=shutil.ignore_patterns("posix", "right"))
    empty.use_zones(image)
    empty.start()
    for utc, name, local in ZONED:
        assert empty.works(f"SELECT CONVERT_TZ('{utc}', 'UTC', '{name}')") == [local], name
    empty.works("CREATE TABLE t (at TIMESTAMP); INSERT INTO t VALUES ('2024-01-01 00:00:00')")
    assert empty.works("SET time_zone = 'Asia/Seoul'; SELECT at FROM t") == ["2024-01-01 09:00:00"]
    empty.works(
        "SET time_zone = 'Asia/Seoul'; CREATE EVENT late ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00'"
        " DO DELETE FROM t WHERE 0"
    )
    assert "time_zone_name" not in empty.binary_log()
    empty.stop()

    empty.start()
    assert "loading them" not in empty.log.read_text()
    empty.stop()

    # Another image's data: Seoul has moved, though an event in that zone is looked up as the server starts.
    shutil.copy(image / "Asia/Kolkata", image / "Asia/Seoul")
    empty.start()
    assert "loading them" in empty.log.read_text()
    assert empty.works(zone()) == ["2024-01-01 05:30:00"]
    assert empty.works("SELECT COUNT(*) FROM information_schema.EVENTS") == ["1"]
    assert "time_zone_name" not in empty.binary_log()


@pytest.mark.parametrize("missing", ["data", pytest.param("folder", marks=pytest.mark.nightly)])
def test_an_image_without_time_zones_serves_and_says_so(
    empty: Database, tmp_path: Path, missing: str
) -> None:
    image = tmp_path / "zoneinfo"
    if missing == "data":
        image.mkdir()
        (image / "tzdata.zi").write_text("# version 2024a\n")
    empty.use_zones(image)
    empty.start()
    assert empty.ready() == (True, "")
    assert "this image has no time-zone data" in empty.log.read_text()
    assert empty.works(zone()) == ["NULL"]
    assert empty.works("SELECT CONVERT_TZ('2024-01-01', '+00:00', '+09:00')") == ["2024-01-01 09:00:00"]


def test_zones_that_cannot_be_loaded_are_told_and_tried_again(database: Database) -> None:
    (database.root / "var/lib/mysql/time-zones").write_text("of an older image")
    script = database.root / "etc/filewallball/start.sh"
    good = script.read_text()
    script.write_text(good.replace('cat "$run/zones.sql"', "echo nonsense"))
    database.start()
    assert database.ready() == (True, "")
    assert "loading the time zones failed" in database.log.read_text()
    database.stop()
    script.write_text(good)
    database.start()
    assert "loading them" in database.log.read_text()
    assert database.works(zone()) == ["2024-01-01 09:00:00"]


def _until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
