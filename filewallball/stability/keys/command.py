"""What `fwb redis backup` and `fwb redis restore` do."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filewallball.backup.workdir import human
from filewallball.errors import ConfigError, UserError
from filewallball.jobs.joblog import Log
from filewallball.stability import forwarded, in_stack, targets
from filewallball.stability.keys import catalogue, pace, places, restoring, taking
from filewallball.stability.keys.manifest import Verify
from filewallball.stability.keys.pieces import Packing
from filewallball.stability.local import Local
from filewallball.stability.targets import Target


def backup(
    folder: Path,
    target: str,
    store: str | None,
    *,
    way: Literal["auto", "replica", "scan"],
    rate: int | None,
    packing: Packing,
    verify: Verify,
    resume: bool,
) -> int:
    """`rate`: keys a second of each shard; None: the default; 0: no limit. Raises UserError."""
    local = Local.read(folder)
    place = places.place(local, folder, store, _say)
    limit = pace.DEFAULT if rate is None else rate or None
    options = taking.Options(way, limit, packing, verify, resume)
    with _target(target, folder, local) as source:
        made = taking.run(source, place, options, Log(_say))
    print(f"backup_id: {made.id}", flush=True)
    return 0


def restore(
    folder: Path,
    target: str,
    store: str | None,
    *,
    latest: bool,
    name: str | None,
    to: str | None,
    overwrite: bool,
    match: str | None,
    database: int | None,
    dry_run: bool,
    verify: Verify,
) -> int:
    """Raises UserError, ConfigError."""
    if latest == (name is not None):
        raise ConfigError(
            "Which backup?" if name is None else "--latest and --id are both given",
            "Write --latest, or --id with a backup_id. `fwb redis restore TARGET --list` shows them.",
        )
    local = Local.read(folder)
    source = _name(target, folder, local)
    place = places.place(local, folder, store, _say)
    manifest = restoring.chosen(place, source, name)
    log = Log(_say)
    what = "replaced" if overwrite else "left as they are"
    options = restoring.Options(overwrite, match, database, verify, dry_run)
    with _target(to or target, folder, local) as into:
        log.say(
            f"{manifest.id}: {manifest.total:,} keys of {manifest.target} as of"
            f" {manifest.created:%Y-%m-%d %H:%M:%S} UTC, to {into}"
        )
        log.say(f"keys of the backup that exist are {what}; keys that are not in the backup stay")
        restoring.run(into, place, manifest, options, log)
    print(f"{'would be restored' if dry_run else 'restored'}: {manifest.id}", flush=True)
    return 0


def show(folder: Path, target: str, store: str | None) -> int:
    """A line for each backup of the target, the newest first."""
    local = Local.read(folder)
    source = _name(target, folder, local)
    place = places.place(local, folder, store, _say)
    whole, begun = catalogue.finished(place)
    for name in sorted({*whole, *begun}, reverse=True):
        if name in begun:
            print(f"{name}  not finished")
            continue
        try:
            made = catalogue.find(place, name)
        except UserError as error:
            print(f"{name}  {error.message}")
            continue
        print(
            f"{name}  {made.total:>12,} keys  {human(made.size):>10}  {made.kind}, verified: {made.verified}"
        )
    if not whole and not begun:
        print(f"No backups in {place.where}. `fwb redis backup TARGET` makes one of {source}.")
    return 0


def _name(text: str, folder: Path, local: Local) -> str:
    """What backups of the target are called by; it need not be there any more."""
    of_stack = in_stack.split(text)
    return "-".join(of_stack) if of_stack else targets.read(text, folder, local).name


@contextmanager
def _target(name: str, folder: Path, local: Local) -> Generator[Target]:
    with forwarded.target(folder, name) as part:
        yield part or targets.read(name, folder, local)


def _say(line: str) -> None:
    print(line, flush=True)
