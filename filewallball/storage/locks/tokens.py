"""Where the tokens of a folder's locks begin: so that none is given twice, whatever is lost.

Each lock counts in its own file, which isn't written through to the disk: that would make each acquisition a
hundred times dearer. So tokens stay below a ceiling that is on the disk. After a power cut, which may lose
what was counted, the counting goes on at the ceiling. A lock's first token is the time of day in microseconds
or greater, so that tokens grow even when somebody removes its file, or the whole folder.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from filewallball.storage.errors import Damaged, Unavailable, WrongSetting
from filewallball.storage.locks.lockfile import alone

STEP = 2**32
"""How many tokens are reserved at once."""
VERSION = 1
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot() -> bytes:
    """16 bytes that name this start of the machine; zeros where the system tells none."""
    try:
        return bytes.fromhex(_BOOT_ID.read_text(encoding="ascii").strip().replace("-", ""))
    except OSError:
        return bytes(16)


@dataclass(frozen=True)
class Bounds:
    """Since the start `boot` all tokens have been from `floor` to below `ceiling`, or will be."""

    boot: str
    floor: int
    ceiling: int
    version: int = VERSION


class Tokens:
    """Raises Damaged if the folder was written by a newer version."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "tokens"
        found = self._read()
        if found is None or found.boot != boot().hex():
            with self._alone():
                found = self._begun(self._read())
        self._bounds = found

    def start(self) -> int:
        """Where a lock begins that nobody has taken since the machine's start. Raises WrongSetting."""
        self._bounds = self._read() or self._bounds
        if self._bounds.boot != boot().hex():  # it was ours when we began
            raise WrongSetting(
                f"{self._folder} is used by two machines. Give each a folder of its own, or use a server."
            )
        return max(self._bounds.floor, _microseconds())

    def after(self, last: int) -> int:
        """The token after this one."""
        token = last + 1
        if token >= self._bounds.ceiling:
            self.reserve(token, self._bounds.floor)
        return token

    def reserve(self, token: int, floor: int) -> None:
        """See to it that `token` is below the ceiling, and no lock begins below `floor`."""
        with self._alone():
            found = self._begun(self._read())
            wanted = Bounds(found.boot, max(floor, found.floor), found.ceiling)
            if token >= found.ceiling:
                wanted = Bounds(found.boot, wanted.floor, token + STEP)
            if wanted != found:
                self._write(wanted)
            self._bounds = wanted

    def _begun(self, found: Bounds | None) -> Bounds:
        """Bounds of this start of the machine."""
        if found is not None and found.boot == boot().hex():
            return found
        floor = max(_microseconds(), found.ceiling if found else 0)
        begun = Bounds(boot().hex(), floor, floor + STEP)
        self._write(begun)
        return begun

    def _read(self) -> Bounds | None:
        try:
            found = json.loads(self._path.read_bytes())
            if found["version"] == VERSION:
                return Bounds(**found)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise Damaged(
                f"{self._path} can't be read. Remove the folder {self._folder} while no application uses it."
            ) from error
        raise Damaged(
            f"{self._folder} was written by another version of this library. "
            "Use one version in all applications that share it."
        )

    def _write(self, bounds: Bounds) -> None:
        try:
            self._replace(bounds)
        except OSError as error:
            raise Unavailable(
                f"The tokens in {self._folder} can't be written: {error.strerror}. Make room there."
            ) from error

    def _replace(self, bounds: Bounds) -> None:
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(asdict(bounds), file)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(0o600)
        new.replace(self._path)
        fd = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    @contextmanager
    def _alone(self) -> Generator[None]:
        fd = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            alone(fd, self._folder)
            yield
        finally:
            os.close(fd)


def _microseconds() -> int:
    return time.time_ns() // 1000
