"""Writing records to a deployment: to the server that has their slot, again where it failed over or moved."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from redis.crc import key_slot

from filewallball.errors import UserError
from filewallball.snapshots.settings import Address
from filewallball.stability import topology
from filewallball.stability.keys.patience import Patience
from filewallball.stability.keys.reading import refused, shown
from filewallball.stability.keys.records import Record
from filewallball.stability.keys.wire import PASSING, Lost, Refused, Wire, words
from filewallball.stability.servers import redirected
from filewallball.stability.targets import Target
from filewallball.stability.topology import SLOTS

_WINDOW = 2**20
"""Bytes of commands that are on their way at a time, where each reply is looked at."""
_SLICE = 2**18
"""Bytes that are handed to the connection at a time."""
_ASKING = words("ASKING")


@dataclass
class Counts:
    """What became of records. `existing`: keys that were left as they are. `expired`: their time was over."""

    placed: int = 0
    existing: int = 0
    expired: int = 0
    unmatched: int = 0

    def add(self, other: Counts) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def told(self, verb: str, *, overwrite: bool) -> str:
        """The counts in words. `verb`: what became of those that are placed."""
        parts = [f"{self.placed:,} keys {verb}"]
        kept = "would be replaced" if overwrite else "stay as they are"
        parts += [f"{self.existing:,} are there and {kept}"] if self.existing else []
        parts += [f"{self.expired:,} have expired since"] if self.expired else []
        parts += [f"{self.unmatched:,} do not match"] if self.unmatched else []
        return ", ".join(parts)


class Map:
    """Which server has which slot; all threads of a restore share it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._lock = threading.Lock()
        self._age = 0
        self._learn()

    def _learn(self) -> None:
        deployment = topology.find(self.target)
        self.deployment = deployment
        self.cluster = deployment.kind == "cluster"
        self._owners: list[Address | None] = [None] * (SLOTS if self.cluster else 1)
        for shard in deployment.shards:
            for first, last in shard.slots or ((0, 0),):
                for slot in range(first, last + 1):
                    self._owners[slot] = shard.primary.address

    @property
    def age(self) -> int:
        return self._age

    def renew(self, age: int) -> None:
        """Ask again, unless another thread has done so since `age`. Raises Lost."""
        with self._lock:
            if age == self._age:
                try:
                    self._learn()
                except UserError as error:
                    raise Lost(error.message, error.hint) from error
                self._age += 1

    def owner(self, key: bytes) -> Address:
        """Raises Lost if nobody has the key's slot."""
        found = self._owners[key_slot(key) if self.cluster else 0]
        if found is None:
            raise Lost("The cluster has slots that no node serves", "Mend it, and run the command again.")
        return found

    def primaries(self) -> list[Address]:
        return [shard.primary.address for shard in self.deployment.shards]


