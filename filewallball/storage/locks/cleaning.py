"""What is left of locks on disk: who holds one, and the files that nobody needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from filewallball.storage.locks.lockfile import NOBODY, LockFile
from filewallball.storage.locks.tokens import Tokens
from filewallball.storage.locks.turns import Rules


def existing(names: Path) -> Iterator[LockFile]:
    """All that were ever taken, and not removed."""
    for path in names.glob("*/*"):
        with suppress(FileNotFoundError):
            file = LockFile(path)
            yield file
            file.close()


def held(names: Path, rules: Rules) -> list[str]:
    """The names that somebody holds."""
    found: list[str] = []
    for file in existing(names):
        state = file.alone(file.read)
        if state and rules.holds(state):
            found.append(file.name())
    return found


def cleanup(names: Path, rules: Rules, tokens: Tokens) -> int:
    """Free what the dead and those over their time hold, and remove the files of free locks.

    Returns how many were freed.
    """
    dead = rules.ears.dead()  # first: from here on none of these can take a lock
    freed, idle = _free(names, rules)
    if idle:
        highest = max(idle.values())
        tokens.reserve(highest, highest)  # first: a file made anew begins above it
        for path in idle:
            _remove(path, highest)
    for path in dead:
        path.unlink(missing_ok=True)
    return freed


def _free(names: Path, rules: Rules) -> tuple[int, dict[Path, int]]:
    """How many were taken from their holders, and the last tokens of those that nobody has."""
    freed = 0
    idle: dict[Path, int] = {}
    for file in existing(names):
        had, token, heir = file.alone(lambda file=file: _freed(file, rules))
        freed += had
        if token:
            idle[file.path] = token
        rules.wake(file, heir)
    return freed, idle


def _freed(file: LockFile, rules: Rules) -> tuple[bool, int, bytes | None]:
    """Whether its holder lost it; the last token, if it is nobody's now; and whom to wake."""
    state = file.read()
    if state is None or not state.token:
        return False, 0, None
    over = state.ear != NOBODY and not rules.holds(state)
    heir = None
    if over:
        heir = rules.settle(file, state)
        file.write(state)
    return over, state.token if state.ear == NOBODY else 0, heir


def _remove(path: Path, highest: int) -> None:
    """Whoever has it open sees that it is retired, and opens the one that comes after it."""
    with suppress(FileNotFoundError):
        file = LockFile(path)
        file.alone(lambda: _retire(file, highest))


def _retire(file: LockFile, highest: int) -> None:
    state = file.read()
    if state and state.ear == NOBODY and state.token <= highest:
        state.retired = 1
        file.write(state)
        file.path.unlink(missing_ok=True)
