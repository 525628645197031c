"""One backup from end to end: preflight, dump and counts, restore, comparison, upload. All or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from filewallball.backup import (
    comparison,
    database,
    failures,
    leftovers,
    mariadbd,
    restore,
    retention,
    snapshot,
    zones,
)
from filewallball.backup.catalogue import check_stored, newest
from filewallball.backup.database import Server
from filewallball.backup.inventory import Inventory
from filewallball.backup.manifest import Manifest, Table
from filewallball.backup.names import CHECKS_PREFIX, backup_name
from filewallball.backup.packed import Packing
from filewallball.backup.publish import NAME_TRIES, publish
from filewallball.backup.rate import Rate, in_time, yield_the_disk
from filewallball.backup.sealed import sealed
from filewallball.backup.settings import Settings
from filewallball.backup.snapshot import Snapshot
from filewallball.backup.store import Store, StoreError
from filewallball.backup.workdir import WorkDir, human, work_dir
from filewallball.errors import UserError
from filewallball.jobs.joblog import Log

_ROOM_FACTOR = 1.75
"""Work space, as a multiple of the data and indexes that the server reports.

It holds the restored copy, its temporary files and the packed dump.
"""


@dataclass(frozen=True)
class Proof:
    """What the restored copy held, and each way in which that is not what the snapshot held, in a line."""

    found: Inventory
    differences: tuple[str, ...] = ()


_PROOF = (
    "The packed dump was unpacked and restored into a throw-away server ({server}), and every table and "
    "object was compared with the snapshot.{before} Before this manifest was written, the stored file was "
    "read back."
)


def run(settings: Settings, log: Log, store: Store | None = None, *, before_restore: str = "") -> Manifest:
    """Make one backup. Raises UserError that names the step; then nothing was left in the store.

    `before_restore`: the backup that is about to take the place of what this one saves.
    """
    if settings.rate:
        yield_the_disk()
    with work_dir(settings.work_dir, settings.work_size) as work:
        with log.step("preflight") as done:
            store = store or Store(settings.store)
            server = _preflight(settings, store, work)
            store.learn(log.say)
            leftovers.sweep(store, log.say)
            failures.forget(store)
            done += [f"MariaDB {server.version}", f"about {human(server.data_bytes)} of data"]
            done += [f"{human(work.room())} of room", settings.store.where]
            if settings.rate:
                rate = in_time(settings.rate, server.data_bytes, settings.deadline_seconds)
                settings = replace(settings, rate=rate)
                done += [f"at most {human(rate or 0)} a second are read"]
        with log.step("dump") as done:
            taken = snapshot.take(
                settings.database, work, log.clock, _dumping(log), settings.packing.compression, settings.rate
            )
            done += [f"{len(taken.inventory.tables)} tables, {taken.inventory.rows} rows"]
            done += [f"{human(taken.dumped.sql_bytes)} of SQL in {human(taken.dumped.bytes)}"]
            done += [f"snapshot {taken.position.file}:{taken.position.position} proven"]
            done += [f"commits waited {taken.blocked_seconds * 1000:.0f} ms"]
            if taken.locked_tables:
                done += [f"writers of {', '.join(taken.locked_tables)} waited {taken.locked_seconds:.1f} s"]
            if not settings.allow_empty:
                check_emptied(taken.inventory.tables, newest(store), settings.database.name)
        started = log.clock()
        proof = _verify(settings, work, server, taken, log)
        seconds = log.clock() - started
        if settings.packing.recipients:
            with log.step("encrypt") as done:
                taken = replace(taken, dumped=sealed(taken.dumped, settings.packing.recipients, work))
                done += [f"for {', '.join(settings.packing.recipients)}"]
        manifest = _manifest(settings, server, taken, proof, seconds)
        manifest = replace(manifest, before_restore=before_restore)
        with log.step("upload") as done:
            manifest = upload(store, taken, manifest)
            done += [
                f"{settings.store.prefix}{manifest.name}, {human(manifest.bytes)}",
                f"sha256 {manifest.sha256}",
            ]
        _prune(settings, store, manifest, log)
        return manifest


def _prune(settings: Settings, store: Store, made: Manifest, log: Log) -> None:
    try:
        with log.step("prune") as done:
            gone = retention.prune(store, settings.keep_days, keep=[made.name, made.before_restore])
            done += [f"{', '.join(gone)} removed" if gone else f"none older than {settings.keep_days} days"]
    except StoreError as error:
        # The new one is whole. That old ones pile up is no reason to call it failed.
        log.say(f"WARNING {error.message} {error.hint}")


def _preflight(settings: Settings, store: Store, work: WorkDir) -> Server:
    server = database.preflight(settings.database)
    restore.check_series(server)
    store.check()
    wanted = restore.EMPTY_SERVER + int(server.data_bytes * _ROOM_FACTOR)
    work.need(wanted, f"a dump and a restored copy of {human(server.data_bytes)}")
    return server


def _dumping(log: Log) -> Callable[[str, int, int, int], None]:
    return lambda table, number, of, dumped: log.progress(
        f"counting table {number} of {of} ({table}), {human(dumped)} of SQL dumped"
    )


def _verify(settings: Settings, work: WorkDir, server: Server, taken: Snapshot, log: Log) -> Proof:
    """Restore the compressed file into a throw-away server and compare everything."""
    name = settings.database.name
    rate, sizes = Rate(settings.rate), mariadbd.SMALL | (mariadbd.GENTLE if settings.rate else {})
    before = 0

    def loading(fed: int) -> None:
        nonlocal before
        log.progress(f"{human(fed)} of {human(taken.dumped.sql_bytes)} restored")
        rate.wait(fed - before)
        before = fed

    with log.step("restore") as done, restore.throwaway(work, server, sizes) as copy:
        if zones.readable(settings.database):
            copy.know_zones(settings.database)
        copy.know_owners(settings.database)
        refused = copy.load(taken.dumped.path, server, name, loading)
        found = copy.inventory(
            name, lambda table, number, of: log.progress(f"comparing table {number} of {of} ({table})")
        )
        found = found.without_events(taken.moved)
        told = (*taken.differences, *refused)
        compared = comparison.compare(taken.inventory, found, partial(copy.again, name), told)
        if compared.lost:
            lines = "\n".join(f"  - {line}" for line in compared.lines)
            raise UserError(
                f"The restored copy is not what the snapshot held:\n{lines}",
                "Nothing was uploaded. Rows may have been lost, or the schema was changed meanwhile. Run the"
                " backup again.",
            )
        proof = Proof(found, (*told, *compared.differing))
        kinds = ", ".join(
            f"{len(names)} {kind}{'s' * (len(names) > 1)}" for kind, names in found.objects.items()
        )
        done += [
            f"{len(found.tables)} tables, {found.rows} rows restored"
            + (f", differences: {len(proof.differences)}" if proof.differences else " and equal"),
            kinds or "no other objects",
        ]
        if taken.moved:
            done += [f"not compared, because they ran or changed meanwhile: events {', '.join(taken.moved)}"]
        return proof


def check_emptied(tables: Mapping[str, Table], earlier: Manifest | None, database: str) -> None:
    """Raise UserError if there is not a row now, and there were some in the earlier backup.

    A copy of nothing always agrees with nothing. What the checks plant does not count.
    """
    if earlier is None or _rows(tables) or not (before := _rows(earlier.tables)):
        return
    raise UserError(
        f"The database {database} has no rows now, but {earlier.name} held {before} rows of database"
        f" {earlier.database}.",
        "Nothing was uploaded, and the older backups stay. If the rows were deleted on purpose, run"
        " `fwb backup now STACK --allow-empty` once: then the nightly backup expects an empty database."
        f" If not, stop the applications, find out why the rows are gone, and restore {earlier.name}.",
    )


def _rows(tables: Mapping[str, Table]) -> int:
    return sum(table.rows for name, table in tables.items() if not name.startswith(CHECKS_PREFIX))


def _manifest(settings: Settings, server: Server, taken: Snapshot, proof: Proof, seconds: float) -> Manifest:
    # What a restore gives, which is what the copy held. `differences` tells where that isn't the original.
    return Manifest(
        name=backup_name(taken.created, settings.packing.suffix),
        created=taken.created,
        bytes=taken.dumped.bytes,
        sha256=taken.dumped.sha256,
        sql_bytes=taken.dumped.sql_bytes,
        database=settings.database.name,
        charset=server.charset,
        collation=server.collation,
        server_version=server.version,
        snapshot=taken.position,
        tables=proof.found.tables,
        objects=proof.found.objects,
        verified=not proof.differences,
        verified_at=datetime.now(UTC),
        restore_seconds=round(seconds, 3),
        differences=proof.differences,
        locked_tables=taken.locked_tables,
        locked_seconds=round(taken.locked_seconds, 3),
        compression=settings.packing.compression,
        recipients=settings.packing.recipients,
        proof=_PROOF.format(
            server=restore.server_version(),
            before=" Then it was encrypted." if settings.packing.recipients else "",
        ),
    )


def upload(store: Store, taken: Snapshot, manifest: Manifest) -> Manifest:
    """Put dump and manifest under a free name."""
    named = [
        replace(manifest, name=_name_of(manifest, taken.created + timedelta(seconds=extra)))
        for extra in range(NAME_TRIES)
    ]
    return publish(store, taken.dumped.path, named, lambda one: check_stored(store, one))


def _name_of(manifest: Manifest, time: datetime) -> str:
    return backup_name(time, Packing(manifest.compression, manifest.recipients).suffix)
