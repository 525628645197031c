"""A backup, brought forward to one second: all that was committed until then, nothing later, each once."""

# ruff: noqa: S608 (names of tables are made here)

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from log_lab import DATABASE, Clock, Lab
from past import BEGAN, Then

from filewallball.binlogs import catalogue
from filewallball.errors import UserError


def test_every_second_since_the_backup(then: Then) -> None:
    then.add(1, 1)
    backup = then.back_up(1)
    for second in range(2, 8):
        then.add(second, second)
    then.lab.shipper.turn()
    plan_end = then.lab.replay(backup, BEGAN + 5)
    assert then.numbers() == [1, 2, 3, 4, 5]
    assert plan_end.transactions == 4
    then.lab.empty.run("DROP DATABASE files", "SET GLOBAL gtid_slave_pos = ''")


def test_the_logs_order_up_to_the_first_commit_that_is_stamped_later(then: Then) -> None:
    backup = then.back_up(1)
    then.add(10, 1)
    # A statement that began at 5 and was committed after one of 12 is stamped 5, and stands behind it.
    then.add(12, 2)
    then.at(5, "INSERT INTO numbers VALUES (3, 'long')")
    then.add(14, 4)
    then.lab.shipper.turn()
    then.lab.replay(backup, BEGAN + 11)
    assert then.numbers() == [1]


def test_a_long_transaction_counts_when_it_is_committed(lab: Lab) -> None:
    """With the clock as it is: a writer counts, a transaction is open all the while, a slow statement too."""
    lab.server.run(
        f"CREATE DATABASE {DATABASE}", f"CREATE TABLE {DATABASE}.numbers (n INT PRIMARY KEY, t TEXT)"
    )
    backup = lab.back_up()
    done, acknowledged = threading.Event(), dict[int, float]()

    def write() -> None:
        with closing(lab.server.connect()) as connection, connection.cursor() as cursor:
            number = 0
            while not done.is_set():
                number += 1
                cursor.execute(f"INSERT INTO {DATABASE}.numbers VALUES ({number}, 'a')")
                acknowledged[number] = time.time()

    writer = threading.Thread(target=write)
    with closing(lab.server.connect()) as long, long.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"INSERT INTO {DATABASE}.numbers VALUES (-1, 'long')")
        writer.start()
        slow = threading.Thread(
            target=lab.server.run, args=(f"INSERT INTO {DATABASE}.numbers SELECT -2, SLEEP(3.5)",)
        )
        slow_ends = time.time() + 3.5
        slow.start()
        slow.join()
        cursor.execute("COMMIT")
    committed = time.time()
    time_after = int(committed) + 1
    while time.time() < time_after + 1.1:
        lab.shipper.turn()
        time.sleep(0.2)
    done.set()
    writer.join()
    lab.shipper.turn()
    # Both end in a later second, and the writer commits in the one between.
    second = int(slow_ends) - 2
    lab.replay(backup, second)
    found = {n for (n,) in lab.restored("SELECT n FROM numbers")}
    # The clock's seconds: all that was acknowledged in the second or before is in, nothing that began later.
    assert {n for n, at in acknowledged.items() if at < second + 1} <= found
    assert max(found) <= min(n for n, at in acknowledged.items() if at >= second + 1)
    assert found.isdisjoint({-1, -2})
    assert {n for n in found if n > 0} == set(range(1, max(found) + 1))
    lab.empty.run(f"DROP DATABASE {DATABASE}", "SET GLOBAL gtid_slave_pos = ''")


