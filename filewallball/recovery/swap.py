"""A backup takes the place of the database, in such a way that it can be stopped and killed anywhere.

1. The stored file is proven by its checksum; what doesn't fit this server is refused. Nothing was touched.
2. The server refuses ordinary users' writes, which would be lost; they can read on.
3. What is there now is backed up as every night. If it can't be, the old data folder is kept.
4. The server's data is copied without that database: other databases, users and rights.
5. A throw-away server on the copy loads the backup under the database's own name, and all is compared with
   the manifest.
6. The server ends, the two folders change places by renames, and the server starts again.

Where only some tables are wanted, they are made in a fresh server before step 2; then all data is copied, and
they are put into the copy in step 5.

Until the last step the old data is served, whatever happens; from then on the restored one is.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from facts.recovery import KEPT
from filewallball.backup import age, job
from filewallball.backup.manifest import Manifest
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.store import Store
from filewallball.backup.workdir import WorkDir, human
from filewallball.errors import UserError
from filewallball.jobs.joblog import Log
from filewallball.jobs.stopping import Stopped, told
from filewallball.recovery import choosing, copying, forward, fresh, live, loading, references, tables
from filewallball.recovery.choosing import Target, Wanted
from filewallball.recovery.forward import Forward
from filewallball.recovery.live import Live
from filewallball.recovery.settings import Settings
from filewallball.recovery.volume import SETTING, Interrupted, Shared, Volume

_DATA_FACTOR = 1.75
"""Disk space of a database, as a multiple of the SQL that makes it."""
_SPARE = 384 * 2**20
"""Bytes for the system tables, logs and temporary files of the server on the copy."""


@dataclass(frozen=True)
class Chosen:
    """The backup, the server that it goes to, and what is replayed after it."""

    manifest: Manifest
    server: Live
    forward: Forward | None = None


def run(settings: Settings, log: Log, wanted: Wanted, names: Collection[str] = ()) -> Manifest:
    """Restore what is wanted, or the tables `names` of it.

    Raises UserError that says what the server holds.
    """
    store, volume = Store(settings.backup.store), Volume(settings.volume)
    with volume.alone():
        with _unchanged("The database was left as it is."):
            chosen = choose(settings, log, store, wanted)
            if not chosen.forward:  # the log may make tables and drop them
                references.check_names(names, chosen.manifest.tables, chosen.manifest.name)
            log.say(f"took about {chosen.manifest.restore_seconds:.0f} s when it was tried after it was made")
            _check_room(settings, volume, chosen.manifest, names)
        with work_folder(settings) as work:
            saved, kept = _swapped(settings, log, store, volume, work, chosen, names)
        with log.step("check") as done:
            of = names or ({} if chosen.forward else chosen.manifest.tables)
            live.wait_back(settings.backup.database, of)
            done += [f"the server serves {named(names)}{chosen.manifest.name}, and takes writes"]
        _tidy(log, volume, saved, kept)
        _backed_up_again(settings, log, store)
    return chosen.manifest


def choose(settings: Settings, log: Log, store: Store, wanted: Wanted) -> Chosen:
    """Raises UserError if there is none, or if it doesn't fit the server."""
    with log.step("choose") as done:
        database = settings.backup.database
        server = live.look(database)
        loading.check_series(server.version)
        manifest = choosing.choose(store, wanted, Target(database.name, server.version))
        keys = _keys(settings, manifest)
        rows = sum(table.rows for table in manifest.tables.values())
        done += [manifest.name, choosing.how_old(manifest), f"{len(manifest.tables)} tables, {rows} rows"]
    ahead = forward.plan(store, manifest, wanted.at, keys, log) if wanted.at else None
    return Chosen(manifest, server, ahead)


def _keys(settings: Settings, manifest: Manifest) -> list[age.Identity]:
    """The private keys that were given. Raises age.NoKey if they are sure not to open the backup."""
    keys = age.identities(settings.identity) if settings.identity else []
    age.check_opens(keys, manifest.recipients, manifest.name)
    return keys


@contextmanager
def work_folder(settings: Settings) -> Generator[WorkDir]:
    """A folder of the restore's own, since the backups that it makes clear theirs."""
    path = settings.backup.work_dir / "restore"
    try:  # from here on: a signal may come at any moment
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        yield WorkDir(path, None, SETTING)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def fetch(settings: Settings, log: Log, store: Store, chosen: Chosen, path: Path) -> None:
    """Download the backup to `path`, proven. Raises Damaged, StoreError."""
    manifest = chosen.manifest
    keys = _keys(settings, manifest)
    with log.step("download") as done:
        target = Target(settings.backup.database.name, chosen.server.version)
        of = human(manifest.bytes)
        choosing.fetch(
            store,
            manifest,
            target,
            path,
            keys,
            lambda size: log.progress(f"{human(size)} of {of} downloaded"),
        )
        done += [of, "SHA-256 as in the manifest"]


