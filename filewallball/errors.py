"""Errors that a user can cause and mend: printed as one message with a hint, never as a traceback."""

from __future__ import annotations

import copy
import difflib
import threading
from collections.abc import Iterable
from typing import Any, Self

WORK_BEGUN = threading.Event()
"""Set once this process has changed anything. A bad file ends the process with exit code 2 before, and with 1
after.
"""


class UserError(Exception):
    """Something outside the program is wrong. `hint` says what to do about it. Exit code 1."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def retold(self, message: str, hint: str) -> Self:
        """The same error in other words, whatever its own constructor takes."""
        told = copy.copy(self)
        told.args, told.message, told.hint = (message,), message, hint
        return told

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_it_was, (type(self), self.args, self.__dict__)


def _as_it_was(kind: type[UserError], arguments: tuple[Any, ...], values: dict[str, Any]) -> UserError:
    made = kind.__new__(kind, *arguments)
    made.__dict__.update(values)
    return made


class ConfigError(UserError):
    """Usage or configuration is wrong, and nothing has been changed. Exit code 2."""

    exit_code = 2


MOST_NAMES = 40
"""A hint lists no more names than this."""


def nearest(name: str, known: Iterable[str], of: str) -> str:
    """A hint for a name that doesn't exist: the nearest that do, and all `of` them, such as `Stacks`."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    shown = [*names[:MOST_NAMES], "…"] if len(names) > MOST_NAMES else names
    return f"{meant}{of}: {', '.join(shown) or 'none'}."
