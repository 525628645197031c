"""One round: users and all that is watched, at the same time, from `begin` to `finish`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from statistics import median
from typing import Any, TypeVar

from filewallball.drill.load.web.account import Account
from filewallball.drill.load.web.recording import Plan, Recording
from filewallball.drill.load.web.users import Users
from filewallball.drill.load.web.watching import Watch

HEARTBEAT = 0.01
"""Seconds between two beats. One that comes late means that the client itself stood still."""
ENTER_SECONDS = 60.0
END_SECONDS = 60.0
"""What is under way at the end, and what is looked up then, may need this long."""
LATELY_SECONDS = 1.0
T = TypeVar("T")


class WebRound:
    """Runs in a thread of its own until it is told to finish."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._account = Account(plan.url, plan.email, plan.password)
        self._users, self._watch = Users(plan, self._account), Watch(plan)
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._began = 0.0
        self._longest_stall = 0.0

    @property
    def name(self) -> str:
        return self._plan.round

    def begin(self) -> None:
        """Raises NotServed if nobody can log in."""
        self._thread.start()
        self._do(self._account.enter(), ENTER_SECONDS)
        self._began = time.monotonic()
        self._work = asyncio.run_coroutine_threadsafe(self._run(), self._loop)

    async def _run(self) -> None:
        await asyncio.gather(self._users.run(self._stop), self._watch.run(self._stop), self._heartbeat())

    def progress(self) -> dict[str, Any]:
        """How it goes: what the drill decides by."""
        now = time.monotonic()
        recent = [one for one in self._users.samples[-5000:] if one.done > now - LATELY_SECONDS]
        waited = [one.done - one.due for one in recent]
        wrong = [one for one in recent if not one.right]
        views = {one.balancer: one for one in self._watch.views[-200:] if one.at > now - LATELY_SECONDS}
        return {
            "now": now,
            "requests": len(self._users.samples),
            "passages": len(self._watch.passages),
            "answered_last_second": len(recent),
            "wrong_last_second": len(wrong),
            "median_last_second": median(waited) if waited else 0.0,
            "p99_last_second": sorted(waited)[int(0.99 * len(waited))] if waited else 0.0,
            "wrong": f"{wrong[-1].kind}: {wrong[-1].status or wrong[-1].error}" if wrong else "",
            "servers_last_second": dict(Counter(one.server for one in recent if one.server)),
            "sends_to": {name: list(view.gets) for name, view in views.items()},
        }

    def ended_since(self, at: float) -> int:
        """How many requests have ended since then, on this machine's monotonic clock."""
        return sum(1 for one in self._users.samples if one.done >= at)

    def finish(self) -> Recording:
        """End the round, look up every acknowledged upload, and remove all files."""
        ended = time.monotonic()
        self._end()
        recording = Recording(
            self._began, ended, self._users.samples, self._watch.views, self._watch.passages,
            self._watch.health, len(self._account.uploaded), longest_stall=self._longest_stall,
        )  # fmt: skip
        with contextlib.suppress(Exception):
            recording.uploads_lost = self._do(self._account.lost(), END_SECONDS)
            recording.verified = True
        self._leave()
        return recording

    def abandon(self) -> None:
        """End the round without asking what it found."""
        with contextlib.suppress(Exception):
            self._end()
        self._leave()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._work.result(END_SECONDS)

    def _leave(self) -> None:
        with contextlib.suppress(Exception):
            self._do(self._account.leave(), END_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _do(self, what: Coroutine[Any, Any, T], seconds: float) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(seconds)

    async def _heartbeat(self) -> None:
        """Notices when this process doesn't get to run: that would look like an outage of the servers."""
        last = time.monotonic()
        while not self._stop.is_set():
            await asyncio.sleep(HEARTBEAT)
            now = time.monotonic()
            self._longest_stall = max(self._longest_stall, now - last - HEARTBEAT)
            last = now
