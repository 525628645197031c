"""The directory that a backup works in: cleaned before and after, one backup at a time, its limit watched."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filewallball.errors import UserError

_MEASURE_SECONDS = 1.0
SETTING = "filewallball:backup.workSize"


class WorkDir:
    """A private directory below the one that the user named. `limit` is what may be used, in bytes.

    `setting`: what to raise if it is too small.
    """

    def __init__(self, path: Path, limit: int | None, setting: str = SETTING) -> None:
        self.path = path
        self.setting = setting
        self._limit = limit
        self._measured = 0.0

    def room(self) -> int:
        """Bytes that can still be written: the file system's, and of the limit that the kubelet enforces."""
        disk = os.statvfs(self.path)
        free = disk.f_bavail * disk.f_frsize
        return free if self._limit is None else min(free, self._limit - _used(self.path))

    def check(self) -> None:
        """Raise UserError once the limit is passed. Cheap enough for every piece that is written."""
        now = time.monotonic()
        if self._limit is None or now - self._measured < _MEASURE_SECONDS:
            return
        self._measured = now
        if self.room() < 0:
            raise full(self.path, "its limit is reached", self.setting)

    def need(self, wanted: int, purpose: str) -> None:
        """Raise UserError unless `wanted` bytes are free."""
        room = self.room()
        if room < wanted:
            why = f"{purpose} needs about {human(wanted)}, and {human(max(room, 0))} are free"
            raise full(self.path, why, self.setting)


def full(path: Path, why: str, setting: str = SETTING) -> UserError:
    """The error of a work directory that is too small."""
    return UserError(
        f"The work directory {path.parent} is too small: {why}.",
        f"Raise {setting}, and run `fwb up`.",
    )


@contextmanager
def work_dir(parent: Path, limit: int | None, setting: str = SETTING) -> Generator[WorkDir]:
    """A fresh work directory, removed at the end. What an earlier, killed backup left is removed first."""
    with (parent / ".filewallball-backup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another run is at work in {parent}.",
                "Wait until it has ended, and run the command again.",
            ) from None
        path = parent / "filewallball-backup"
        try:  # from here on: a signal may come at any moment
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(mode=0o700)
            yield WorkDir(path, limit, setting)
        finally:
            shutil.rmtree(path, ignore_errors=True)


def human(size: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _used(path: Path) -> int:
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += (Path(folder) / name).lstat().st_blocks * 512
            except FileNotFoundError:  # the throw-away server removes files as it goes
                continue
    return total
