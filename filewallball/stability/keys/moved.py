"""Slots of a cluster that moved while its shards were read: their keys are read again, where they are now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from filewallball.errors import UserError
from filewallball.snapshots.settings import Address
from filewallball.stability.keys import reading, slots
from filewallball.stability.keys.manifest import Begun, Piece
from filewallball.stability.keys.pace import Pace
from filewallball.stability.keys.patience import Patience
from filewallball.stability.keys.pieces import Pieces
from filewallball.stability.keys.reading import Batch, Reader
from filewallball.stability.keys.shard import Job, Taken
from filewallball.stability.keys.slots import Slots
from filewallball.stability.keys.wire import Lost, Refused, Wire

_AT_ONCE = 200
"""Keys. In a slot that moves they should not be far from one another in time."""
_FIRST = b"1"
_LAST = b"0"


def taken(job: Job, begun: Begun, shards: Sequence[Taken]) -> tuple[Piece, ...]:
    """The pieces with the keys of all slots that moved. Raises UserError."""
    if begun.owners is None:
        return ()
    family = {node: number for number, nodes in enumerate(begun.shards) for node in nodes}
    patience = Patience(job.stop)
    todo: set[int] = set()
    for one in shards:
        todo |= one.strays
    while True:
        try:
            _, view = slots.now(job.target)
            break
        except UserError as error:
            patience.again(error)
    todo |= slots.changed(begun.owners, slots.owners(view, family)) | set(view.moving)
    if not todo:
        return ()
    job.say(f"{len(todo)} slots have moved meanwhile: their keys are read again")
    with Pieces(job.place, job.id, 0, 0, job.packing, run_id="", phase=1) as pieces:
        while todo:
            try:
                todo = _round(job, view, todo, pieces)
                if not todo:
                    break
                raise Lost(f"{len(todo)} slots are still moving", "Wait until they don't, and run it again.")
            except UserError as error:
                patience.again(error)
                view = _view(job, patience)
        pieces.add(0, Batch((), 0, None, _LAST))
        pieces.finish()
        return tuple(pieces.written)


def _view(job: Job, patience: Patience) -> Slots:
    while True:
        try:
            return slots.now(job.target)[1]
        except UserError as error:
            patience.again(error)


def _round(job: Job, view: Slots, todo: set[int], pieces: Pieces) -> set[int]:
    """Read the slots where the view has them; those that moved meanwhile are to be read again."""
    again: set[int] = set()
    wires: dict[Address, tuple[Wire, Reader]] = {}
    try:
        for address, slot, importing in slots.homes(view, todo):
            if address not in wires:
                wire = Wire.to(job.target, address)
                wires[address] = wire, Reader(wire, 0, Pace(job.rate))
            wire, reader = wires[address]
            for batch in _of_slot(wire, reader, slot, importing=importing):
                job.counted(batch.count)
                pieces.add(0, replace(batch, cursor=_FIRST))
                # What the giver no longer has, the taker has, and is read after it.
                if batch.strays and slot not in view.moving:
                    again.add(slot)
    finally:
        for wire, _ in wires.values():
            wire.close()
    after = slots.now(job.target)[1]
    return again | {
        slot
        for slot in todo
        if view.owners[slot] != after.owners[slot] or view.moving.get(slot) != after.moving.get(slot)
    }


def _of_slot(wire: Wire, reader: Reader, slot: int, *, importing: bool) -> list[Batch]:
    try:
        count = wire.run("CLUSTER", "COUNTKEYSINSLOT", slot)
        found: list[bytes] = wire.run("CLUSTER", "GETKEYSINSLOT", slot, count) if count else []
    except Refused as error:
        raise reading.refused(wire.name, "CLUSTER GETKEYSINSLOT", error) from error
    return [
        reader.named(found[start : start + _AT_ONCE], importing=importing)
        for start in range(0, len(found), _AT_ONCE)
    ]