def named(names: Collection[str]) -> str:
    """What stands before a backup's name, where only some of its tables are meant."""
    return f"{', '.join(names)} of " if names else ""


def fresh_folder(volume: Volume) -> WorkDir:
    """A folder on the volume for a fresh server."""
    path = volume.folder / "fresh"
    path.mkdir(mode=0o700)
    return WorkDir(path, None, SETTING)


def _check_room(settings: Settings, volume: Volume, manifest: Manifest, names: Collection[str]) -> None:
    copied = volume.used(but="" if names else settings.backup.database.name)
    data = int(manifest.sql_bytes * _DATA_FACTOR)
    # Of some tables there are two dumps: the backup, and what is taken from it.
    wanted = copied + data + manifest.bytes * (2 if names else 1) + _SPARE
    what = "data" if names else "other data"
    volume.need(wanted, f"a copy of the server's {what} ({human(copied)}) and the restored database")


def _swapped(
    settings: Settings,
    log: Log,
    store: Store,
    volume: Volume,
    work: WorkDir,
    chosen: Chosen,
    names: Collection[str],
) -> tuple[Manifest | None, str]:
    """Do all up to the swap; the backup of what was there, if there is one, and the kept folder's name."""
    database = settings.backup.database
    shared: Shared | None = None
    try:
        with told(), volume.shared() as shared:
            dump = volume.folder / "dump"
            if names:
                tables.check_live(shared, database.name, names)
            fetch(settings, log, store, chosen, dump)
            load = loading.Loading(dump, chosen.manifest, chosen.server, chosen.forward, log, shared.check)
            part = fresh.take(fresh_folder(volume), database, load, names) if names else None
            with log.step("hold") as done:
                login = live.hold(shared, database)
                done += ["the server refuses writes until the restore has ended; reading goes on"]
            saved = _saved(settings, log, store, chosen.manifest)
            _copied(log, volume, shared, work, login, "" if part else database.name)
            if part:
                tables.put_back(work, volume.copy, load, part)
            else:
                load.onto(work, volume.copy)
            dump.unlink()
            return saved, _handed_over(log, shared, saved)
    except (UserError, OSError) as error:
        if shared and shared.handed_over and not isinstance(error, Interrupted):
            raise
        known = error if isinstance(error, UserError) else UserError(str(error))
        now = live.wait_writable(database)
        raise known.retold(known.message, f"{now} {known.hint}".strip()) from error


def _saved(settings: Settings, log: Log, store: Store, manifest: Manifest) -> Manifest | None:
    log.say("saving what is there now as a backup of its own")
    # Writers wait for its end, so that it need not spare them.
    at_full_speed = replace(settings.backup, allow_empty=True, rate=None)
    try:
        saved = job.run(at_full_speed, log, store, before_restore=manifest.name)
    except Stopped:
        raise
    except UserError as error:
        log.say(f"what is there now can't be backed up: {error.message}")
        log.say("so its data folder will be kept")
        return None
    log.say(f"saved: `fwb restore STACK -f {saved.name}` brings it back")
    return saved


def _copied(
    log: Log,
    volume: Volume,
    shared: Shared,
    work: WorkDir,
    login: DatabaseSettings,
    but: str,
) -> None:
    def watched() -> None:
        shared.check()
        log.progress("copying the server's data")

    with log.step("copy") as done:
        copying.copy(login, volume.data, volume.copy, but, work, watched)
        done += [f"{'other' if but else 'all'} databases, users and rights copied"]


def _handed_over(log: Log, shared: Shared, saved: Manifest | None) -> str:
    with log.step("swap") as done:
        kept = shared.hand_over(
            lambda kept: log.say(f"the server restarts with the restored data; its folder until now: {kept}"),
            saved=saved is not None,
        )
        done += ["the server has taken the restored data"]
        return kept


def _tidy(log: Log, volume: Volume, saved: Manifest | None, kept: str) -> None:
    if saved is None:
        log.say(
            f"The data until now is kept on the server's volume as {kept}. Delete that folder when you no "
            "longer need it."
        )
        return
    shutil.rmtree(volume.path / kept, ignore_errors=True)
    if others := [name for name in volume.kept() if name.startswith(KEPT)]:
        log.say(f"kept by earlier restores, and taking room on the server's volume: {', '.join(others)}")


def _backed_up_again(settings: Settings, log: Log, store: Store) -> None:
    """The binary log tells nothing of a swap: only what is backed up after it can be replayed from."""
    log.say("backing up what was restored: from this backup on, `--at` works again")
    try:
        job.run(replace(settings.backup, allow_empty=True), log, store)
    except Stopped:
        raise
    except UserError as error:
        raise error.retold(
            f"The database is restored and in use, but can't be backed up: {error.message}",
            f"Until there is a backup, `--at` doesn't reach beyond this restore. {error.hint}",
        ) from error


@contextmanager
def _unchanged(sentence: str) -> Generator[None]:
    try:
        with told():
            yield
    except UserError as error:
        raise error.retold(error.message, f"{sentence} {error.hint}".strip()) from error
