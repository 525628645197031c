"""A backup: all shards at once, then slots that moved meanwhile, then the manifest, which makes it count."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from filewallball.backup.fields import Fields, ManifestError, load
from filewallball.backup.workdir import human
from filewallball.errors import UserError
from filewallball.jobs.joblog import Log
from filewallball.stability import topology
from filewallball.stability.keys import locks, moved, names, pace, parallel, pieces, reading, slots
from filewallball.stability.keys.manifest import Begun, Manifest, Piece, Verify
from filewallball.stability.keys.patience import Patience
from filewallball.stability.keys.pieces import Packing
from filewallball.stability.keys.places import Place
from filewallball.stability.keys.records import parsed
from filewallball.stability.keys.shard import DONE, Job, ShardJob, Taken
from filewallball.stability.keys.wire import Lost, Wire
from filewallball.stability.targets import Target
from filewallball.stability.topology import Deployment

RESUMABLE = timedelta(hours=12)
"""Older unfinished backups are not gone on with: their keys would be of too different times."""
_NAME_TRIES = 5
_SHARDS = 16
"""Shards that are read at a time."""


@dataclass(frozen=True)
class Options:
    """How a backup is made; see the command's options. `rate` None: no limit."""

    way: Literal["auto", "replica", "scan"] = "auto"
    rate: int | None = None
    packing: Packing = "zstd"
    verify: Verify = "sample"
    resume: bool = True


def run(target: Target, place: Place, options: Options, log: Log) -> Manifest:
    """Make one, or go on with one that was interrupted. Raises UserError; then it does not count yet."""
    deployment = topology.find(target)
    down = [
        f"{shard.primary.address} {shard.primary.fault}" for shard in deployment.shards if shard.primary.fault
    ]
    if down:
        raise UserError(f"A shard has no primary: {'; '.join(down)}", "Mend it, and run the command again.")
    with locks.Held() as held:
        begun = _unfinished(target, place, held) if options.resume else None
        found: dict[str, int] = {}
        if begun:
            found = place.sizes(f"{begun.id}/")
            log.say(f"{begun.id} was interrupted, and is gone on with; --no-resume begins a new one")
        else:
            begun = _begin(target, deployment, place, held)
            log.say(
                f"{begun.id} begins: {deployment.kind}, {len(deployment.shards)} shards, to {place.where}"
            )
        return _Backup(target, place, options, log, begun, found).run()


