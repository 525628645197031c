"""Runs that failed, each a small object beside the backups: when, why, and what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from facts.backup import OBJECTS
from filewallball.backup.fields import ManifestError, load, parse_time, utc_text
from filewallball.backup.names import Naming
from filewallball.backup.store import AlreadyThere, Store, StoreError
from filewallball.errors import UserError

NAMING = Naming("failed run", OBJECTS, ".failed.json")
FORMAT = 1
KEEP = timedelta(days=7)
"""How long a failure is listed."""
_TRIES = 5
_AGAIN = "Correct it, then run `fwb backup now STACK`, which shows at once whether that was all."


@dataclass(frozen=True)
class Failure:
    """One run that failed. `pod`: where it ran, which names its Job."""

    time: datetime
    message: str
    hint: str
    pod: str

    def to_json(self) -> bytes:
        """As it is stored: UTF-8, readable by people."""
        values = {
            "format": FORMAT,
            "time": utc_text(self.time),
            "message": self.message,
            "hint": self.hint,
            "pod": self.pod,
        }
        return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Failure:
        """Raises ManifestError."""
        fields = load(text)
        fields.check_format(FORMAT)
        return cls(
            parse_time("time", fields.get("time", str)),
            fields.get("message", str),
            fields.get("hint", str),
            fields.get("pod", str),
        )


def record(store: Store, error: UserError, now: datetime) -> None:
    """Write it down, if the store can be reached: the Job's log has it in any case."""
    failure = Failure(now, error.message, error.hint, socket.gethostname())
    with suppress(StoreError):
        for second in range(_TRIES):
            with suppress(AlreadyThere):
                store.put(failure.to_json(), NAMING.name(now + timedelta(seconds=second)))
                return


def recent(store: Store) -> Iterator[Failure]:
    """The failures of the last days, the newest first. Raises StoreError."""
    oldest = store.now() - KEEP
    named = {item.key: time for item in store.list() if (time := NAMING.time(item.key))}
    for name, time in sorted(named.items(), key=lambda each: each[1], reverse=True):
        if time >= oldest:
            try:
                yield Failure.from_json(store.get(name))
            except ManifestError as error:
                yield Failure(time, f"{name} cannot be read: {error}", "", "")


def forget(store: Store) -> None:
    """Remove the records that are no longer listed; what can't be removed now will be later."""
    with suppress(StoreError):
        oldest = store.now() - KEEP
        for item in list(store.list()):
            if NAMING.time(item.key) and item.modified < oldest:
                store.delete(item.key)


def lines(found: Iterator[Failure], write: Callable[[str], None]) -> None:
    """Tell of them, for people."""
    begun = False
    for failure in found:
        if not begun:
            write(f"Failed runs of the last {KEEP.days} days:")
            begun = True
        where = f" (pod {failure.pod})" if failure.pod else ""
        write(f"{failure.time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC  FAILED {failure.message}{where}")
        write(f"  {failure.hint} {_AGAIN}" if failure.hint else f"  {_AGAIN}")
