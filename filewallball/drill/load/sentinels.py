"""Listens to what the Sentinels announce."""

from __future__ import annotations

import contextlib
import time
from threading import Event as Flag
from typing import Any, cast

from filewallball.drill.load.recording import Event
from filewallball.drill.load.resp import Address, Connection, Refusal, Word

CHANNELS = (
    "+sdown", "-sdown", "+odown", "-odown", "+new-epoch", "+try-failover", "+elected-leader",
    "-failover-abort-not-elected", "-failover-abort-no-good-slave", "-failover-abort-slave-timeout",
    "+selected-slave", "+promoted-slave", "+failover-end", "+failover-end-for-timeout", "+switch-master",
    "+config-update-from", "+convert-to-slave", "+fix-slave-config", "+role-change", "+reboot",
    "+vote-for-leader", "+tilt", "-tilt",
)  # fmt: skip
"""https://valkey.io/topics/sentinel/#pubsub-messages"""
TIMEOUT = 0.5
"""Seconds for one answer."""
PING_AFTER = 1.0
"""Seconds of silence after which a Sentinel is asked whether it is still there."""
PAUSE = 0.2
"""Seconds between two tries to connect."""


class Listener:
    """Subscribes to one Sentinel, and again whenever the connection breaks."""

    def __init__(
        self,
        sentinel: str,
        address: Address,
        login: tuple[Word, ...],
        heard: list[Event],
        ca_file: str | None = None,
    ) -> None:
        self._ca_file = ca_file
        self._sentinel, self._address, self._login, self._heard = sentinel, address, login, heard

    def run(self, stop: Flag) -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                connection = Connection(self._address, TIMEOUT, self._ca_file)
                try:
                    self._listen(connection, stop)
                finally:
                    connection.close()
            stop.wait(PAUSE)

    def _listen(self, connection: Connection, stop: Flag) -> None:
        connection.send(self._login, ("SUBSCRIBE", *CHANNELS))
        pinged = False
        while not stop.is_set():
            try:
                self._take(connection.reply(PING_AFTER))
                pinged = False
            except TimeoutError:
                if pinged:
                    return
                connection.send(("PING",))
                pinged = True

    def _take(self, reply: Any) -> None:
        if isinstance(reply, Refusal):
            raise ConnectionRefusedError(reply)
        words = cast("list[Any]", reply) if isinstance(reply, list) else []
        if len(words) == 3 and words[0] == "message":
            self._heard.append(Event(time.monotonic(), self._sentinel, str(words[1]), str(words[2])))
