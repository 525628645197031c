"""The server's volume: where a restore works beside the data, and how it and the server meet.

The server's side is components/files/mariadb/restoring.sh, which says what the files in the folder mean.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from facts import mariadb
from facts.recovery import FOLDER, KEPT, REPLACED
from filewallball.backup.lease import own_namespace
from filewallball.backup.workdir import human
from filewallball.errors import UserError

BEAT_SECONDS = 2.0
_ANSWER_SECONDS = 90.0
"""The server looks every two seconds, and SQL of ours may wait for half a minute."""
_RESTART_SECONDS = 1500.0
"""A server writes what it has in memory, ends, and may upgrade what it finds when it starts."""
_POLL_SECONDS = 0.1
SETTING = "filewallball:mariadb.storage.size"


class Interrupted(UserError):
    """The server no longer takes part: it was restarted, or gave the restore up."""


class Volume:
    """The volume at `path`, which the server sees as its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.folder = path / FOLDER
        self.copy = self.folder / "data"

    @contextmanager
    def alone(self) -> Generator[None]:
        """No other restore works on the volume inside the block. Raises UserError if one does."""
        with (self.path / "restore.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    "Another restore is at work.", "Wait until it has ended, and run the command again."
                ) from None
            yield

    def room(self) -> int:
        """Bytes that are free on it."""
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    def need(self, wanted: int, purpose: str) -> None:
        """Raise UserError unless `wanted` bytes are free."""
        if (room := self.room()) < wanted:
            raise UserError(
                f"The volume of MariaDB is too small: {purpose} needs about {human(wanted)}, and "
                f"{human(room)} are free.",
                f"Raise {SETTING}, and run `fwb up`. What an earlier restore has kept can be deleted: "
                f"{', '.join(self.kept()) or 'there is nothing'}.",
            )

    def kept(self) -> list[str]:
        """The folders of old data that earlier restores have left."""
        return sorted(path.name for path in self.path.glob(f"{KEPT}*"))

    def used(self, but: str) -> int:
        """Bytes of the server's data without those of one database and without the binary log."""
        total = 0
        for folder, names, files in os.walk(self.data):
            if Path(folder) == self.data and but in names:
                names.remove(but)
            for name in files:
                if not name.startswith("binlog."):
                    total += _size(Path(folder) / name)
        return total

    @contextmanager
    def shared(self) -> Generator[Shared]:
        """The folder, made anew; when the block ends, the server takes writes again and nothing is left."""
        replaced = [path.name for path in self.path.glob(f"{REPLACED}*")]
        for name in (FOLDER, f"{FOLDER}.new", *replaced):
            shutil.rmtree(self.path / name, ignore_errors=True)
        fresh = self.path / f"{FOLDER}.new"
        fresh.mkdir(mode=0o700)
        (fresh / "alive").touch()
        fresh.rename(self.folder)  # whole at once: without `alive` the server would remove it
        with Shared(self) as shared:
            yield shared


class Shared:
    """The folder while a restore works in it. Leaving it gives up, unless the server has taken over."""

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self._folder = volume.folder
        self._ended = threading.Event()
        self._lost = False
        self.handed_over = False
        self._beat = threading.Thread(target=self._keep, name="alive", daemon=True)

    def __enter__(self) -> Shared:
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._beat.join()
        lost = self._lost or not (self._folder / "alive").exists()
        # The server sees that it is gone, and takes writes again.
        (self._folder / "alive").unlink(missing_ok=True)
        if not self.handed_over:  # else the server may be about to take it
            shutil.rmtree(self._folder, ignore_errors=True)
            if lost and isinstance(error, (OSError, UserError)):
                raise _interrupted() from error

    def check(self) -> None:
        """Raise Interrupted once the server has called the restore off."""
        if self._lost:
            raise _interrupted()

    def ask(self, sql: str, doing: str) -> str:
        """Have the server's administrator run SQL; what the client says. Raises UserError if it fails."""
        answer = self._folder / "answer"
        asked = self._folder / "ask.sql"
        with self._there():
            answer.unlink(missing_ok=True)
            new = self._folder / "ask.new"
            new.touch(mode=0o600)
            new.write_text(sql, encoding="utf-8")
            new.rename(asked)
        self._wait(answer.exists, _ANSWER_SECONDS, f"{doing}: the server did not answer.")
        *said, code = answer.read_text(encoding="utf-8", errors="replace").rstrip("\n").split("\n")
        if code != "0":
            raise UserError(
                f"{doing} failed: {' '.join(said)[-500:]}",
                "If it waited for a lock, something works for a long time, such as a schema change. Run the "
                "restore again when that has ended.",
            )
        return "\n".join(said)

    def hand_over(self, taken: Callable[[str], None], *, saved: bool) -> str:
        """Have the server end and start with the copy; the name of its data until now.

        `taken` hears that name at once. `saved`: that data is backed up, and nobody will miss it.
        Raises Interrupted if the server stayed with what it has.
        """
        kept = f"{REPLACED if saved else KEPT}{datetime.now(UTC):%Y%m%d_%H%M%S}"
        settle(self.volume.copy)
        self.check()
        with self._there():
            new = self._folder / "ready.new"
            new.write_text(f"{kept}\n", encoding="utf-8")
            with new.open() as file:
                os.fsync(file.fileno())
            self.handed_over = True
            new.rename(self._folder / "ready")
        taken(kept)
        self._wait(
            lambda: not self._folder.exists() or not self.volume.copy.exists(),
            _RESTART_SECONDS,
            "The server did not restart.",
        )
        if not (self.volume.path / kept).is_dir():
            self._lost = True
            self.check()
        return kept

    @contextmanager
    def _there(self) -> Generator[None]:
        try:
            yield
        except FileNotFoundError:
            self._lost = True
            self.check()

    def _wait(self, done: Callable[[], bool], seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if self._lost or not self._folder.exists():
                if done():
                    return
                self._lost = True
                self.check()
            if time.monotonic() > deadline:
                raise UserError(
                    otherwise,
                    f"Look at `kubectl -n {own_namespace()} logs {mariadb.NAME}-0`. A stack that was "
                    "deployed by an older version has no part for restores: run `fwb up` first.",
                )
            time.sleep(_POLL_SECONDS)

    def _keep(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                os.utime(self._folder / "alive")
            except FileNotFoundError:
                self._lost = True
                return
            except OSError:  # the volume hangs; the server sees for itself how long
                continue


def _interrupted() -> Interrupted:
    return Interrupted(
        "The server was restarted meanwhile, or the volume did not answer for a minute, and the restore was"
        " called off.",
        f"Look at `kubectl -n {own_namespace()} logs {mariadb.NAME}-0 --previous`. Run the restore again.",
    )


def settle(folder: Path) -> None:
    """All of it is on the disk when this returns: the throw-away server did without."""
    for path, _, files in os.walk(folder, topdown=False):
        for name in (*files, "."):
            with suppress(FileNotFoundError):
                number = os.open(Path(path) / name, os.O_RDONLY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:  # the server removes files as it goes
        return 0
