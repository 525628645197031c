"""Restoring a backup: all of it is looked through first, then placed, then compared.

Keys of the backup replace keys of that name, or leave them as they are where the user says so. All other keys
stay. What has expired since is not placed, and what is there under its name stays.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from filewallball.backup.workdir import human
from filewallball.errors import ConfigError, UserError
from filewallball.jobs.joblog import Log
from filewallball.stability.keys import catalogue, locks, parallel, pieces, preflight
from filewallball.stability.keys.comparing import Compared, compare
from filewallball.stability.keys.manifest import Manifest, Piece, Verify
from filewallball.stability.keys.patience import Patience, Stopped
from filewallball.stability.keys.places import Place
from filewallball.stability.keys.progress import Progress
from filewallball.stability.keys.records import Record, matcher, parsed
from filewallball.stability.keys.wire import Lost, words
from filewallball.stability.keys.writing import Counts, Map, Writer
from filewallball.stability.targets import Target

_WORKERS = 2
"""Pieces that are placed at a time for each shard: one is sent while the other is fetched."""
_SAMPLE = 2000
"""Keys that are compared at the end."""
_CHUNK = 500


@dataclass(frozen=True)
class Options:
    """How a backup is restored; see the command's options."""

    overwrite: bool = True
    match: str | None = None
    database: int | None = None
    verify: Verify = "sample"
    dry_run: bool = False


def run(target: Target, place: Place, manifest: Manifest, options: Options, log: Log) -> None:
    """Raises UserError that says how far it got."""
    with locks.Held() as held:
        restore = _Restore(target, place, manifest, options, log)
        if not options.dry_run and not held.take(f"restore-{restore.progress.mark}"):
            raise UserError(
                f"Another restore to {target.name} is under way on this machine.", "Wait until it has ended."
            )
        restore.run()


