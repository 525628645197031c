"""The clients of a drill: what an application does that follows the documentation, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event as Flag
from typing import Any, Protocol

from filewallball.drill.load.recording import Ack, Plan

PREFIX = "fwb-drill:"
"""The load's keys begin with this. Keys with `fwb:` are closed to applications."""
TTL = 1800
"""Seconds after which a key expires if nobody removes it."""
BATCH = 500
"""Commands that are sent together."""
WAIT_MS = 400
"""Milliseconds after which WAIT gives up: less than the client waits for a server."""
CATCH_UP = 0.1
"""A writer that is late by more than this many seconds doesn't catch up."""
PAUSE = 0.02
"""Seconds between two tries."""


class Sessions(Protocol):
    """What is used of `filewallball.storage.sessions.Sessions`."""

    def call(self, function: Callable[[Any], Any]) -> Any: ...
    def read(self, function: Callable[[Any], Any]) -> Any: ...
    def close(self) -> None: ...


class Pace:
    """Lets something happen so many times a second."""

    def __init__(self, rate: float) -> None:
        self.interval = 1 / rate
        self._due = time.monotonic()

    def wait(self, stop: Flag) -> None:
        now = time.monotonic()
        self._due = max(self._due + self.interval, now - CATCH_UP)
        if self._due > now:
            stop.wait(self._due - now)


class Writer:
    """Writes keys that no one has written before, and remembers each acknowledgement."""

    def __init__(self, sessions: Sessions, plan: Plan) -> None:
        self.acks: list[Ack] = []
        self.errors: list[tuple[float, str]] = []
        self._sessions, self._plan = sessions, plan
        self._seq = 0

    def preload(self) -> None:
        """Write the plan's first keys in batches. Raises what the client raises."""
        while self._seq < self._plan.preload:
            batch = range(self._seq + 1, min(self._seq + BATCH, self._plan.preload) + 1)
            sent = time.monotonic()
            self._sessions.call(lambda valkey, batch=batch: self._write_all(valkey, batch))
            self._seq = batch[-1]
            acked = time.monotonic()
            self.acks += [Ack(seq, sent, acked) for seq in batch]

    def run(self, stop: Flag) -> None:
        pace = Pace(self._plan.rate)
        while not stop.is_set():
            self._seq += 1
            self._write(self._seq, stop)
            pace.wait(stop)

    def verify(self) -> list[int]:
        """Sequence numbers of acknowledged writes that are gone, or hold something else."""
        lost: list[int] = []
        for part in _batches([ack.seq for ack in self.acks]):
            keys = [self._key(seq) for seq in part]
            found = self._sessions.call(lambda valkey, keys=keys: valkey.mget(keys))
            lost += [seq for seq, value in zip(part, found, strict=True) if _text(value) != self._value(seq)]
        return lost

    def clean_up(self) -> None:
        """Remove every key that may have been written."""
        for part in _batches(range(1, self._seq + 1)):
            keys = [self._key(seq) for seq in part]
            self._sessions.call(lambda valkey, keys=keys: valkey.unlink(*keys))

    def _write(self, seq: int, stop: Flag) -> None:
        with_wait = seq % self._plan.wait_every == 0
        sent = time.monotonic()
        try:
            waited = self._sessions.call(lambda valkey: self._write_one(valkey, seq, with_wait=with_wait))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gave this write up
            self.errors.append((time.monotonic(), f"{type(error).__name__}: {error}"))
            stop.wait(PAUSE)
        else:
            self.acks.append(Ack(seq, sent, time.monotonic(), waited))

    def _write_one(self, valkey: Any, seq: int, *, with_wait: bool) -> int | None:
        if not with_wait:
            valkey.set(self._key(seq), self._value(seq), ex=TTL)
            return None
        # One connection for both: WAIT speaks of the writes of its own connection.
        pipe = valkey.pipeline(transaction=False)
        pipe.set(self._key(seq), self._value(seq), ex=TTL)
        pipe.execute_command("WAIT", 1, WAIT_MS)
        return int(pipe.execute()[1])

    def _write_all(self, valkey: Any, batch: Sequence[int]) -> None:
        pipe = valkey.pipeline(transaction=False)
        for seq in batch:
            pipe.set(self._key(seq), self._value(seq), ex=TTL)
        pipe.execute()

    def _key(self, seq: int) -> str:
        return f"{PREFIX}{self._plan.round}:{seq}"

    def _value(self, seq: int) -> str:
        return f"{self._plan.round}={seq}"


class Waiters:
    """Threads that write as one does who can't accept to lose a write: each is followed by WAIT 1."""

    def __init__(self, sessions: Sessions, plan: Plan) -> None:
        self.writers = [
            Writer(
                sessions, plan._replace(round=f"{plan.round}:w{number}", rate=plan.waiter_rate, wait_every=1)
            )
            for number in range(plan.waiters)
        ]

    @property
    def acknowledged(self) -> list[float]:
        """When a replica acknowledged a write, of whatever thread."""
        return sorted(ack.acked for writer in self.writers for ack in writer.acks if ack.waited)

    @property
    def in_vain(self) -> int:
        return sum(1 for writer in self.writers for ack in writer.acks if not ack.waited)

    def lost(self) -> int:
        """How many acknowledged ones are gone, or hold something else."""
        return sum(len(_waited(writer) & set(writer.verify())) for writer in self.writers)

    def clean_up(self) -> None:
        for writer in self.writers:
            writer.clean_up()


def _waited(writer: Writer) -> set[int]:
    return {ack.seq for ack in writer.acks if ack.waited}


class Reader:
    """Reads at a steady pace and remembers when it was answered. `read`: Sessions.call or Sessions.read."""

    def __init__(self, read: Callable[[Callable[[Any], Any]], Any], writer: Writer, plan: Plan) -> None:
        self.answered: list[float] = []
        self._read, self._writer, self._plan = read, writer, plan

    def run(self, stop: Flag) -> None:
        pace = Pace(self._plan.read_rate)
        while not stop.is_set():
            seq = self._writer.acks[-1].seq if self._writer.acks else 0
            try:
                self._read(lambda valkey, seq=seq: valkey.get(f"{PREFIX}{self._plan.round}:{seq}"))
            except Exception:  # noqa: BLE001 - a read that the client gave up: the gap tells
                stop.wait(PAUSE)
            else:
                self.answered.append(time.monotonic())
            pace.wait(stop)


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(numbers), BATCH):
        yield numbers[at : at + BATCH]


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
