"""A save that is asked for, so that there is something which a power cut must not take."""

from __future__ import annotations

import time

from filewallball.drill.load.resp import Address, Connection, Refusal, Word, info

TIMEOUT = 5.0
"""Seconds for one answer."""
SAVE_SECONDS = 60.0
POLL_SECONDS = 0.05


class NotSavedError(Exception):
    """The server didn't write its file."""


def save(address: Address, login: tuple[Word, ...], ca_file: str | None = None) -> float:
    """Have the server write its RDB file. Returns when it was asked: all that it had by then is in it.

    Raises NotSavedError, and OSError where the server can't be reached.
    """
    connection = Connection(address, TIMEOUT, ca_file)
    try:
        for reply in (connection.call(*login), connection.call("PING")):
            if isinstance(reply, Refusal):
                raise NotSavedError(f"{address[0]}: {reply}")
        deadline = time.monotonic() + SAVE_SECONDS
        asked = _begin(connection, deadline)
        while (seen := info(connection.call("INFO", "persistence")))["rdb_bgsave_in_progress"] != "0":
            _pause(deadline, "the save doesn't end")
        if seen["rdb_last_bgsave_status"] != "ok":
            raise NotSavedError(f"{address[0]}: the save failed: look at the server's log and its volume")
        return asked
    finally:
        connection.close()


def _begin(connection: Connection, deadline: float) -> float:
    """Ask until the save has begun: a server that writes another file at the moment refuses."""
    while True:
        asked = time.monotonic()
        reply = connection.call("BGSAVE")
        if not isinstance(reply, Refusal):
            return asked
        if reply.code != "err":
            raise NotSavedError(f"BGSAVE: {reply}")
        _pause(deadline, f"BGSAVE: {reply}")


def _pause(deadline: float, why: str) -> None:
    if time.monotonic() > deadline:
        raise NotSavedError(f"{why}, after {SAVE_SECONDS:.0f} s")
    time.sleep(POLL_SECONDS)
