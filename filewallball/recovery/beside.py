"""A backup becomes a new database beside the present one, on the server that is in use. Nothing else changes.

Its user may do everything in that database alone, and exists as long as the restore works. If anything fails,
the new database is removed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from filewallball.backup import inventory
from filewallball.backup.database import connect, quote
from filewallball.backup.manifest import Manifest
from filewallball.backup.packed import unpacked
from filewallball.backup.program import client_environment, feeding, login
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.store import Store
from filewallball.backup.workdir import WorkDir, human
from filewallball.errors import UserError
from filewallball.jobs.joblog import Log
from filewallball.recovery import fresh, live, loading, references, swap
from filewallball.recovery.choosing import Wanted
from filewallball.recovery.comparing import differing
from filewallball.recovery.loading import Loading
from filewallball.recovery.settings import Settings
from filewallball.recovery.swap import Chosen
from filewallball.recovery.volume import Shared, Volume


def run(settings: Settings, log: Log, wanted: Wanted, into: str, tables: Sequence[str] = ()) -> Manifest:
    """Load what is wanted into the new database `into`; of it, only `tables` are kept, if any are named.

    The state of a moment is made in a fresh server first: the binary log knows the database by its own name.
    Raises ConfigError if that database exists or there is no such table, UserError.
    """
    store, volume = Store(settings.backup.store), Volume(settings.volume)
    with volume.alone():
        chosen = swap.choose(settings, log, store, wanted)
        if not chosen.forward:  # the log may make tables and drop them
            references.check_names(tables, chosen.manifest.tables, chosen.manifest.name)
        needed = chosen.manifest.sql_bytes * 2 + chosen.manifest.bytes
        volume.need(int(needed) * (2 if chosen.forward else 1), f"the new database {into}")
        with swap.work_folder(settings) as work, volume.shared() as shared:
            dump = volume.folder / "dump"
            swap.fetch(settings, log, store, chosen, dump)
            manifest = chosen.manifest
            if chosen.forward:
                dump, manifest = _forward(settings, log, volume, shared, dump, chosen)
                references.check_names(tables, manifest.tables, f"the database at {chosen.forward}")
            user = live.make(shared, settings.backup.database, into, manifest)
            try:
                _load(user, log, work, shared, dump, manifest, into)
                _keep(user, log, manifest, tables)
            except BaseException:
                _remove(user, log, into)
                raise
        live.wait_writable(settings.backup.database)
    return chosen.manifest


def _forward(
    settings: Settings, log: Log, volume: Volume, shared: Shared, dump: Path, chosen: Chosen
) -> tuple[Path, Manifest]:
    """The dump of the moment that is wanted, and what the backup's manifest would be then."""
    load = Loading(dump, chosen.manifest, chosen.server, chosen.forward, log, shared.check)
    taken = fresh.take(swap.fresh_folder(volume), settings.backup.database, load)
    dump.unlink()
    held = taken.inventory
    return taken.dump, replace(
        chosen.manifest, tables=held.tables, objects=held.objects, sql_bytes=taken.sql_bytes
    )


def _load(
    user: DatabaseSettings,
    log: Log,
    work: WorkDir,
    shared: Shared,
    dump: Path,
    manifest: Manifest,
    into: str,
) -> None:
    with log.step("load") as done:
        progress = loading.told(log, manifest.sql_bytes, shared.check)
        _feed(user, work, dump, into, progress)
        done += [f"{human(manifest.sql_bytes)} of SQL into {into}"]
    with log.step("compare") as done, connect(user, "Comparing the new database") as connection:

        def step(table: str, number: int, of: int) -> None:
            shared.check()
            log.progress(f"comparing table {number} of {of} ({table})")

        lines = differing(manifest, inventory.take(connection.cursor(), into, step))
        if lines:
            raise UserError(
                "\n  - ".join(["The new database is not what the manifest tells:", *lines]),
                f"Choose another backup than {manifest.name}.",
            )
        done += ["all tables and objects are as in the manifest"]


def _feed(
    user: DatabaseSettings, work: WorkDir, dump: Path, into: str, progress: Callable[[int], None]
) -> None:
    messages = work.path / "client.err"
    with messages.open("wb") as errors_to:
        client = subprocess.Popen(
            [
                *login("mariadb", user),
                "--binary-mode",
                "--comments",
                "--default-character-set=utf8mb4",
                "--max-allowed-packet=1G",
                into,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors_to,
            env={**client_environment(work), "MYSQL_PWD": user.password},
        )
    fed = 0
    with feeding(client) as pipe:
        for piece in unpacked(dump):
            pipe.write(piece)
            fed += len(piece)
            progress(fed)
    if client.returncode != 0:
        said = messages.read_text(encoding="utf-8", errors="replace").strip()
        raise UserError(
            f"Loading the backup failed: {said[-2000:]}",
            "Correct what this says, and run the restore again.",
        )


def _keep(user: DatabaseSettings, log: Log, manifest: Manifest, tables: Sequence[str]) -> None:
    """Drop all but the named tables: only the whole could be compared."""
    if not tables:
        return
    with log.step("keep") as done, connect(user, "Dropping what was not asked for") as connection:
        cursor = connection.cursor()
        cursor.execute("SET SESSION foreign_key_checks = 0")
        for kind in ("view", "trigger", "event", "sequence"):
            for name in manifest.objects.get(kind, {}):
                cursor.execute(f"DROP {kind.upper()} IF EXISTS {quote(name)}")
        for label in manifest.objects.get("routine", {}):
            sort, _, name = label.partition(" ")
            cursor.execute(f"DROP {sort.upper()} IF EXISTS {quote(name)}")
        for name in sorted({*manifest.tables} - {*tables}):
            cursor.execute(f"DROP TABLE {quote(name)}")
        done += [f"only the rows of {', '.join(tables)}, without triggers"]


def _remove(user: DatabaseSettings, log: Log, into: str) -> None:
    try:
        with connect(replace(user, name="information_schema"), f"Removing {into}") as connection:
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {quote(into)}")
    except UserError as error:
        log.say(f"the unfinished database {into} is still there: {error.message} Remove it by DROP DATABASE.")
