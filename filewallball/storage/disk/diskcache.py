"""Reads the folder of a diskcache (5.x, and diskcache-community) without executing anything that is in it.

Texts, bytes and numbers are taken over. What was pickled is left out and counted: to unpickle it runs
whatever program somebody put into the folder (CVE-2025-69872).
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filewallball.storage.errors import Damaged, WrongSetting, WrongValue

Write = Callable[[str, Any, float | None], object]
"""Takes a key, a value and a time to live in seconds."""

_RAW, _BINARY, _TEXT, _PICKLE = 1, 2, 3, 4
_FILE = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{1,64}\.val)")
_MOST_BYTES = 1 << 30
_COLUMNS = "key, raw, expire_time, mode, filename, value"


@dataclass
class Imported:
    """How many entries were taken over, and how many not, by the reason."""

    copied: int = 0
    expired: int = 0
    pickled: int = 0
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    """Why: how often."""

    def lines(self) -> list[str]:
        """What to tell, one sentence each."""
        said = [f"{self.copied} entries were copied."]
        if self.expired:
            said.append(f"{self.expired} had expired.")
        if self.pickled:
            said.append(
                f"{self.pickled} were left out, since they are pickled: to read them can run any program. "
                "Let the application write them anew."
            )
        said += [f"{count} were left out: {why}." for why, count in sorted(self.left_out.items())]
        return said


def import_diskcache(folder: Path, write: Write, now: float | None = None) -> Imported:
    """Give each entry of a Cache or FanoutCache to `write`. Raises WrongSetting, Damaged."""
    found = Imported()
    for shard in _shards(folder):
        try:
            _shard(shard, write, time.time() if now is None else now, found)
        except sqlite3.Error as error:
            raise Damaged(
                f"{shard / 'cache.db'} can't be read ({error}). Give the folder of a diskcache."
            ) from error
    return found


def _shards(folder: Path) -> list[Path]:
    if (folder / "cache.db").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob("[0-9][0-9][0-9]/cache.db"))
    if not found:
        raise WrongSetting(
            f"{folder} has no cache.db, so it is no folder of a diskcache. Give the one that has it."
        )
    return found


def _shard(folder: Path, write: Write, now: float, found: Imported) -> None:
    names: set[str] = set()
    for key, raw, expires, mode, filename, value in _rows(folder / "cache.db"):
        if expires is not None and not (isinstance(expires, int | float) and expires > now):
            found.expired += 1
            continue
        if mode == _PICKLE or not raw:
            found.pickled += 1
            continue
        try:
            name = _name(key, names)
            write(name, _value(folder, mode, filename, value), None if expires is None else expires - now)
        except _LeftOut as error:
            found.left_out[str(error)] = found.left_out.get(str(error), 0) + 1
        except WrongValue:
            why = "the value can't be stored here, perhaps it is too large"
            found.left_out[why] = found.left_out.get(why, 0) + 1
        else:
            names.add(name)
            found.copied += 1


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """All entries, first those whose keys are texts. Nothing is written, and nothing of the file's is run."""
    with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as db:
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
        kind = db.execute("SELECT type FROM sqlite_master WHERE name = 'Cache'").fetchone()
        if kind != ("table",):
            raise sqlite3.DatabaseError("it has no table Cache")
        yield from db.execute(f"SELECT {_COLUMNS} FROM Cache ORDER BY typeof(key) != 'text', rowid")  # noqa: S608


class _LeftOut(Exception):
    """Why an entry isn't taken over."""


def _name(key: object, names: set[str]) -> str:
    """The key as a text that isn't among the names."""
    try:
        name = key.decode() if isinstance(key, bytes) else str(key)
    except UnicodeDecodeError as error:
        raise _LeftOut("the key is bytes that are no UTF-8") from error
    if name in names:
        raise _LeftOut("two keys have the same name")
    return name


def _value(folder: Path, mode: object, filename: object, value: object) -> str | bytes | int | float:
    if mode == _RAW and isinstance(value, str | bytes | int | float):
        return value
    if mode not in (_BINARY, _TEXT) or not isinstance(filename, str):
        raise _LeftOut("the value is of no kind that diskcache writes")
    data = _read(folder, filename)
    if mode == _BINARY:
        return data
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _LeftOut("the text in its file is no UTF-8") from error


def _read(folder: Path, filename: str) -> bytes:
    """A file of the folder: never one outside, whatever the name says and whatever links there are."""
    parts = _FILE.fullmatch(filename)
    if not parts:
        raise _LeftOut("the name of its file is none that diskcache gives")
    handles: list[int] = []
    try:
        handles.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for part in parts.groups()[:2]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            handles.append(os.open(part, flags, dir_fd=handles[-1]))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handles.append(os.open(parts[3], flags, dir_fd=handles[-1]))
        about = os.fstat(handles[-1])
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
            raise _LeftOut("its file is none, or larger than 1 GiB")
        with os.fdopen(os.dup(handles[-1]), "rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise _LeftOut("its file can't be read") from error
    finally:
        for handle in handles:
            os.close(handle)
