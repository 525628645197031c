"""Others write all the time: dump and counts must still be of one moment, or the proof must notice."""

from __future__ import annotations

import gzip
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from filewallball.backup import catalogue, job, program, snapshot
from filewallball.errors import UserError

WRITERS = 4
ACCOUNTS = 40
BALANCE = 1000


class Writers:
    """Sessions that move money between two tables and note each transfer in a third, as fast as they can."""

    def __init__(self, found: Any) -> None:
        self._job = found
        self._over = threading.Event()
        self.transfers = 0
        self._failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._write, args=(seed,)) for seed in range(WRITERS)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert self._failed == []

    def _write(self, seed: int) -> None:
        choice = random.Random(seed)
        try:
            with closing(self._job.server.connect(self._job.database)) as connection:
                cursor = connection.cursor()
                while not self._over.is_set():
                    # Each writer has accounts of its own: none waits for another's locks.
                    account = choice.randrange(ACCOUNTS // WRITERS) * WRITERS + seed
                    amount = choice.randrange(1, 100)
                    cursor.execute("BEGIN")
                    cursor.execute(
                        "UPDATE checking SET balance = balance - %s WHERE id = %s", (amount, account)
                    )
                    cursor.execute(
                        "UPDATE savings SET balance = balance + %s WHERE id = %s", (amount, account)
                    )
                    cursor.execute(
                        "INSERT INTO transfers (account, amount) VALUES (%s, %s)", (account, amount)
                    )
                    cursor.execute("COMMIT")
                    self.transfers += 1
        except BaseException as error:  # noqa: BLE001 - shown by the test's thread
            self._failed.append(error)


@pytest.fixture
def bank(job: Any) -> Any:
    for table in ("checking", "savings"):
        job.sql(f"CREATE TABLE {table} (id INT PRIMARY KEY, balance BIGINT NOT NULL)")
        job.sql(f"INSERT INTO {table} SELECT seq, {BALANCE} FROM seq_0_to_{ACCOUNTS - 1}")  # noqa: S608
    # Its name comes between the two: a dump without a snapshot would read them at different times.
    job.sql("CREATE TABLE filler (id INT PRIMARY KEY, t TEXT)")
    job.sql("INSERT INTO filler SELECT seq, REPEAT(MD5(seq), 20) FROM seq_1_to_8000")
    job.sql("CREATE TABLE transfers (id BIGINT AUTO_INCREMENT PRIMARY KEY, account INT, amount INT NOT NULL)")
    return job


def test_a_backup_under_load_is_of_one_moment(bank: Any) -> None:
    with Writers(bank) as writers:
        process = bank.start()
        before = writers.transfers
        while "dump: " not in (line := process.stdout.readline()):
            assert line, process.wait()
        during = writers.transfers - before
    output = process.stdout.read()
    assert process.wait() == 0, output
    assert during > WRITERS, "nobody wrote while the dump was made"

    manifest = catalogue.newest_verified(bank.store())
    assert manifest is not None
    copy = f"{bank.database}_copy"
    bank.server.run(f"CREATE DATABASE {copy}")
    try:
        bank.server.load(gzip.decompress(bank.store().get(manifest.name)), copy)
        [(checking, savings, moved, count)] = bank.server.run(
            "SELECT (SELECT SUM(balance) FROM checking), (SELECT SUM(balance) FROM savings),"
            " (SELECT SUM(amount) FROM transfers), (SELECT COUNT(*) FROM transfers)",
            database=copy,
        )
    finally:
        bank.server.run(f"DROP DATABASE {copy}")
    assert checking + savings == 2 * ACCOUNTS * BALANCE
    assert savings == ACCOUNTS * BALANCE + moved
    # The counting session saw what the dump saw, not what was there later.
    assert manifest.tables["transfers"].rows == count
    assert count < writers.transfers


class Appenders:
    """Sessions that write the same numbers into a table of InnoDB and into one that is in no snapshot."""

    def __init__(self, found: Any, engine: str) -> None:
        self._job, self._table = found, engine.lower()
        self._over = threading.Event()
        self.failed: list[BaseException] = []
        self.written = 0
        found.sql(f"CREATE TABLE {self._table} (id INT NOT NULL) ENGINE={engine}")
        self._threads = [threading.Thread(target=self._write) for _ in range(2)]

    def __enter__(self) -> Appenders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        try:
            with closing(self._job.server.connect(self._job.database)) as connection:
                cursor = connection.cursor()
                while not self._over.is_set():
                    cursor.execute(f"INSERT INTO {self._table} VALUES (1)")  # noqa: S608
                    cursor.execute("INSERT INTO transfers (account, amount) VALUES (1, 1)")
                    self.written += 1
        except BaseException as error:  # noqa: BLE001 - shown by the test's thread
            self.failed.append(error)


def test_tables_in_no_snapshot_are_of_its_moment(bank: Any) -> None:
    """Writers of each wait while they are read, in whatever order they take their locks."""
    engines = ("MyISAM", "Aria", "MEMORY", "CSV")
    with ExitStack() as stack:
        writers = [stack.enter_context(Appenders(bank, engine)) for engine in engines]
        manifest = job.run(bank.settings(), job.Log(lambda _: None))
    assert [each.failed for each in writers] == [[]] * len(engines)
    # A writer is between its two tables, or before or after them.
    behind = (
        sum(manifest.tables[engine.lower()].rows for engine in engines) - manifest.tables["transfers"].rows
    )
    assert 0 <= behind <= 2 * len(engines)
    assert manifest.verified
    assert manifest.locked_tables == ("aria", "csv", "memory", "myisam")
    assert manifest.tables["transfers"].rows < sum(each.written for each in writers)


def test_a_commit_between_the_two_snapshots_is_noticed(bank: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def nothing_blocked(*_: object) -> Iterator[Callable[[], None]]:
        yield lambda: None

    class DumpThenCommit(snapshot.Dump):
        """The dump opens its snapshot, somebody commits, then the counting session opens its own."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.wait_open(20)
            bank.sql("UPDATE checking SET balance = balance + 1 WHERE id = 0")

    monkeypatch.setattr(snapshot, "_commits_blocked", nothing_blocked)
    monkeypatch.setattr(snapshot, "Dump", DumpThenCommit)
    with pytest.raises(UserError, match="not the same moment"):
        job.run(bank.settings(), job.Log(lambda _: None))
    assert bank.objects() == []


def test_commits_wait_only_for_the_snapshot(
    bank: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While the two snapshots open a commit waits; while the tables are read it does not."""
    seen: list[str] = []

    class Probe(snapshot.Dump):
        def wait_open(self, timeout: float) -> Any:
            position = super().wait_open(timeout)
            with closing(bank.server.connect(bank.database)) as other:
                cursor = other.cursor()
                cursor.execute("SET lock_wait_timeout = 1")
                try:
                    cursor.execute("UPDATE checking SET balance = balance + 1 WHERE id = 0")
                except Exception as error:  # noqa: BLE001 - what it is, the assertion says
                    seen.append(str(error))
            return position

    take = snapshot.inventory.take

    def counting(*arguments: Any, **options: Any) -> Any:
        bank.sql("UPDATE checking SET balance = balance + 1 WHERE id = 0")
        seen.append("committed")
        return take(*arguments, **options)

    monkeypatch.setattr(snapshot, "Dump", Probe)
    monkeypatch.setattr(snapshot.inventory, "take", counting)
    manifest = job.run(bank.settings(), job.Log(lambda _: None))
    assert "Lock wait timeout" in seen[0]
    assert seen[1:3] == ["committed", "committed"]
    assert manifest.verified


def test_a_schema_that_changes_under_the_dump(bank: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No snapshot holds a table's definition: the backup must fail and say why, not hold what never was."""
    altered = threading.Event()

    pieces = program.Program.pieces

    def slow(self: Any) -> Iterator[bytes]:
        """Only a pipe is full, and so it has not come to the last table, until that was altered."""
        altered.wait(30)
        yield from pieces(self)

    take = snapshot.inventory.take

    def counting(*arguments: Any, **options: Any) -> Any:
        if not altered.is_set():
            bank.sql("ALTER TABLE transfers ADD COLUMN more INT, ALGORITHM=COPY")
            altered.set()
        return take(*arguments, **options)

    monkeypatch.setattr(program.Program, "pieces", slow)
    monkeypatch.setattr(snapshot.inventory, "take", counting)
    with pytest.raises(UserError) as caught:
        job.run(bank.settings(), job.Log(lambda _: None))
    assert "schema was changed" in caught.value.hint
    assert bank.objects() == []
