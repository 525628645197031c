"""One snapshot: taken from a replica, loaded by a real server, compared with its own file, uploaded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filewallball.backup.leftovers import sweep_parts
from filewallball.backup.publish import NAME_TRIES, publish
from filewallball.backup.store import Store
from filewallball.backup.workdir import WorkDir, human, work_dir
from filewallball.errors import UserError
from filewallball.jobs.joblog import Log
from filewallball.snapshots import catalogue, functions, transfer
from filewallball.snapshots.manifest import Content, Manifest
from filewallball.snapshots.names import NAMING, snapshot_name
from filewallball.snapshots.sessions import Server, SessionSet
from filewallball.snapshots.settings import Settings
from filewallball.snapshots.throwaway import Throwaway, throwaway
from filewallball.snapshots.transfer import TransferError, Transferred

WORK_SIZE = "filewallball:valkey.snapshots.workSize"


def run(settings: Settings, log: Log) -> Manifest:
    """Take a snapshot and remove those that are too many. Raises UserError; then none was stored."""
    store = Store(settings.store)
    with (
        work_dir(settings.work_dir, settings.work_size, WORK_SIZE) as work,
        throwaway(settings.throwaway) as copy,
    ):
        taken = take(Taking(settings, log, store, work, copy))
    with log.step("prune") as done:
        found = catalogue.entries(store)
        for name in (gone := catalogue.expendable(found, settings.keep)):
            catalogue.remove(store, name)
        done += [f"{len(gone)} removed" if gone else "none too many", f"{len(found) - len(gone)} kept"]
    return taken


class Taking:
    """What taking a snapshot needs."""

    def __init__(self, settings: Settings, log: Log, store: Store, work: WorkDir, copy: Throwaway) -> None:
        self.settings = settings
        self.log = log
        self.store = store
        self.work = work
        self.copy = copy
        self.sessions = SessionSet(settings.set)


def take(taking: Taking, before_restore: str | None = None) -> Manifest:
    """Take, prove and upload one snapshot. Raises UserError that names the step; then none was stored."""
    log, path = taking.log, taking.work.path / "snapshot.rdb"
    with log.step("preflight") as done:
        taking.store.check()
        taking.store.learn(log.say)
        sweep_parts(taking.store, NAMING, log.say)
        servers = _servers(taking.sessions)
        _check_version(servers[0], taking.copy)
        done += [f"{len(servers) - 1} replicas linked", f"Valkey {servers[0].version}"]
        done += [taking.settings.store.where]
    with log.step("transfer") as done:
        created = datetime.now(UTC)
        source, file = _transfer(taking, servers, path)
        done += [f"{human(file.bytes)} from the {_role(source)} {source.address}"]
    with log.step("load") as done:
        databases = proven(taking.copy, path, log)
        libraries = functions.digests(taking.copy.functions())
        manifest = Manifest(
            name=snapshot_name(created),
            created=created,
            bytes=file.bytes,
            sha256=file.sha256,
            server_version=source.version,
            source=f"{_role(source)} {source.address}",
            databases=databases,
            memory=taking.copy.memory(),
            verified=True,
            verified_at=datetime.now(UTC),
            before_restore=before_restore,
            functions=libraries,
        )
        _check_emptiness(taking.sessions, manifest, source)
        done += [f"{manifest.keys} keys in {len(databases)} databases, equal to the file's"]
        done += [f"{len(libraries)} libraries of functions"] if libraries else []
    with log.step("upload") as done:
        names = [snapshot_name(created + timedelta(seconds=extra)) for extra in range(NAME_TRIES)]
        manifest = publish(
            taking.store,
            path,
            [replace(manifest, name=name) for name in names],
            lambda one: catalogue.check_stored(taking.store, one),
        )
        done += [f"{taking.settings.store.prefix}{manifest.name}, {human(manifest.bytes)}"]
        done += [f"sha256 {manifest.sha256}"]
    path.unlink()
    return manifest


def proven(copy: Throwaway, path: Path, log: Log) -> dict[int, Content]:
    """Load the file, and sum up what the server then holds. Raises UserError if that isn't all of it."""
    copy.load(path)
    return copy.held(lambda keys: log.progress(f"{keys} keys summed up"))


def _servers(sessions: SessionSet) -> list[Server]:
    """Those that can be asked, the best first: the primary is spared if there is a replica."""
    primary = sessions.primary()
    return [sessions.look(one) for one in [*sessions.replicas(primary), primary]]


def _transfer(taking: Taking, servers: list[Server], path: Path) -> tuple[Server, Transferred]:
    failures: list[str] = []
    hint, told = "", taking.settings.set
    for server in servers:
        taking.work.need(server.used_memory, f"a snapshot of {human(server.used_memory)} of data")

        def progress(size: int) -> None:
            taking.work.check()
            taking.log.progress(f"{human(size)} received")

        try:
            return server, transfer.fetch(server.address, told.password, path, progress, told.ca_file)
        except TransferError as error:
            failures.append(error.message)
            hint = error.hint
    raise TransferError("\n".join(failures), hint)


def _check_version(server: Server, copy: Throwaway) -> None:
    if server.version.split(".")[:2] != copy.version.split(".")[:2]:
        raise UserError(
            f"The set runs Valkey {server.version}, and the throw-away server runs {copy.version}.",
            "Both come from filewallball:valkey.image. Run `fwb up`, and wait until it has ended.",
        )


def _check_emptiness(sessions: SessionSet, manifest: Manifest, source: Server) -> None:
    """An empty copy of a set that isn't empty would count as the newest snapshot."""
    if manifest.keys or source.role == "master":
        return
    if keys := sessions.look(sessions.primary()).keys:
        raise UserError(
            f"{source.address} handed over no keys, but the primary holds {keys}.",
            "The replica is behind, or keys were just written. Run the command again.",
        )


def _role(server: Server) -> str:
    return "primary" if server.role == "master" else "replica"