@dataclass
class Writer:
    """One thread's connections. `keep`: keys that are there stay as they are."""

    slots: Map
    database: int
    keep: bool
    stop: threading.Event
    _wires: dict[Address, Wire] = field(default_factory=dict[Address, Wire])

    def __post_init__(self) -> None:
        self._patience = Patience(self.stop)

    def close(self) -> None:
        for wire in self._wires.values():
            wire.close()
        self._wires.clear()

    def pour(self, raw: bytes, count: int) -> bool:
        """Send a whole piece to the only server; False if not all of it was taken."""
        try:
            wire = self.wire(self.slots.primaries()[0])
            for start in range(0, len(raw), _SLICE):
                wire.send(raw[start : start + _SLICE])
            if wire.all_ok(count):
                return True
        except Lost:
            pass
        # Its replies are not wanted any more: each record is sent again on a new connection.
        self.close()
        return False

    def write(self, records: Sequence[Record]) -> Counts:
        """Send records. Raises UserError for one that is refused, or if the servers stay away."""
        counts = Counts()
        left: Sequence[Record] = records
        while left:
            age = self.slots.age
            left, why = self._round(left, counts)
            if not left:
                break
            self._patience.again(why or Lost("Some keys are refused at the moment", ""))
            try:
                self.slots.renew(age)
            except Lost as error:
                self._patience.again(error)
        self._patience.went_well()
        return counts

    def ask(self, commands: Sequence[tuple[bytes, bytes]]) -> list[object]:
        """Replies to commands, each given with its key. Raises Lost; errors are among the replies."""
        found: list[object] = [None] * len(commands)
        for address, places in self._grouped([key for key, _ in commands]).items():
            wire = self.wire(address)
            wire.send(b"".join(commands[place][1] for place in places))
            for place, reply in zip(places, wire.replies(len(places)), strict=True):
                found[place] = self._followed(address, commands[place][1], reply)
        return found

    def _followed(self, address: Address, command: bytes, reply: object) -> object:
        """The reply of the node that has the key. Raises Lost where that must be found out first."""
        if isinstance(reply, Refused) and reply.code == "ASK":
            wire = self.wire(redirected(reply.text, address))
            wire.send(_ASKING + command)
            _, reply = wire.replies(2)
        if isinstance(reply, Refused) and (reply.code == "MOVED" or reply.code in PASSING):
            raise Lost(reply.text, "")
        return reply

    def _grouped(self, keys: Sequence[bytes]) -> dict[Address, list[int]]:
        places: dict[Address, list[int]] = {}
        for place, key in enumerate(keys):
            places.setdefault(self.slots.owner(key), []).append(place)
        return places

    def _round(self, records: Sequence[Record], counts: Counts) -> tuple[list[Record], UserError | None]:
        """The records to be sent again, and why."""
        try:
            groups = self._grouped([each.key for each in records])
        except Lost as error:
            return list(records), error
        left: list[Record] = []
        why: UserError | None = None
        for address, places in groups.items():
            mine = [records[place] for place in places]
            for window in _windows(mine):
                try:
                    left += self._send(address, window, counts)
                except Lost as error:
                    why = error
                    left += window
                    self._wires.pop(address, None)
        return left, why

    def _send(self, address: Address, records: Sequence[Record], counts: Counts) -> list[Record]:
        wire = self.wire(address)
        wire.send(b"".join(each.keeping if self.keep else each.raw for each in records))
        again: list[Record] = []
        for each, reply in zip(records, wire.replies(len(records)), strict=True):
            if not isinstance(reply, Refused):
                counts.placed += 1
            elif reply.code == "BUSYKEY":
                counts.existing += 1
            elif reply.code == "ASK":
                again += self._asking(address, each, reply, counts)
            elif reply.code == "MOVED" or reply.code in PASSING:
                again.append(each)
            else:
                raise self._refused(address, each, reply)
        return again

    def _asking(self, asked: Address, record: Record, told: Refused, counts: Counts) -> list[Record]:
        """A slot is on its way, and its new keys go to the other node."""
        address = redirected(told.text, asked)
        try:
            wire = self.wire(address)
            wire.send(_ASKING + (record.keeping if self.keep else record.raw))
            _, reply = wire.replies(2)
        except Lost:
            self._wires.pop(address, None)
            return [record]
        if isinstance(reply, Refused):
            if reply.code != "BUSYKEY":
                return [record]
            counts.existing += 1
        else:
            counts.placed += 1
        return []

    def wire(self, address: Address) -> Wire:
        """The connection to a server. Raises Lost."""
        if address not in self._wires:
            self._wires[address] = Wire.to(self.slots.target, address, self.database)
        return self._wires[address]

    def _refused(self, address: Address, record: Record, reply: Refused) -> UserError:
        what = f"the key {shown(record.key)}"
        if reply.code == "OOM":
            return UserError(
                f"{address} is full, and refuses {what}: {reply.text}",
                "Raise its maxmemory, and run the command again. It goes on where it was.",
            )
        if "payload version" in reply.text or "Bad data format" in reply.text:
            return UserError(
                f"{address} cannot read {what}: {reply.text}",
                "The backup was made from a newer server, or from one with other modules. Restore to a "
                "server of that version or a newer one.",
            )
        return refused(str(address), what, reply)


def _windows(records: Iterable[Record]) -> Iterable[list[Record]]:
    window: list[Record] = []
    size = 0
    for each in records:
        window.append(each)
        size += len(each.raw)
        if size >= _WINDOW:
            yield window
            window, size = [], 0
    if window:
        yield window
