"""Putting a snapshot in the place of the set's data, in such a way that it can be stopped anywhere.

1. The stored file is proven: its checksum, then a trial load, whose digest must be that of the manifest.
2. What the set holds now is put aside as a snapshot of its own.
3. The keys are written into a database that nobody uses, on the primary; replicas follow as with all writes.
   Users go on with what they have.
4. The primary and every linked replica are compared with the snapshot, key by key.
5. The two databases change places, which is one command for the primary and for its replicas.
6. When all databases are in place, the libraries of functions are, too.

Loading the file through replication would be less work, but makes the primary a replica for a while: the
Sentinels and the members' agents would put another in its place.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filewallball.backup.store import Store
from filewallball.backup.workdir import human, work_dir
from filewallball.errors import UserError
from filewallball.jobs.joblog import Log
from filewallball.jobs.stopping import told
from filewallball.snapshots import catalogue, functions, job
from filewallball.snapshots.job import WORK_SIZE, Taking
from filewallball.snapshots.lock import Lock
from filewallball.snapshots.manifest import Manifest
from filewallball.snapshots.placing import Placing
from filewallball.snapshots.settings import Settings
from filewallball.snapshots.throwaway import throwaway


class LockedLog(Log):
    """A log whose every sign of progress also keeps the lock."""

    lock: Lock | None = None

    def progress(self, text: str) -> None:
        if self.lock:
            self.lock.keep()
        super().progress(text)


def run(settings: Settings, log: LockedLog, name: str | None) -> Manifest:
    """Restore the snapshot of that name, or the latest. Raises UserError that says what the set holds."""
    store = Store(settings.store)
    with (
        work_dir(settings.work_dir, settings.work_size, WORK_SIZE) as work,
        throwaway(settings.throwaway) as copy,
    ):
        taking = Taking(settings, log, store, work, copy)
        with _nothing_changed():
            manifest = _chosen(taking, name)
            path = _downloaded(taking, manifest)
            _tried(taking, manifest, path)
            primary = taking.sessions.primary()
        with ExitStack() as stack:
            with _nothing_changed():
                placing = Placing(taking.sessions, copy, manifest, primary, log)
                placing.check_servers()
                placing.check_room()
                log.lock = stack.enter_context(Lock(taking.sessions, primary))
                log.say(
                    f"saving what the set holds now as a snapshot, before {manifest.name} takes its place"
                )
                aside = job.take(taking, before_restore=manifest.name)
                log.say(f"saved: `fwb valkey restore STACK --name {aside.name}` brings it back")
                _tried(taking, manifest, path)
            placing.run()
        return manifest


def _chosen(taking: Taking, name: str | None) -> Manifest:
    with taking.log.step("choose") as done:
        manifest = catalogue.find(taking.store, name) if name else catalogue.latest(taking.store)
        if manifest is None:
            raise UserError(
                f"There is no verified snapshot with keys in {taking.settings.store.where}.",
                "Look at `fwb valkey backup list STACK`, which shows all snapshots.",
            )
        if not manifest.verified:
            raise UserError(f"{manifest.name} was never loaded by a server.", "Choose a verified snapshot.")
        age = int(time.time() - manifest.created.timestamp()) // 60
        done += [manifest.name, f"{manifest.keys} keys", f"{age} minutes old"]
        return manifest


def _downloaded(taking: Taking, manifest: Manifest) -> Path:
    with taking.log.step("download") as done:
        taking.work.need(manifest.bytes, f"{manifest.name}, {human(manifest.bytes)},")
        path = taking.work.path / "restore.rdb"
        catalogue.check_stored(taking.store, manifest, path)
        done += [human(manifest.bytes), "SHA-256 as in the manifest"]
        return path


def _tried(taking: Taking, manifest: Manifest, path: Path) -> None:
    """Load the file; from then on the throw-away server holds the snapshot."""
    with taking.log.step("trial") as done:
        held = job.proven(taking.copy, path, taking.log)
        found = {number: one for number, one in held.items() if number in manifest.covered}
        libraries = functions.digests(taking.copy.functions())
        # An older manifest doesn't know of functions; what its file holds is brought back all the same.
        if found != manifest.databases or (manifest.format > 1 and libraries != manifest.functions):
            raise catalogue.damaged(
                manifest, "a server that loaded it holds other data than when it was taken"
            )
        done += [f"{manifest.keys} keys loaded, as when it was taken"]


@contextmanager
def _nothing_changed() -> Generator[None]:
    try:
        with told():
            yield
    except UserError as error:
        raise error.retold(error.message, f"The set was left as it is. {error.hint}".strip()) from error