def test_statements_from_elsewhere_and_rows_of_others(then: Then) -> None:
    lab = then.lab
    lab.server.run("DROP DATABASE IF EXISTS other", "CREATE DATABASE other", "CREATE TABLE other.o (n INT)")
    then.at(
        0.5, "CREATE TRIGGER copies AFTER INSERT ON numbers FOR EACH ROW INSERT INTO other.o VALUES (NEW.n)"
    )
    backup = then.back_up(1)
    lab.server.run(
        f"SET TIMESTAMP = {BEGAN + 2}",
        "USE other",
        f"CREATE TABLE {DATABASE}.made_from_elsewhere (n INT)",
        f"INSERT INTO {DATABASE}.made_from_elsewhere VALUES (1), (2)",
        "CREATE TABLE only_there (n INT)",
        "INSERT INTO only_there VALUES (1)",
    )
    then.add(3, 1)  # its trigger writes into the other database, in the same statement
    then.at(
        3,
        "BEGIN",
        "INSERT INTO other.o VALUES (7)",
        "INSERT INTO numbers VALUES (2, 'b'), (3, 'c')",
        "INSERT INTO other.o VALUES (8)",
        "COMMIT",
        "UPDATE numbers, other.o SET t = 'both', o.n = 9 WHERE numbers.n = o.n",
        "CREATE USER IF NOT EXISTS someone",
        "GRANT SELECT ON files.* TO someone",
        "DROP USER someone",
    )
    lab.shipper.turn()
    lab.replay(backup, BEGAN + 3)
    wanted = lab.server.run(f"USE {DATABASE}", "SELECT * FROM numbers ORDER BY n")
    assert [row[0] for row in wanted] == [1, 2, 3]
    assert tuple(lab.restored("SELECT * FROM numbers ORDER BY n")) == tuple(wanted)
    assert lab.restored("SELECT COUNT(*) FROM made_from_elsewhere") == [(2,)]
    assert ("other",) not in lab.empty.run("SHOW DATABASES")
    lab.server.run("DROP DATABASE other")


def test_all_that_a_schema_change_does(then: Then) -> None:
    backup = then.back_up(1)
    then.at(
        2,
        "ALTER TABLE numbers ADD COLUMN f FLOAT, ADD COLUMN b BLOB, ADD COLUMN j JSON",
        "INSERT INTO numbers VALUES (1, '한글', 1.1, x'00FF0A0D', '{\"a\": 1}')",
        "CREATE TABLE copied SELECT n, t FROM numbers",
        "CREATE VIEW v AS SELECT n FROM numbers",
        "CREATE PROCEDURE p() BEGIN INSERT INTO numbers (n, t) VALUES (2, 'p'); END",
        "CREATE TRIGGER tr AFTER INSERT ON numbers FOR EACH ROW INSERT INTO copied VALUES (NEW.n, 'tr')",
        "CALL p()",
        "CREATE SEQUENCE s",
        "SELECT NEXTVAL(s)",
        "TRUNCATE TABLE copied",
        "INSERT INTO numbers (n, t) VALUES (3, 'c')",
        "CREATE TABLE parent (n INT PRIMARY KEY)",
        "CREATE TABLE child (n INT, FOREIGN KEY (n) REFERENCES parent (n) ON DELETE CASCADE)",
        "INSERT INTO parent VALUES (1), (2)",
        "INSERT INTO child VALUES (1), (2)",
        "DELETE FROM parent WHERE n = 1",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM numbers",
        "RENAME TABLE parent TO parents",
        "CREATE TABLE history (n INT) WITH SYSTEM VERSIONING",
        "INSERT INTO history VALUES (1)",
        "UPDATE history SET n = 2",
        "CREATE TABLE plain (n INT) ENGINE=MyISAM",
        "INSERT INTO plain VALUES (1), (2)",
        "BEGIN",
        "INSERT INTO child VALUES (NULL)",
        "SAVEPOINT a",
        "INSERT INTO plain VALUES (3)",
        "INSERT INTO child VALUES (NULL)",
        "ROLLBACK TO a",
        "COMMIT",
        "SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10",
        "INSERT INTO numbers (n, t) VALUES (5, REPEAT('packed', 1000))",
        "CREATE TABLE packed (n INT COMMENT 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')",
        "SET GLOBAL log_bin_compress = OFF",
    )
    then.lab.shipper.turn()
    then.lab.replay(backup, BEGAN + 2)
    tables = ("numbers", "copied", "parents", "child", "plain", "packed", "history FOR SYSTEM_TIME ALL")
    for table in tables:
        served = then.lab.server.run(f"USE {DATABASE}", f"SELECT * FROM {table} ORDER BY 1")
        assert tuple(then.lab.restored(f"SELECT * FROM {table} ORDER BY 1")) == tuple(served), table
    for what in ("TABLE numbers", "VIEW v", "PROCEDURE p", "TRIGGER tr", "EVENT e", "SEQUENCE s"):
        served = then.lab.server.run(f"USE {DATABASE}", f"SHOW CREATE {what}")
        assert then.lab.restored(f"SHOW CREATE {what}")[0][:2] == served[0][:2]


