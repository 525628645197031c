"""One round: all clients, probes and listeners at work at the same time, from `begin` to `finish`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread
from typing import Any, NamedTuple

from filewallball.drill.load.clients import PREFIX, Reader, Sessions, Waiters, Writer
from filewallball.drill.load.probes import MemberProbe
from filewallball.drill.load.recording import Event, Plan, Recording
from filewallball.drill.load.saving import save
from filewallball.drill.load.sentinels import Listener
from filewallball.drill.load.whole import Eye, View

HEARTBEAT = 0.01
"""Seconds between two beats. One that comes late means that the client itself stood still."""
LATE_SECONDS = 15.0
"""A thread in the middle of a call that is tried again may need this long to end."""


class Passwords(NamedTuple):
    """Of the applications' user, of the Sentinels, of `checks` who may look, and of `backup` who may save."""

    app: str
    sentinel: str
    checks: str
    backup: str


Connect = Callable[[Plan, Passwords], Sessions]


class Round:
    """Runs in threads of its own until it is told to finish."""

    def __init__(
        self, plan: Plan, passwords: Passwords, connect: Connect, ca_file: str | None = None
    ) -> None:
        self.plan = plan
        self._ca_file = ca_file
        self._passwords = passwords
        self._stop = Flag()
        self._sessions = connect(plan, passwords)
        self._writer = Writer(self._sessions, plan)
        self._waiters = Waiters(self._sessions, plan)
        self._readers = {
            "primary": Reader(self._sessions.call, self._writer, plan),
            "replica": Reader(self._sessions.read, self._writer, plan),
        }
        self._probes = {
            name: MemberProbe(address, ("AUTH", passwords.app), f"{PREFIX}probe:{name}", ca_file)
            for name, address in plan.members.items()
        }
        self._heard: list[Event] = []
        self._listeners = [
            Listener(name, address, ("AUTH", passwords.sentinel), self._heard, ca_file)
            for name, address in plan.sentinels.items()
        ]
        self._eye = Eye(
            plan.members, plan.sentinels, plan.master, ("AUTH", "checks", passwords.checks), ca_file
        )
        self._longest_stall = 0.0
        self._began = 0.0
        jobs = [*self._readers.values(), *self._probes.values(), *self._listeners, self._eye]
        jobs += [self._writer, *self._waiters.writers]
        self._threads = [Thread(target=job.run, args=(self._stop,), daemon=True) for job in jobs]
        self._threads.append(Thread(target=self._heartbeat, daemon=True))

    @property
    def name(self) -> str:
        return self.plan.round

    def begin(self) -> None:
        """Raises what the client raises if the first keys can't be written."""
        self._writer.preload()
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def save(self, member: str) -> float:
        """When a member was asked to save what it had by then, and did. Raises NotSavedError and OSError."""
        return save(self.plan.members[member], ("AUTH", "backup", self._passwords.backup), self._ca_file)

    def progress(self) -> dict[str, Any]:
        """How it goes: what the drill decides by."""
        now = time.monotonic()
        acks, view = self._writer.acks, self._eye.view
        recent = [ack.acked for ack in acks[-1000:] if ack.acked > now - 1]
        state = self._eye.states[-1] if self._eye.states else None
        return {
            "now": now,
            "acked": len(acks) - self.plan.preload,
            "last_ack": acks[-1].acked if acks else None,
            "acked_last_second": len(recent),
            "error": self._writer.errors[-1][1] if self._writer.errors else "",
            "accepting": [name for name, probe in self._probes.items() if probe.accepted_lately],
            "since": state.at if state else None,
            **_plain(view),
        }

    def finish(self) -> Recording:
        """End the round, look up every acknowledged write, and remove all keys."""
        ended = time.monotonic()
        self.stop()
        recording = Recording(
            1 / self.plan.rate,
            self._began,
            ended,
            list(self._writer.acks),
            list(self._writer.errors),
            {"primary": self._readers["primary"].answered, "replica": self._readers["replica"].answered},
            {name: probe.samples for name, probe in self._probes.items()},
            sorted(self._heard),
            self._eye.states,
            longest_stall=self._longest_stall,
            waiter_interval=1 / self.plan.waiter_rate,
            waited=self._waiters.acknowledged,
            waited_in_vain=self._waiters.in_vain,
        )
        with contextlib.suppress(Exception):
            recording.lost = self._writer.verify()
            recording.waited_lost = self._waiters.lost()
            recording.verified = True
        self.clean_up()
        return recording

    def stop(self) -> None:
        self._stop.set()
        deadline = time.monotonic() + LATE_SECONDS
        for thread in self._threads:
            if thread.ident:
                thread.join(max(0.0, deadline - time.monotonic()))

    def abandon(self) -> None:
        """End the round without asking what it found."""
        self.stop()
        self.clean_up()

    def clean_up(self) -> None:
        """Remove the round's keys; what can't be removed now goes by its time to live."""
        with contextlib.suppress(Exception):
            self._writer.clean_up()
            self._waiters.clean_up()
            probed = [f"{PREFIX}probe:{name}" for name in self._probes]
            self._sessions.call(lambda valkey: valkey.unlink(*probed))
        self._sessions.close()

    def _heartbeat(self) -> None:
        """Notices when this process doesn't get to run: that would look like an outage of the servers."""
        last = time.monotonic()
        while not self._stop.is_set():
            time.sleep(HEARTBEAT)
            now = time.monotonic()
            self._longest_stall = max(self._longest_stall, now - last - HEARTBEAT)
            last = now


def _plain(view: View) -> dict[str, Any]:
    return {
        "whole": view.whole,
        "why": view.why,
        "primary": view.primary,
        "run_ids": dict(view.run_ids),
        "append_only": view.append_only,
    }
