"""A writer through the Sentinels that remembers what was acknowledged."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from local_set import LocalSet

from filewallball.storage import sessions


@dataclass
class Written:
    """`key` begins the names of its keys, which no other writer has used."""

    key: str = field(default_factory=lambda: f"w:{secrets.token_hex(4)}")
    acknowledged: list[int] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def wait_for_more(self, count: int = 50) -> None:
        """Return once that many further writes have been acknowledged."""
        target, deadline = len(self.acknowledged) + count, time.monotonic() + 20
        while len(self.acknowledged) < target:
            assert time.monotonic() < deadline, f"{len(self.acknowledged)} writes, errors {self.errors}"
            time.sleep(0.01)

    def lost(self, found: LocalSet) -> list[int]:
        """What was acknowledged and isn't there."""
        client = found.client(found.wait_whole())
        there = set(client.mget([f"{self.key}:{n}" for n in self.acknowledged]))
        return [number for number in self.acknowledged if str(number) not in there]


def connect(found: LocalSet, timeout: float = 15) -> sessions.Sessions:
    return sessions.connect(
        [(each.pod.host, 26379) for each in found.sentinels],
        password=found.passwords["app"],
        sentinel_password=found.passwords["sentinel"],
        timeout=timeout,
        ca_file=found.ca_file(),
    )


@contextmanager
def writer(found: LocalSet, per_second: int = 400) -> Iterator[Written]:
    """Write meanwhile, as an application does, `per_second` keys."""
    written, stop, client = Written(), threading.Event(), connect(found)

    def work() -> None:
        number = 0
        while not stop.wait(1 / per_second):
            number += 1
            try:
                client.call(lambda valkey, n=number: valkey.set(f"{written.key}:{n}", n))
            except Exception as error:  # noqa: BLE001 - told by the test
                written.errors.append(error)
                return
            written.acknowledged.append(number)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        written.wait_for_more()
        yield written
        written.wait_for_more()
    finally:
        stop.set()
        thread.join()
        client.close()
    assert not written.errors