@dataclass
class _Restore:
    target: Target
    place: Place
    manifest: Manifest
    options: Options
    log: Log
    counts: Counts = field(default_factory=Counts)
    sample: list[tuple[int, Record]] = field(default_factory=list[tuple[int, Record]])
    stop: threading.Event = field(default_factory=threading.Event)
    _seen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.pieces = [
            piece
            for piece in self.manifest.pieces
            if piece.records and self.options.database in (None, piece.database)
        ]
        self.matches: Callable[[bytes], bool] | None = (
            matcher(self.options.match) if self.options.match else None
        )
        nodes = () if self.target.forwarded else map(str, self.target.nodes)
        about = (self.manifest.id, self.target.source, *nodes, repr(self.options))
        self.progress = Progress(hashlib.sha256("\n".join(about).encode()).hexdigest()[:16])

    def run(self) -> None:
        self.slots = Map(self.target)
        if self.options.database is not None and self.options.database not in self.manifest.keys:
            raise ConfigError(
                f"{self.manifest.id} holds no keys of database {self.options.database}",
                f"It holds database {', '.join(map(str, self.manifest.keys)) or 'none'}. Choose one of them.",
            )
        databases = {self._into(piece) for piece in self.pieces}
        preflight.check(self.slots, self.manifest, databases)
        self._look_through()
        if self.options.dry_run:
            self._each(self.pieces, self._rehearse)
            self.log.say(self.counts.told("would be placed", overwrite=self.options.overwrite))
            return
        done = self.progress.done()
        if done:
            self.log.say(f"an interrupted restore is gone on with: {len(done)} of {len(self.pieces)} pieces")
        if self.pieces:
            self._probe()
        first = [piece for piece in self.pieces if not piece.phase]
        self._each(first, self._place)
        # Keys of slots that moved are in other pieces as well, as they were before.
        for piece in self.pieces:
            if piece.phase:
                self._each([piece], self._place)
        self._functions()
        self.log.say(self.counts.told("placed", overwrite=self.options.overwrite))
        self._compare()
        self.progress.forget()

    def _into(self, piece: Piece) -> int:
        """The database that takes a piece."""
        return 0 if self.slots.cluster and self.options.database is not None else piece.database

    def _look_through(self) -> None:
        """Nothing is placed from a backup of which a part is damaged or missing."""
        preflight.look(self.place, self.manifest)
        if self.options.verify != "none":
            self._each(self.pieces, lambda piece: (pieces.fetched(self.place, self.manifest, piece), None)[1])
            self.log.say(f"{len(self.pieces)} pieces, {human(self.manifest.size)}, are as they were stored")

    def _records(self, piece: Piece) -> list[Record]:
        """Those to be placed."""
        now = time.time() * 1000
        counts = Counts()
        found: list[Record] = []
        for record in parsed(self._raw(piece)):
            if self.matches and not self.matches(record.key):
                counts.unmatched += 1
            elif 0 < record.expiry <= now:
                counts.expired += 1
            else:
                found.append(record)
        self._add(counts)
        return found

    def _raw(self, piece: Piece) -> bytes:
        return pieces.unpacked(pieces.fetched(self.place, self.manifest, piece), self.manifest)

    def _place(self, piece: Piece) -> None:
        with closing(self._writer(piece)) as writer:
            if piece.name in self.progress.done() and self._is_there(writer, piece):
                return
            if self._whole(piece):
                raw = self._raw(piece)
                if writer.pour(raw, piece.records):
                    self._add(Counts(placed=piece.records))
                    self._keep_some(self._into(piece), parsed(raw), piece.records)
                    self.progress.add(piece.name)
                    return
            records = self._records(piece)
            self._add(writer.write(records))
            self._keep_some(self._into(piece), records, len(records))
            self.progress.add(piece.name)

    def _whole(self, piece: Piece) -> bool:
        """Whether it can be sent as it is."""
        lasts = piece.first_expiry is None or piece.first_expiry > time.time() * 1000
        return lasts and self.options.overwrite and not self.matches and not self.slots.cluster

    def _is_there(self, writer: Writer, piece: Piece) -> bool:
        """Whether a piece that an interrupted restore has placed is still there, as far as some keys tell."""
        records = self._records(piece)
        some = records[:: max(1, len(records) // 20)]
        if not all(self._exist(writer, some)):
            return False
        self._add(Counts(placed=len(records)))
        self._keep_some(self._into(piece), records, len(records))
        return True

    def _exist(self, writer: Writer, records: Sequence[Record]) -> list[bool]:
        patience = Patience(self.stop)
        while True:
            try:
                replies = writer.ask([(each.key, words("EXISTS", each.key)) for each in records])
                return [reply == 1 for reply in replies]
            except Lost as error:
                self._again(writer, patience, error)

    def _rehearse(self, piece: Piece) -> None:
        records = self._records(piece)
        with closing(self._writer(piece)) as writer:
            there = 0
            for start in range(0, len(records), _CHUNK):
                there += sum(self._exist(writer, records[start : start + _CHUNK]))
            self._add(Counts(placed=len(records) - there, existing=there))

    def _writer(self, piece: Piece) -> Writer:
        return Writer(self.slots, self._into(piece), not self.options.overwrite, self.stop)

    def _probe(self) -> None:
        """Raise UserError if the target can't read the values; only a key of our own is written."""
        with closing(self._writer(self.pieces[0])) as writer:
            record = next(parsed(self._raw(self.pieces[0])))
            preflight.probe(writer, record)

    def _functions(self) -> None:
        if self.manifest.functions is None or self.options.match or self.options.database is not None:
            return
        added = preflight.place_functions(
            self.slots, self.place, self.manifest, overwrite=self.options.overwrite
        )
        self.log.say(added)

    def _keep_some(self, database: int, records: Sequence[Record] | Iterator[Record], count: int) -> None:
        """A sample of all records so far, for the comparison; every key of moved slots is the later one's."""
        if self.options.verify != "sample":
            return
        share = max(1, round(_SAMPLE * count / max(1, self.manifest.total)))
        chosen = set(random.sample(range(count), min(share, count)))
        some = [(database, record) for number, record in enumerate(records) if number in chosen]
        with self._lock:
            self.sample += some

    def _compare(self) -> None:
        if self.options.verify == "none":
            return
        later = {record.key for piece in self.pieces if piece.phase for record in parsed(self._raw(piece))}
        found = Compared()
        if self.options.verify == "sample":
            groups: dict[int, list[Record]] = {}
            for database, record in self.sample:
                if record.key not in later:
                    groups.setdefault(database, []).append(record)
            for database, records in groups.items():
                found.add(self._compared(database, records))
        else:
            self._each(self.pieces, lambda piece: self._compare_piece(piece, later, found))
        how = "all" if self.options.verify == "full" else "a sample"
        self.log.say(
            f"compared {how}: {found.equal:,} keys equal, {found.expired:,} expired,"
            f" {found.missing:,} missing, {found.differing:,} different"
        )
        if not found.good:
            raise UserError(
                f"{found.missing + found.differing} keys are not as in {self.manifest.id}, such as"
                f" {', '.join(repr(key)[1:] for key in found.examples)}.",
                "Another program may have changed them, or the servers have evicted keys. Stop the one, or "
                "raise maxmemory, and run the command again.",
            )

    def _compare_piece(self, piece: Piece, later: set[bytes], found: Compared) -> None:
        records = [each for each in self._records(piece) if piece.phase or each.key not in later]
        compared = self._compared(self._into(piece), records)
        with self._lock:
            found.add(compared)

    def _compared(self, database: int, records: Sequence[Record]) -> Compared:
        """Those that a restore without --overwrite has left as they are may well differ: only loss counts."""
        found, patience = Compared(), Patience(self.stop)
        with closing(Writer(self.slots, database, True, self.stop)) as writer:
            for start in range(0, len(records), _CHUNK):
                chunk = records[start : start + _CHUNK]
                while True:
                    try:
                        found.add(compare(writer, chunk))
                        break
                    except Lost as error:
                        self._again(writer, patience, error)
        if not self.options.overwrite:
            found.equal, found.differing = found.equal + found.differing, 0
        return found

    def _again(self, writer: Writer, patience: Patience, error: Lost) -> None:
        writer.close()
        patience.again(error)
        try:
            self.slots.renew(self.slots.age)
        except Lost as other:
            patience.again(other)

    def _each(self, some: Sequence[Piece], work: Callable[[Piece], None]) -> None:
        """Do it for several pieces at a time. Raises the first error."""

        def one(piece: Piece) -> None:
            if self.stop.is_set():
                raise Stopped("Another part has failed.")
            work(piece)
            with self._lock:
                self._seen += 1
                self.log.progress(f"{self.counts.placed:,} of {self.manifest.total:,} keys")

        parallel.each(some, one, _WORKERS * len(self.slots.primaries()), self.stop)

    def _add(self, counts: Counts) -> None:
        with self._lock:
            self.counts.add(counts)


def chosen(place: Place, source: str, name: str | None) -> Manifest:
    """The backup of that name, or the latest of the target `source`. Raises UserError."""
    return catalogue.find(place, name) if name else catalogue.latest(place, source)
