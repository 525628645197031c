"""The dump and the counts of one and the same moment, taken while others write.

1. `BACKUP STAGE BLOCK_COMMIT` stops commits. Unlike FLUSH TABLES WITH READ LOCK it does not wait for
   statements that are running.
2. A session opens its snapshot, then mariadb-dump, then another session.
3. Commits go on: all this took some hundredths of a second.
4. The proof: the server says for the first and the last snapshot where in the binary log they stand, and both
   must stand at the same place. Then so does the one between. A lock that was lost half-way would be seen.

Tables that are in no snapshot (MyISAM and the like) are locked before all that, read and counted first, and
then unlocked. FLUSH TABLES … WITH READ LOCK, not LOCK TABLES: there a writer that waits would hold up those
who read, and the backup's other lock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pymysql.cursors import Cursor

from filewallball.backup import contents, inventory, logfile
from filewallball.backup.broken import BrokenTables
from filewallball.backup.database import connect, quote, rows
from filewallball.backup.dump import Dump, Dumped
from filewallball.backup.inventory import Inventory
from filewallball.backup.manifest import Position
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.workdir import WorkDir
from filewallball.errors import UserError

_LOCK_SECONDS = 20
_OPEN_SECONDS = 20.0
_OPEN = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
_LOCKED_SECONDS = 3600
"""How long the server waits for a sign of life of the session that locks tables."""
_PATIENT = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    # They have nothing to do for as long as others work.
    "SET SESSION wait_timeout=86400, idle_transaction_timeout=0, idle_readonly_transaction_timeout=0",
)


@dataclass(frozen=True)
class Snapshot:
    """One moment of the database: when, where in the binary log, its dump and what it holds.

    `moved`: the events that ran for the last time or were changed during the dump. They are in no snapshot:
    nobody can say which of them the dump has to hold, and `inventory` leaves them out.
    `differences`: what is not taken exactly, a line each, with the statement that mends it.
    `locked_tables`: those whose writers had to wait, for `locked_seconds` in all: no snapshot holds them.
    """

    created: datetime
    position: Position
    dumped: Dumped
    inventory: Inventory
    blocked_seconds: float
    moved: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    locked_tables: tuple[str, ...] = ()
    locked_seconds: float = 0.0


def take(
    settings: DatabaseSettings,
    work: WorkDir,
    clock: Callable[[], float],
    step: Callable[[str, int, int, int], None],
    compression: str = "gzip",
    rate: int | None = None,
) -> Snapshot:
    """Dump and count. `step` hears (table, number, of, SQL bytes dumped so far) before each table is counted.

    `rate`: bytes of SQL a second at most.

    A table that can't be read to its end is told, and the others are taken once more.

    Raises UserError if anything fails, and if the two snapshots are not one.
    """
    known: dict[str, str] = {}
    while True:
        try:
            return _take(settings, work, clock, step, compression, rate, known)
        except BrokenTables as error:
            if not error.why.keys() - known.keys():
                named = "; ".join(f"{table}: {why}" for table, why in error.why.items())
                raise UserError(f"Tables cannot be read: {named}", "Run the backup again.") from error
            known |= error.why


def _take(
    settings: DatabaseSettings,
    work: WorkDir,
    clock: Callable[[], float],
    step: Callable[[str, int, int, int], None],
    compression: str,
    rate: int | None,
    known: Mapping[str, str],
) -> Snapshot:
    with ExitStack() as stack:
        reading = stack.enter_context(connect(settings, "Reading rows in the snapshot"))
        cursor = stack.enter_context(connect(settings, "Counting rows in the snapshot")).cursor()
        sessions = (cursor, reading.cursor())
        for session in sessions:
            for statement in _PATIENT:
                session.execute(statement)
        before = inventory.events(cursor, settings.name)
        held = contents.read(cursor, settings.name, known)
        newest = logfile.newest(settings)
        lock = stack.enter_context(_Lock.of(settings, held.locked, clock))
        lock.take()
        with _commits_blocked(settings) as confirm_block:
            started, created = clock(), datetime.now(UTC)
            reading.cursor().execute(_OPEN)
            dump = stack.enter_context(Dump(settings, work, held, compression, rate))
            dump.wait_open(_OPEN_SECONDS)
            cursor.execute(_OPEN)
            confirm_block()
        blocked = clock() - started
        position = _position(cursor)
        prove_same(_position(reading.cursor()), position)
        dump.go_on(reading)
        position = _in_its_log(settings, position, newest)
        cursor.execute("SAVEPOINT fwb_table")

        def counting(table: str, number: int, of: int) -> None:
            # Or a change of a table would wait until all are counted, and everybody behind it.
            cursor.execute("ROLLBACK TO SAVEPOINT fwb_table")
            dump.check()
            if table not in held.locked:
                dump.wait_unlocked()
                lock.release()
            step(table, number, of, dump.sql_bytes)

        found = inventory.take(cursor, settings.name, counting, first=held.locked, without=held.unreadable)
        if found.unreadable:
            raise BrokenTables(found.unreadable)
        dump.wait_unlocked()
        lock.release()
        dumped = dump.finish()
        after = inventory.events(cursor, settings.name)
        moved = tuple(sorted({name for name, _ in before.items() ^ after.items()}))
        return Snapshot(
            created,
            position,
            dumped,
            found.without_events(moved),
            blocked,
            moved,
            held.differences,
            tuple(sorted(held.locked)),
            lock.seconds,
        )


def prove_same(first: Position, last: Position) -> None:
    """Raise UserError unless the snapshots before and after that of the dump stand at the same place."""
    if first != last:
        raise UserError(
            f"The first snapshot stands at {first.file}:{first.position}, the last one at"
            f" {last.file}:{last.position}: they are not the same moment.",
            "Run the backup again. If it happens again, look for another tool that uses BACKUP STAGE.",
        )


def _in_its_log(settings: DatabaseSettings, position: Position, before: tuple[str, int | None]) -> Position:
    """The position, with what tells its file from others of that name. `before`: the newest file, earlier."""
    found = logfile.begun(settings, position.file)
    # A log that was reset meanwhile has another file of that name.
    same = position.file != before[0] or found == before[1]
    return replace(position, begun=found if same else None)


class _Lock:
    """The lock on tables that are in no snapshot. `seconds`: how long their writers had to wait at most."""

    def __init__(self, cursor: Cursor | None, tables: Collection[str], clock: Callable[[], float]) -> None:
        self._cursor, self._tables, self._clock = cursor, tables, clock
        self._since = 0.0
        self.seconds = 0.0

    @classmethod
    @contextmanager
    def of(
        cls, settings: DatabaseSettings, tables: Collection[str], clock: Callable[[], float]
    ) -> Generator[_Lock]:
        """A lock that is not yet held; let go at the end. It does nothing if there are no tables."""
        if not tables:
            yield cls(None, tables, clock)
            return
        with connect(settings, "Locking the tables that are in no snapshot") as connection:
            cursor = connection.cursor()
            cursor.execute(f"SET SESSION lock_wait_timeout={_LOCK_SECONDS}, wait_timeout={_LOCKED_SECONDS}")
            yield cls(cursor, tables, clock)

    def take(self) -> None:
        """Wait for statements that write into the tables, and keep others out."""
        if self._cursor is not None:
            self._since = self._clock()
            named = ", ".join(quote(table) for table in sorted(self._tables))
            self._cursor.execute(f"FLUSH TABLES {named} WITH READ LOCK")

    def release(self) -> None:
        """Let others write. Raises the driver's error if the lock was lost before."""
        if self._cursor is not None:
            self._cursor.execute("UNLOCK TABLES")
            self.seconds, self._cursor = self._clock() - self._since, None


@contextmanager
def _commits_blocked(settings: DatabaseSettings) -> Generator[Callable[[], None]]:
    """Commits of every session wait inside the block. The value raises unless the lock is still held."""
    with connect(settings, "Stopping commits for the snapshot") as connection:
        cursor = connection.cursor()
        # wait_timeout: if this process hangs or is cut off, the server takes the lock back by itself.
        cursor.execute(f"SET SESSION lock_wait_timeout={_LOCK_SECONDS}, wait_timeout={2 * _LOCK_SECONDS}")
        cursor.execute("BACKUP STAGE START")
        cursor.execute("BACKUP STAGE BLOCK_COMMIT")
        yield lambda: connection.ping(reconnect=False)
        cursor.execute("BACKUP STAGE END")


def _position(cursor: Cursor) -> Position:
    values = {
        str(name).lower(): str(value) for name, value in rows(cursor, "SHOW STATUS LIKE 'binlog_snapshot_%'")
    }
    try:
        return Position(values["binlog_snapshot_file"], int(values["binlog_snapshot_position"]))
    except (KeyError, ValueError):
        raise UserError(
            f"The server gives no position of the snapshot: {values}",
            "Run `fwb up`, which writes my.cnf with log-bin, and restart the server.",
        ) from None
