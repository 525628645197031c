"""The results of a drill: a round's figures, and the file that rounds are appended to.

`rounds.jsonl` begins with a line about the drill as a whole; then comes a line for each round, written when
the round is over. A line that was cut off by an interruption is left out when the file is read again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from filewallball.errors import ConfigError, UserError

FILE = "rounds.jsonl"
FIRST_DRILL = "valkey"
"""Whose file it is that doesn't say so: of a time when there was one drill."""


@dataclass(frozen=True)
class Round:
    """One round. All times in seconds, from the event's beginning; None where there was no such moment."""

    event: str
    number: int
    began: str
    """UTC, ISO 8601."""
    failed: str = ""
    """Why the set didn't get whole again, or why the round ended early; what was last seen."""
    detection: float | None = None
    failovers: int = 0
    """Fail-overs that were tried or done; a planned handover counts as well."""
    outage: float | None = None
    """The longest time without an acknowledged write, less the pacing interval."""
    waited_outage: float | None = None
    """The same for the threads that wait for a replica, of writes that one acknowledged; None in rounds of a
    time before there were such threads."""
    read_outages: dict[str, float] = field(default_factory=dict[str, float])
    writes: int = 0
    """Acknowledged ones."""
    waited_writes: int = 0
    """Those of the threads that wait for a replica, acknowledged by one."""
    waited_in_vain: int = 0
    """Those of these threads that no replica acknowledged in time."""
    gave_up: int = 0
    """Writes that the client gave up."""
    rate: float = 0.0
    """Acknowledged writes a second before the event."""
    lost_waited: int = 0
    lost_plain: int = 0
    oldest_lost: float | None = None
    """How long before the event the oldest lost write was acknowledged."""
    saved: int | None = None
    """Writes that had been acknowledged before the last save; None where none was made for the round."""
    lost_saved: int = 0
    """Those of them that were lost."""
    primaries: int = 0
    """So many members accepted writes at one moment, at most."""
    overlap: float = 0.0
    """So long did more than one of them."""
    lone_writes: int | None = None
    """Probes accepted by the old primary while it was cut off or after it woke up."""
    lone_last: float | None = None
    redundancy: float | None = None
    stall: float = 0.0
    """The longest time for which the client itself didn't get to run."""
    note: str = ""

    @property
    def acknowledged(self) -> int:
        """Of all threads."""
        return self.writes + self.waited_writes

    @property
    def lost(self) -> int:
        return self.lost_waited + self.lost_plain


class Numbered(Protocol):
    """A round of any drill: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def event(self) -> str: ...
    @property
    def number(self) -> int: ...


R = TypeVar("R", bound=Numbered)
N = TypeVar("N", bound=Numbered)


@dataclass
class Journal(Generic[R]):
    """The rounds of a drill, in memory and in their file."""

    path: Path
    about: dict[str, Any]
    make: Callable[..., R]
    """A round by the names of its fields."""
    rounds: list[R] = field(default_factory=list[R])

    @staticmethod
    def open(folder: Path, about: Mapping[str, Any], *, resume: bool, make: Callable[..., N]) -> Journal[N]:
        """Begin a new file, or with `resume` go on with the one that is there.

        Raises ConfigError if there is one and `resume` wasn't asked for, none although it was, or one of
        another stack; UserError if it can't be read or written.
        """
        path = folder / FILE
        if path.exists() != resume:
            raise ConfigError(
                f"{path} holds the rounds of an earlier drill" if not resume else f"There is no {path}",
                "Add --resume to go on with it, or name another folder with --out."
                if not resume
                else "Name the folder of the earlier drill with --out, or leave --resume out.",
            )
        journal = Journal(path, dict(about), make)
        if resume:
            journal.read(about)
        else:
            folder_made(folder)
            journal.write(journal.about, "x")
        return journal

    def done(self, event: str, number: int) -> bool:
        return any((each.event, each.number) == (event, number) for each in self.rounds)

    def append(self, result: R) -> None:
        """Keep a round; it is on the disk when this returns."""
        self.write(asdict(result), "a")
        self.rounds.append(result)

    def read(self, about: Mapping[str, Any]) -> None:
        lines = [_line(text) for text in read_text(self.path).splitlines()]
        if not lines or lines[0] is None or "stack" not in lines[0]:
            raise ConfigError(f"{self.path} isn't the file of a drill", "Name another folder with --out.")
        lines[0].setdefault("drill", FIRST_DRILL)
        for name in ("drill", "stack", "namespace", "cluster"):
            if lines[0][name] != about.get(name):
                raise ConfigError(
                    f"{self.path} belongs to the {name} {lines[0].get(name)}, not to {about.get(name)}",
                    "Name another folder with --out.",
                )
        self.about = lines[0]
        self.rounds = [self.make(**line) for line in lines[1:] if line]
        if not read_text(self.path).endswith("\n"):
            self._write_text("\n")

    def write(self, data: Mapping[str, Any], mode: str) -> None:
        self._write_text(json.dumps(data, ensure_ascii=False) + "\n", mode)

    def _write_text(self, text: str, mode: str = "a") -> None:
        try:
            with self.path.open(mode, encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise UserError(f"Cannot write {self.path}: {error.strerror}", _ELSEWHERE) from error


_ELSEWHERE = "Name another folder with --out."


def folder_made(folder: Path) -> None:
    """Raises UserError if it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make the folder {folder}: {error.strerror}", _ELSEWHERE) from error


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}", _ELSEWHERE) from error


def write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror}", _ELSEWHERE) from error


def _line(text: str) -> dict[str, Any] | None:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