def test_transactions_of_xa_are_in_from_their_commit_on(then: Then) -> None:
    lab = then.lab
    lab.server.run("CREATE DATABASE other", "CREATE TABLE other.o (n INT)")
    then.add(1, 1)
    backup = then.back_up(1)

    def prepare(second: int, name: str, *statements: str) -> None:
        then.at(second, f"XA START {name}", *statements, f"XA END {name}", f"XA PREPARE {name}")

    prepare(2, "'a','branch',7", "INSERT INTO numbers VALUES (2, 'a')", "INSERT INTO other.o VALUES (2)")
    prepare(2, "'b'", "INSERT INTO numbers VALUES (-2, 'b')")
    prepare(2, "'c'", "INSERT INTO other.o VALUES (3)")
    prepare(2, "'d'", "UPDATE numbers SET t = 'd' WHERE n = 1")
    position = lab.server.run("SHOW MASTER STATUS")[0]
    then.add(3, 3)
    lab.server.run("FLUSH BINARY LOGS", "SET GLOBAL binlog_checksum = NONE")
    then.at(4, "XA COMMIT 'a','branch',7", "XA ROLLBACK 'b'", "XA COMMIT 'c'")
    then.at(4, "XA START 'e'", "INSERT INTO numbers VALUES (4, 'e')", "XA END 'e'", "XA COMMIT 'e' ONE PHASE")
    then.add(5, 5)
    then.at(6, "XA COMMIT 'd'")
    lab.server.run("SET GLOBAL binlog_checksum = CRC32", "DROP DATABASE other")
    lab.shipper.turn()
    assert lab.replay(backup, BEGAN + 5).transactions == 4
    assert lab.restored("SELECT n, LEFT(t, 1) FROM numbers ORDER BY n") == [
        (1, "값"), (2, "a"), (3, "값"), (4, "e"), (5, "값"),
    ]  # fmt: skip
    # A backup that was made while they were prepared holds nothing of them.
    snapshot = replace(backup.snapshot, file=position[0], position=position[1])
    lab.empty.run("SET GLOBAL gtid_slave_pos = ''")
    with pytest.raises(UserError, match="one of XA, whose XA PREPARE is older than the backup") as refused:
        lab.replay(replace(backup, snapshot=snapshot), BEGAN + 5)
    before = datetime.fromtimestamp(BEGAN + 3, UTC)
    assert f'Moments up to --at "{before:%Y-%m-%d %H:%M:%S} UTC"' in refused.value.hint


def test_nothing_is_replayed_twice(then: Then) -> None:
    backup = then.back_up(1)
    then.at(2, "CREATE TABLE no_key (n INT)", "INSERT INTO no_key VALUES (1)")
    then.lab.shipper.turn()
    then.lab.replay(backup, BEGAN + 2)
    with pytest.raises(UserError, match="0-1-3 was replayed into this server before"):
        then.lab.replay(backup, BEGAN + 2)
    assert then.lab.restored("SELECT * FROM no_key") == [(1,)]


def test_from_when_to_when_it_works(then: Then, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "SKEW", 0)  # there is one clock here
    first = then.back_up(1)
    then.add(2, 2)
    second = then.back_up(3)
    clock.now = BEGAN + 10
    then.lab.shipper.turn()
    (window,) = catalogue.windows(then.lab.store).windows
    assert window.since == first.created
    assert window.backups == (first.name, second.name)
    assert window.until.timestamp() == BEGAN + 9
    then.at(12, "RESET MASTER")
    clock.now = BEGAN + 15
    then.lab.shipper.turn()
    assert len(catalogue.windows(then.lab.store).windows) == 1
    then.lab.empty.run(f"DROP DATABASE {DATABASE}")
    third = then.back_up(20)
    clock.now = BEGAN + 30
    then.lab.shipper.turn()
    reach = catalogue.windows(then.lab.store)
    assert [each.timeline for each in reach.windows] == [1, 2]
    (gap,) = reach.gaps
    assert (gap.since, gap.until) == (window.until, third.created)
    assert "used again" in gap.why or "no longer has" in gap.why
