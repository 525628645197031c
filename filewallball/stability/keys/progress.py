"""Which pieces of a restore are in place: written down, so that a restore that was killed goes on."""

from __future__ import annotations

import threading
from functools import cached_property

from filewallball.paths import state_dir


class Progress:
    """`mark`: of this backup, this target and these options. A file of this machine."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self._path = state_dir() / "redis" / f"restore-{mark}.pieces"
        self._lock = threading.Lock()

    @cached_property
    def _found(self) -> frozenset[str]:
        try:
            return frozenset(self._path.read_text(encoding="utf-8").splitlines())
        except OSError:
            return frozenset()

    def done(self) -> frozenset[str]:
        """What an earlier run has placed."""
        return self._found

    def add(self, name: str) -> None:
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)
