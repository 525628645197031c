"""What every store can do with bytes: the rest of the package is built on it.

Keys are bytes and have their prefix already. Times to live are seconds; None: for ever. Each call raises
Unavailable when the store can't be reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

When = Literal["always", "new", "present"]
"""Whether a value is written: in any case, only if there is none, only over one."""
Facts = Mapping[str, str | int | float | bool]


class Held(Protocol):
    """A lock that the caller has. `token`: greater than that of every holder before (a fencing token)."""

    @property
    def token(self) -> int: ...
    def extend(self, ttl: float) -> None:
        """From now on. Raises NotHeld."""
        ...

    def release(self) -> None:
        """Raises NotHeld if it was no longer the caller's."""
        ...


class Locks(Protocol):
    """Locks by name, for threads and processes: one holder each, in the order of asking."""

    def acquire(self, name: str, ttl: float, wait: float | None = None) -> Held:
        """`wait`: at most so many seconds; None: for ever; 0: not at all. Raises NotAcquired, Unavailable."""
        ...

    def cleanup(self) -> int:
        """Remove what is left of locks that ran out; how many."""
        ...

    def held(self) -> Sequence[str]:
        """The names that somebody holds."""
        ...


class Backend(Protocol):
    """A store. For any number of threads, and after a fork."""

    def get(self, key: bytes) -> bytes | None: ...
    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]: ...
    def set(self, key: bytes, value: bytes, ttl: float | None = None, *, when: When = "always") -> bool:
        """Whether it was written."""
        ...

    def set_many(self, items: Mapping[bytes, bytes], ttl: float | None = None) -> None: ...
    def delete(self, keys: Sequence[bytes]) -> int:
        """How many there were."""
        ...

    def ttl(self, key: bytes) -> float | None:
        """Seconds left; None: for ever. Raises KeyError if there is no such key."""
        ...

    def expire(self, key: bytes, ttl: float | None) -> bool:
        """A new time to live, from now on; whether there is such a key."""
        ...

    def add(self, key: bytes, amount: int, ttl: float | None = None) -> int:
        """Add to a whole number in decimal digits, which begins with 0; the new one, within 64 bits.

        `ttl` counts where the key is new. Raises WrongValue if something else stands there, or it overflows.
        """
        ...

    def change(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        *,
        ttl: float | Literal["keep"] | None = "keep",
    ) -> bytes | None:
        """What `function` makes of the value, with nobody's write in between; None deletes. The new value.

        `function` may be called more than once. Nothing is changed if it raises.
        """
        ...

    def keys(self, prefix: bytes) -> Iterator[bytes]:
        """Those that begin so; each at most once, and each that is there all the time."""
        ...

    def clear(self, prefix: bytes) -> int:
        """Delete those that begin so; how many."""
        ...

    def locks(self) -> Locks: ...
    def cleanup(self) -> int:
        """Remove what has expired, where the store doesn't by itself; how many."""
        ...

    def facts(self) -> Facts:
        """What it says of itself: version, size in bytes, number of keys … The names that it can tell."""
        ...

    def check(self, *, fix: bool) -> list[str]:
        """What is wrong in it, one sentence each; mended where asked for and possible."""
        ...

    def backup(self, folder: Path) -> Path:
        """A copy of one moment, in a new file or folder below, while others write. Raises StorageError."""
        ...

    def close(self) -> None: ...