@dataclass
class _Backup:
    target: Target
    place: Place
    options: Options
    log: Log
    begun: Begun
    found: dict[str, int]
    _read: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> Manifest:
        stop = threading.Event()
        job = Job(
            self.target,
            self.place,
            self.begun.id,
            self.options.way,
            self.options.rate,
            self.options.packing,
            self.log.say,
            self._counted,
            self.log.progress,
            stop,
        )
        before, done = self._left()
        behind = pace.stand_back if self.options.rate else None
        with ThreadPoolExecutor(min(_SHARDS, len(self.begun.shards)), "fwb-shard", behind) as pool:
            futures = [
                pool.submit(ShardJob(job, number, nodes, before.get(number, [])).run)
                for number, nodes in enumerate(self.begun.shards)
                if number not in done
            ]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                failed = parallel.first_error(futures)
            finally:
                if not all(each.done() and not each.exception() for each in futures):
                    stop.set()
            if failed:
                raise failed
            taken = sorted([*done.values(), *(each.result() for each in futures)], key=lambda one: one.number)
        late = moved.taken(job, self.begun, taken) if self.begun.kind == "cluster" else ()
        return self._published(taken, late)

    def _counted(self, keys: int) -> None:
        with self._lock:
            self._read += keys
            self.log.progress(f"{self._read:,} keys read")

    def _left(self) -> tuple[dict[int, list[Piece]], dict[int, Taken]]:
        """What the interrupted run has left: pieces by their shard, and the shards that were finished."""
        left: dict[int, list[Piece]] = {}
        done: dict[int, Taken] = {}
        for key in self.found:
            if "/shard-" in key and key.endswith(names.ABOUT) and not key.endswith(DONE):
                piece = Piece.from_json(self.place.get(key) or b"")
                if piece.name in self.found:
                    left.setdefault(piece.shard, []).append(piece)
        for key in self.found:
            if key.endswith(f"-{DONE}"):
                number = int(key.split("/shard-")[1][:2])
                done[number] = _taken(number, load(self.place.get(key) or b""), left.get(number, []))
                self.log.say(f"shard {number}: all of it is in the store, and is not read again")
                self._counted(sum(piece.records for piece in done[number].pieces))
        return left, done

    def _published(self, taken: Sequence[Taken], late: Sequence[Piece]) -> Manifest:
        libraries = self._libraries()
        if libraries:
            self.place.put(f"{self.begun.id}/{names.FUNCTIONS}", libraries)
        made = Manifest(
            id=self.begun.id,
            target=self.target.name,
            kind=self.begun.kind,
            created=self.begun.created,
            finished=datetime.now(UTC),
            servers=tuple(one.server for one in taken),
            ways=tuple(one.way for one in taken),
            rdb=max(one.rdb for one in taken),
            memory=sum(one.memory for one in taken),
            packing=self.options.packing,
            verified=self.options.verify,
            functions=pieces.digest(libraries) if libraries else None,
            notes=tuple(one.note for one in taken if one.note),
            pieces=(*(piece for one in taken for piece in one.pieces), *late),
        )
        self._remove_others(made)
        self._verify(made)
        self.place.put(f"{made.id}/{names.MANIFEST}", made.to_json())
        if self.place.get(f"{made.id}/{names.MANIFEST}") != made.to_json():
            raise UserError(f"The manifest of {made.id} is not what was stored.", "Run the command again.")
        for note in made.notes:
            self.log.say(f"note: {note}")
        self.log.say(
            f"{made.total:,} keys in {len(made.pieces)} pieces, {human(made.size)}"
            f" ({', '.join(sorted(set(made.ways)))}), verified: {made.verified}"
        )
        return made

    def _libraries(self) -> bytes | None:
        patience = Patience(threading.Event())
        while True:
            try:
                first = topology.find(self.target).shards[0].primary.address
                with Wire.to(self.target, first) as wire:
                    return reading.functions(wire)
            except Lost as error:
                patience.again(error)

    def _remove_others(self, made: Manifest) -> None:
        """What runs that were begun again have left."""
        kept = {piece.name.partition(".resp")[0] for piece in made.pieces}
        for key in self.place.sizes(f"{made.id}/"):
            stem = key.partition(".resp")[0].removesuffix(names.ABOUT)
            if key.count("/") == 2 and stem not in kept and not key.endswith(DONE):
                self.place.delete(key)

    def _verify(self, made: Manifest) -> None:
        """Read pieces back: all, or one in ten and the last of each shard, or just their sizes."""
        sizes = self.place.sizes(f"{made.id}/")
        for number, piece in enumerate(made.pieces):
            if sizes.get(piece.name) != piece.size:
                raise pieces.damaged(
                    made, f"{piece.name} has {sizes.get(piece.name, 'no')} bytes of {piece.size}"
                )
            chosen = number % 10 == 0 or piece is made.pieces[-1]
            if made.verified == "full" or (made.verified == "sample" and chosen):
                raw = pieces.unpacked(pieces.fetched(self.place, made, piece), made)
                if (held := sum(1 for _ in parsed(raw))) != piece.records:
                    raise pieces.damaged(made, f"{piece.name} holds {held} keys of {piece.records}")
                self.log.progress(f"{number + 1} of {len(made.pieces)} pieces read back")


def _unfinished(target: Target, place: Place, held: locks.Held) -> Begun | None:
    """The newest backup of the target that this machine has begun, and that nobody is at work on."""
    finished: set[str] = set()
    open_: set[str] = set()
    for key in place.sizes():
        name, _, rest = key.partition("/")
        if names.target_of(name) == target.name:
            (finished if rest == names.MANIFEST else open_).add(name)
    for name in sorted(open_ - finished, reverse=True):
        if datetime.now(UTC) - names.time_of(name) > RESUMABLE:
            return None
        text = place.get(f"{name}/{names.BEGUN}")
        try:
            begun = Begun.from_json(text) if text else None
        except ManifestError:
            continue
        if begun and begun.host == socket.gethostname() and held.take(name):
            return begun
    return None


def _begin(target: Target, deployment: Deployment, place: Place, held: locks.Held) -> Begun:
    now = datetime.now(UTC)
    family = slots.families(deployment)
    view = slots.seen(target, deployment) if deployment.kind == "cluster" else None
    for extra in range(_NAME_TRIES):
        begun = Begun(
            id=names.backup_id(target.name, now + timedelta(seconds=extra)),
            target=target.name,
            kind=deployment.kind,
            created=now,
            host=socket.gethostname(),
            token=secrets.token_hex(8),
            shards=tuple(tuple(node.node_id for node in shard) for shard in deployment.shards),
            owners=slots.owners(view, family) if view else None,
        )
        key = f"{begun.id}/{names.BEGUN}"
        if not held.take(begun.id):
            continue
        place.put(key, begun.to_json())
        if place.get(key) == begun.to_json():
            return begun
    raise UserError(f"Backups begin all the time in {place.where}.", "Run the command again.")


def _taken(number: int, values: Fields, left: Sequence[Piece]) -> Taken:
    run = values.get("run", int)
    mine = sorted((piece for piece in left if piece.run == run), key=lambda piece: piece.number)
    return Taken(
        number,
        tuple(mine),
        values.get("way", str),
        values.get("server", str),
        values.get("memory", int),
        values.get("rdb", int),
        frozenset(values.get("strays", list)),
        values.get("note", str),
    )
