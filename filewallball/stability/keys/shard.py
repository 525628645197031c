"""One shard of a backup: read in one of two ways, cut into pieces, and begun again where a server fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from filewallball.errors import UserError
from filewallball.snapshots.settings import Address
from filewallball.stability import topology
from filewallball.stability.keys import reading, replica, slots
from filewallball.stability.keys.manifest import Piece, Way
from filewallball.stability.keys.pace import Pace
from filewallball.stability.keys.patience import Patience, Stopped
from filewallball.stability.keys.pieces import Packing, Pieces
from filewallball.stability.keys.places import Place
from filewallball.stability.keys.reading import About, Batch, Reader
from filewallball.stability.keys.replica import Barred
from filewallball.stability.keys.wire import Lost, Wire
from filewallball.stability.targets import Target
from filewallball.stability.topology import Shard

DONE = "done.json"
_COPY = 5
"""How many times as fast as a server its copy is read. It has no users, but takes the processor."""


@dataclass(frozen=True)
class Job:
    """What all shards of a backup have in common. `rate`: keys a second of each shard; None: no limit.

    `counted` hears how many keys were read.
    """

    target: Target
    place: Place
    id: str
    way: Literal["auto", "replica", "scan"]
    rate: int | None
    packing: Packing
    say: Callable[[str], None]
    counted: Callable[[int], None]
    progress: Callable[[str], None]
    stop: threading.Event


@dataclass(frozen=True)
class Taken:
    """A shard that is in the store. `strays`: slots of keys that were on their way to another."""

    number: int
    pieces: tuple[Piece, ...]
    way: Way
    server: str
    memory: int
    rdb: int
    strays: frozenset[int] = frozenset()
    note: str = ""

    def to_json(self, run: int) -> bytes:
        values = {"run": run, "way": self.way, "server": self.server, "memory": self.memory, "rdb": self.rdb}
        return (json.dumps(values | {"strays": sorted(self.strays), "note": self.note}) + "\n").encode()


class ShardJob:
    """`nodes`: the ids of the shard's nodes. `before`: the pieces that an interrupted run has left."""

    def __init__(self, job: Job, number: int, nodes: Sequence[str], before: Sequence[Piece]) -> None:
        self._job = job
        self._number = number
        self._nodes = set(nodes)
        self._before = sorted(before, key=lambda piece: (piece.run, piece.number))
        self._run = self._before[-1].run if self._before else 0
        self._way = job.way
        self._patience = Patience(job.stop)

    def run(self) -> Taken:
        """Raises UserError."""
        while True:
            try:
                taken = self._attempt()
            except Lost as error:
                self._job.say(f"shard {self._number}: {error.message}; it is tried again")
                self._patience.again(error)
                continue
            name = f"{self._job.id}/shard-{self._number:02}/{self._run:02}-{DONE}"
            self._job.place.put(name, taken.to_json(self._run))
            return taken

    def _attempt(self) -> Taken:
        shard = self._found()
        address = shard.primary.address
        with Wire.to(self._job.target, address) as wire:
            server = reading.about(wire)
            _check_primary(address, server)
            held = reading.databases(wire)
            rdb = self._version(address, held)
            if self._way != "scan" and held and rdb:
                try:
                    return self._as_replica(shard, server, held, rdb)
                except Barred as error:
                    if self._way == "replica":
                        raise
                    self._way = "scan"
                    self._job.say(f"shard {self._number} is read by SCAN: {error.message}")
            return self._by_scan(wire, address, server, held, rdb)

    def _found(self) -> Shard:
        """The shard as it is now. Raises Lost."""
        try:
            deployment = topology.find(self._job.target)
        except UserError as error:
            raise Lost(error.message, error.hint) from error
        for shard in deployment.shards:
            if deployment.kind != "cluster" or any(node.node_id in self._nodes for node in shard):
                return shard
        raise Lost(f"Shard {self._number} has no node any more", "See that the cluster is whole.")

    def _version(self, address: Address, held: dict[int, tuple[int, int]]) -> int:
        for database in held:
            with Wire.to(self._job.target, address, database) as wire:
                if version := reading.rdb_version(wire):
                    return version
        return 0

    def _as_replica(self, shard: Shard, server: About, held: dict[int, tuple[int, int]], rdb: int) -> Taken:
        why: list[str] = []
        # A replica spares the primary the work, and has the same data but for a moment's.
        for node in [*(each for each in shard.replicas if not each.fault), shard.primary]:
            keys = sum(count for count, _ in held.values())
            pace = Pace(self._job.rate, each=server.memory / keys)
            try:
                with replica.loaded(
                    self._job.target, node.address, rdb, server.memory, max(held) + 1, pace, self._progress
                ) as copy:
                    return self._of_copy(copy, node.address, server, rdb)
            except Barred as error:
                why.append(error.message)
        raise Barred("; ".join(dict.fromkeys(why)), "Leave out --way, or see what it says.")

    def _of_copy(self, copy: replica.ThrowAway, address: Address, server: About, rdb: int) -> Taken:
        self._run += 1
        pace = Pace(self._job.rate and self._job.rate * _COPY)
        with Pieces(
            self._job.place, self._job.id, self._number, self._run, self._job.packing, run_id=""
        ) as pieces:
            for database in (held := self._held(copy)):
                with copy.wire() as wire:
                    wire.run("SELECT", database)
                    count, expire = held[database]
                    count -= reading.own(wire, database)
                    gone = -_expired(wire)
                    reader = Reader(wire, database, pace, timeless=not expire)
                    read = self._drain(reader.scanned(b"0"), database, pieces)
                    gone += _expired(wire)
                    if read < count - gone:
                        raise UserError(
                            f"The throw-away server holds {count} keys of database {database}, and gave "
                            f"out {read}.",
                            "Run the command again. If it happens again, test this machine's memory.",
                        )
            pieces.finish()
            about = f"{server.text}, {address}"
            return Taken(self._number, tuple(pieces.written), "replica", about, server.memory, rdb)

    def _held(self, copy: replica.ThrowAway) -> dict[int, tuple[int, int]]:
        with copy.wire() as wire:
            return reading.databases(wire)

    def _by_scan(
        self, wire: Wire, address: Address, server: About, held: dict[int, tuple[int, int]], rdb: int
    ) -> Taken:
        kept = self._kept(server)
        if not kept:
            self._run += 1
        ended = {piece.database: piece.cursor for piece in kept}
        strays: set[int] = set()
        read = sum(piece.records for piece in kept)
        self._job.counted(read)
        with Pieces(
            self._job.place,
            self._job.id,
            self._number,
            self._run,
            self._job.packing,
            run_id=server.run_id,
            number=len(kept),
        ) as pieces:
            for database in held:
                cursor = ended.get(database, "")
                if cursor == "0":
                    continue
                with Wire.to(self._job.target, address, database) as one:
                    reader = Reader(one, database, Pace(self._job.rate))
                    batches = reader.scanned((cursor or "0").encode())
                    read += self._drain(batches, database, pieces, strays)
            pieces.finish()
            after = reading.about(wire)
            _check_primary(address, after)
            if after.run_id != server.run_id:
                raise Lost(f"{address} has started anew", "")
            # Should the shard be begun again, these must not count as its own.
            self._before = [*kept, *pieces.written]
            now = sum(count for count, _ in reading.databases(wire).values())
            return Taken(
                self._number,
                tuple(self._before),
                "scan",
                f"{server.text}, {address}",
                server.memory,
                rdb,
                frozenset(strays),
                _note(read, sum(count for count, _ in held.values()), now),
            )

    def _kept(self, server: About) -> list[Piece]:
        """The pieces of an interrupted run that count: only the same server process knows their cursors."""
        last = [piece for piece in self._before if piece.run == self._run]
        whole = [piece.number for piece in last] == list(range(len(last)))
        same = all(piece.run_id == server.run_id for piece in last)
        if last and whole and same:
            self._job.say(
                f"shard {self._number}: {len(last)} pieces are in the store, and are not read again"
            )
            return last
        return []

    def _drain(
        self, batches: Iterator[Batch], database: int, pieces: Pieces, strays: set[int] | None = None
    ) -> int:
        read = 0
        for batch in batches:
            if self._job.stop.is_set():
                raise Stopped("Another part has failed.")
            read += batch.count
            self._job.counted(batch.count)
            if batch.strays and strays is not None:
                strays |= slots.of(batch.strays)
            if pieces.add(database, batch):
                self._patience.went_well()
        return read

    def _progress(self, text: str) -> None:
        self._job.progress(f"shard {self._number}: {text}")
        if self._job.stop.is_set():
            raise Stopped("Another part has failed.")


def _check_primary(address: Address, server: About) -> None:
    if server.role == "slave":
        raise Lost(f"{address} is no longer the primary", "")


def _expired(wire: Wire) -> int:
    return int(reading.fields(wire, "stats").get("expired_keys", "0"))


def _note(read: int, before: int, after: int) -> str:
    """Keys that are there all the time are read; fewer means that some went while others came."""
    if read >= min(before, after):
        return ""
    return f"{read} keys were read, of {before} before and {after} after: keys came and went meanwhile"
