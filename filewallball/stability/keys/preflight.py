"""What is asked of a target before a restore changes anything in it, and the libraries of functions."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from filewallball.backup.workdir import human
from filewallball.errors import ConfigError, UserError
from filewallball.stability.keys import names, pieces, reading
from filewallball.stability.keys.manifest import Manifest
from filewallball.stability.keys.places import Place
from filewallball.stability.keys.records import Record, record
from filewallball.stability.keys.wire import Refused, Wire, words
from filewallball.stability.keys.writing import Map, Writer

_PROBE = b"fwb:restore-probe"
_UNCHANGED = "Nothing has been changed."


def look(place: Place, manifest: Manifest) -> None:
    """Raise Damaged if a part of the backup is missing or cut off."""
    sizes = place.sizes(f"{manifest.id}/")
    for piece in manifest.pieces:
        if sizes.get(piece.name) != piece.size:
            held = sizes.get(piece.name, "no")
            raise pieces.damaged(manifest, f"{piece.name} has {held} bytes of {piece.size}")
    if manifest.functions is not None:
        libraries(place, manifest)


def check(slots: Map, manifest: Manifest, databases: AbstractSet[int]) -> None:
    """Raise ConfigError or UserError if the target can't take the backup."""
    if slots.cluster and databases - {0}:
        held = ", ".join(map(str, manifest.keys))
        raise ConfigError(
            f"{manifest.id} holds keys in database {held}, and a cluster has database 0 alone",
            f"{_UNCHANGED} Choose the database that is to be restored with --database.",
        )
    down = [
        f"{each.primary.address} {each.primary.fault}"
        for each in slots.deployment.shards
        if each.primary.fault
    ]
    if down:
        raise UserError(f"A shard has no primary: {'; '.join(down)}.", f"{_UNCHANGED} Mend it first.")
    room = 0
    for address in slots.primaries():
        for database in sorted(databases):
            with Wire.to(slots.target, address, database) as wire:
                about = reading.about(wire)
        if not databases:
            return
        if not about.maxmemory:  # pyright: ignore[reportPossiblyUnboundVariable] - there is a database
            return
        room += about.maxmemory  # pyright: ignore[reportPossiblyUnboundVariable]
    if manifest.memory > room:
        raise UserError(
            f"{manifest.id} took {human(manifest.memory)} of memory, and the target may use {human(room)}.",
            f"{_UNCHANGED} Raise maxmemory, or restore a part of it with --match.",
        )


def probe(writer: Writer, some: Record) -> None:
    """Raise UserError if the target can't read a value of the backup. It gets a key of ours for a moment."""
    raw = record(_PROBE, 0, some.value)
    try:
        writer.write([Record(_PROBE, 0, raw)])
    except UserError as error:
        raise error.retold(error.message, f"{_UNCHANGED} {error.hint}") from error
    writer.ask([(_PROBE, words("DEL", _PROBE))])


def libraries(place: Place, manifest: Manifest) -> bytes:
    """The libraries as FUNCTION DUMP gave them. Raises Damaged, UserError."""
    data = place.get(f"{manifest.id}/{names.FUNCTIONS}")
    if data is None or pieces.digest(data) != manifest.functions:
        raise pieces.damaged(manifest, f"{names.FUNCTIONS} is missing or not what was stored")
    return data


def place_functions(slots: Map, place: Place, manifest: Manifest, *, overwrite: bool) -> str:
    """Give each primary the libraries; what became of them."""
    data = libraries(place, manifest)
    for address in slots.primaries():
        with Wire.to(slots.target, address) as wire:
            try:
                wire.run("FUNCTION", "RESTORE", data, "REPLACE" if overwrite else "APPEND")
            except Refused as error:
                if not overwrite and "already exists" in error.text:
                    return f"functions: a library is there, and all stay as they are ({error.text})"
                raise reading.refused(str(address), "FUNCTION RESTORE", error) from error
    return "functions: placed"
