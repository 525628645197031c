"""Writes sent to a member directly, whatever its role: who accepts writes at this moment?"""

from __future__ import annotations

import contextlib
import time
from threading import Event

from filewallball.drill.load.recording import Probe
from filewallball.drill.load.resp import Address, Connection, Refusal, Word

PERIOD = 0.06
"""Seconds between two probes of a member that answers."""
PATIENCE = 0.25
"""Seconds after which a member counts as silent. If its answer comes later, it is recorded as well."""
OVERDUE = 6
"""How many silent connections are kept open for late answers, as from a frozen server that wakes up."""
TTL = 60
"""Seconds until a probe's key expires."""


class MemberProbe:
    """Probes one member until told to stop."""

    def __init__(
        self,
        address: Address,
        login: tuple[Word, ...],
        key: str,
        ca_file: str | None = None,
        name: str | None = None,
    ) -> None:
        self._trust = ca_file, name
        self.samples: list[Probe] = []
        self._address, self._login, self._key = address, login, key
        self._connection: Connection | None = None
        self._overdue: list[tuple[float, Connection, int]] = []

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            began = time.monotonic()
            self._probe(began)
            self._look_for_late_answers()
            stop.wait(max(0.0, began + PERIOD - time.monotonic()))
        for _, connection, _ in self._overdue:
            connection.close()
        if self._connection:
            self._connection.close()

    @property
    def accepted_lately(self) -> bool:
        """Whether the last probe of all was accepted, and is not stale."""
        last = self.samples[-1] if self.samples else None
        fresh = last and time.monotonic() - last.answered < PATIENCE + 2 * PERIOD
        return bool(last and fresh and last.verdict == "accepted")

    def _probe(self, sent: float) -> None:
        write = ("SET", self._key, f"{sent:.6f}", "EX", TTL)
        expected = 1
        try:
            if self._connection is None:
                # both at once: a server that is frozen now carries the write out when it wakes up
                self._connection = Connection(self._address, PATIENCE, *self._trust)
                expected = 2
                self._connection.send(self._login, write)
            else:
                self._connection.send(write)
        except OSError as error:
            self._drop()
            return self._record(sent, "silent" if isinstance(error, TimeoutError) else "closed")
        connection, verdict = self._connection, ""
        try:
            while expected:
                verdict = _verdict(connection.reply(PATIENCE))
                expected -= 1
        except TimeoutError:
            self._connection = None
            self._keep(sent, connection, expected)
            verdict = "silent"
        except OSError:
            self._drop()
            verdict = "closed"
        return self._record(sent, verdict)

    def _keep(self, sent: float, connection: Connection, expected: int) -> None:
        self._overdue.append((sent, connection, expected))
        if len(self._overdue) > OVERDUE:
            # the oldest were sent when the server fell silent, the newest reach it first when a cut heals
            self._overdue.pop(OVERDUE // 2)[1].close()

    def _look_for_late_answers(self) -> None:
        waiting: list[tuple[float, Connection, int]] = []
        for sent, connection, expected in self._overdue:
            left = expected
            try:
                while left:
                    verdict = _verdict(connection.reply(0))
                    left -= 1
                    if not left:
                        self._record(sent, verdict)
            except TimeoutError:
                waiting.append((sent, connection, left))
                continue
            except OSError:
                pass
            connection.close()
        self._overdue = waiting

    def _record(self, sent: float, verdict: str) -> None:
        self.samples.append(Probe(sent, time.monotonic(), verdict))

    def _drop(self) -> None:
        if self._connection:
            with contextlib.suppress(OSError):
                self._connection.close()
        self._connection = None


def _verdict(reply: object) -> str:
    return reply.code if isinstance(reply, Refusal) else "accepted"
