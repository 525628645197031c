"""The names of the log's objects in the store: what they hold can be told without reading them.

    TIMELINE/begin.json                             why a timeline begins
    TIMELINE/FILE@CREATED/START-END.TAIL-DIGEST[.TIME][.last].gz[.KEYS.age]
                                                    a piece of a file, from one event's start to another's
    …the name of a piece….looks                     it took the place of small ones: when the log ended where
    TIMELINE/FILE@CREATED/END.TIME.mark             nothing new: at TIME the log still ended there

A timeline is one unbroken log of one server. CREATED is when the server began the file; times are seconds
since 1970, by the server's clock. The first piece of a file starts at 0: pieces, put together and unpacked,
are the file. The last event of a piece begins at TAIL, and DIGEST begins its SHA-256. At TIME the log ended
with the piece. With `.last` the file does. With `.age` the piece is encrypted for several public keys, which
KEYS stands for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import total_ordering

BEGIN = "begin.json"
LOOKS = ".looks"
_FILE = re.compile(
    r"(?P<timeline>\d{6,})/(?P<file>[^/@]+\.\d{6,})@(?P<created>\d{1,12})/(?P<rest>[^/]+)", re.A
)
_PIECE = re.compile(
    r"(?P<start>\d{10,})-(?P<end>\d{10,})\.(?P<tail>\d+)-(?P<digest>[0-9a-f]{16})"
    r"(?:\.(?P<time>\d{1,12}))?(?P<last>\.last)?\.gz(?:\.(?P<keys>[0-9a-f]{8})\.age)?(?P<looks>\.looks)?",
    re.A,
)
_MARK = re.compile(r"(?P<end>\d{10,})\.(?P<time>\d{1,12})\.mark", re.A)
_BEGIN = re.compile(r"(\d{6,})/" + re.escape(BEGIN), re.A)


@total_ordering
@dataclass(frozen=True)
class Place:
    """A position in the log of one timeline. Places of one timeline stand in the log's order."""

    file: str
    position: int

    @property
    def number(self) -> int:
        """The number in the file's name."""
        return int(self.file.rpartition(".")[2])

    def __lt__(self, other: Place) -> bool:
        return (self.number, self.position) < (other.number, other.position)

    def __str__(self) -> str:
        return f"{self.file}:{self.position}"


@dataclass(frozen=True)
class LogFile:
    """One file of the server's log: its name, and when the server began it."""

    name: str
    created: int


@dataclass(frozen=True)
class Piece:
    """A piece of a file. `time`: the log ended at its end then. `last`: the file ends with it.

    `tail` and `digest`: where the last event until its end stands, and what it is known by. `size`: bytes in
    the store. `keys`: what `keys_of` says of the public keys for which it is encrypted; empty: it is not.
    """

    timeline: int
    file: LogFile
    start: int
    end: int
    time: int | None = None
    last: bool = False
    tail: int = 0
    digest: str = "0" * 16
    size: int = 0
    keys: str = ""

    @property
    def key(self) -> str:
        """Its name in the store."""
        time = "" if self.time is None else f".{self.time}"
        last = ".last" if self.last else ""
        place = f"{_folder(self.timeline, self.file)}{self.start:010d}-{self.end:010d}"
        sealed = f".{self.keys}.age" if self.keys else ""
        return f"{place}.{self.tail}-{self.digest}{time}{last}.gz{sealed}"

    @property
    def looks_key(self) -> str:
        """The name of the object that tells when the log ended where, within the piece."""
        return self.key + LOOKS

    def holds(self, other: Piece) -> bool:
        """Whether all that another one tells of the same file is in this one."""
        return (
            other.key != self.key
            and (other.timeline, other.file) == (self.timeline, self.file)
            and self.start <= other.start
            and other.end <= self.end
            and (self.last or not other.last)
        )

    @property
    def begins(self) -> Place:
        return Place(self.file.name, self.start)

    @property
    def ends(self) -> Place:
        return Place(self.file.name, self.end)


@dataclass(frozen=True)
class Looks:
    """The object beside a piece that took the place of small ones. It is written when all that is certain."""

    piece: Piece

    @property
    def key(self) -> str:
        """Its name in the store."""
        return self.piece.looks_key


@dataclass(frozen=True)
class Mark:
    """At `time` the log ended at this position of the file."""

    timeline: int
    file: LogFile
    end: int
    time: int

    @property
    def key(self) -> str:
        """Its name in the store."""
        return f"{_folder(self.timeline, self.file)}{self.end:010d}.{self.time}.mark"

    @property
    def place(self) -> Place:
        return Place(self.file.name, self.end)


def keys_of(recipients: Sequence[str]) -> str:
    """What stands for public keys in a name; empty if there are none."""
    told = "\n".join(sorted(recipients))
    return hashlib.sha256(told.encode()).hexdigest()[:8] if told else ""


def _folder(timeline: int, file: LogFile) -> str:
    return f"{timeline:06d}/{file.name}@{file.created}/"


def begin_key(timeline: int) -> str:
    """The name of the object that says why a timeline begins."""
    return f"{timeline:06d}/{BEGIN}"


def begun(key: str) -> int | None:
    """The timeline whose beginning the object of that name tells, if it is one."""
    match = _BEGIN.fullmatch(key)
    return int(match[1]) if match else None


def read(key: str, size: int = 0) -> Piece | Looks | Mark | None:
    """What the object of that name is; None for anything else."""
    found = _FILE.fullmatch(key)
    if found is None:
        return None
    timeline, file = int(found["timeline"]), LogFile(found["file"], int(found["created"]))
    if piece := _PIECE.fullmatch(found["rest"]):
        time = int(piece["time"]) if piece["time"] else None
        start, end, tail = int(piece["start"]), int(piece["end"]), int(piece["tail"])
        if start > end:
            return None
        last, keys = bool(piece["last"]), piece["keys"] or ""
        told = Piece(timeline, file, start, end, time, last, tail, piece["digest"], size, keys)
        return Looks(replace(told, size=0)) if piece["looks"] else told
    if mark := _MARK.fullmatch(found["rest"]):
        return Mark(timeline, file, int(mark["end"]), int(mark["time"]))
    return None
