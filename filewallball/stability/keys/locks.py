"""Who is at work on what, on this machine: a lock ends with its process, however that ends."""

from __future__ import annotations

import fcntl
from contextlib import ExitStack
from typing import IO, Self

from filewallball.paths import state_dir


class Held:
    """The locks of this process; they end with the block."""

    def __init__(self) -> None:
        self._files = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def take(self, name: str) -> bool:
        """Whether nobody else had it. The file stays: removing it would let two take it."""
        folder = state_dir() / "redis"
        folder.mkdir(parents=True, exist_ok=True)
        file: IO[str] = (folder / f"{name}.lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._files.enter_context(file)
        return True
