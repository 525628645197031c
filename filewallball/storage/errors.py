"""What can go wrong in the storage. Each message says what to do."""

from __future__ import annotations


class StorageError(Exception):
    """The root of all errors of this package."""


class Unavailable(StorageError):
    """The server can't be reached, or was given up after the time of a fail-over. Trying later may help."""


class WrongSetting(StorageError, ValueError):
    """An address or an option that can't be right."""


class WrongValue(StorageError, TypeError):
    """A value that can't be stored, or one of another kind than the call asks for."""


class Damaged(StorageError):
    """What is stored can't be read."""


class NotAcquired(StorageError):
    """Somebody else holds the lock, and the time to wait is over."""


class NotHeld(StorageError):
    """The lock is no longer the caller's: its time ran out, or the server that knew of it is gone."""


class Full(StorageError):
    """There is no room for the value."""
