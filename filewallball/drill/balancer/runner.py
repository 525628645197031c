"""A round: a sound stack under load, the event, a whole stack again, and what users saw of it."""

from __future__ import annotations

import base64
import hashlib
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from facts.balancer import STATUS, STATUS_PORT
from facts.pods import password_key
from facts.valkey import CREDENTIALS
from filewallball.drill.balancer.changes import Changes
from filewallball.drill.balancer.events import Event, Faults, Scene
from filewallball.drill.balancer.figures import Circumstances, figures
from filewallball.drill.balancer.front import Front
from filewallball.drill.balancer.limits import PLANNED, REQUESTS, SOON
from filewallball.drill.balancer.results import Round
from filewallball.drill.load.web.recording import Plan, Recording
from filewallball.drill.members import waiting
from filewallball.drill.pod import LoadPod
from filewallball.errors import UserError

RATE = 220.0
"""Requests a second."""
SETTLE_SECONDS = 180.0
STEADY_SECONDS = 120.0
STAYS = 2.0
"""All counts as well when it has been well for so many seconds."""
PATIENT_SECONDS = 60.0
"""After so many seconds a round begins although users wait for long. It misses its limits then."""
ENOUGH = 0.9
"""The load runs at its pace when the last second had this share of it."""


class Pace(NamedTuple):
    """How soon, in seconds, half of the users must have their answers, and 99 of 100 of them."""

    half: float
    nearly_all: float = math.inf


CALM = Pace(SOON, PLANNED.p99 or math.inf)
"""Before the event. Where users wait as long as in an event, a round would measure something else, such as
servers that have just been started again."""
ANY = Pace(math.inf)


class Drill:
    """The rounds of one drill."""

    def __init__(self, front: Front, load: LoadPod, changes: Changes, faults: Faults | None) -> None:
        self._front, self._load, self._changes, self._faults = front, load, changes, faults
        secret = front.place.kube.get("v1", "Secret", CREDENTIALS, front.namespace) or {"data": {}}
        # An account of the stack's own, without a password that anybody would have to keep.
        self._password = hashlib.sha256(
            base64.b64decode(secret["data"].get(password_key("app"), "")) + b"drill"
        ).hexdigest()

    def round(self, event: Event, number: int) -> Round:
        """One round. Raises UserError if it can't begin, or the load's pod is lost."""
        self._front.settle(SETTLE_SECONDS)
        self._changes.sweep()
        plan = self._plan(f"{event.name}-{number}")
        began = datetime.now(UTC)
        self._load.start(plan._asdict())
        steady = self._steady()
        soon = max(SOON, 2 * self._load.progress()["median_last_second"])
        begun = time.time()
        scene = Scene(self._front, number, self._changes, self._faults, self._primary, soon, at=begun)
        failed, whole = self._play(event, scene)
        recording = Recording.from_json(self._load.finish(plan.round))
        to_pod = self._load.to_pod
        return figures(
            recording,
            Circumstances(
                event.name,
                number,
                began.isoformat(timespec="seconds"),
                to_pod(steady),
                to_pod(begun),
                to_pod(whole if scene.until is None else scene.until),
                RATE,
                None if failed else whole - scene.at,
                event.limits.database_gone,
                failed,
                scene.note,
            ),
        )

    def leave(self) -> None:
        """Leave the stack as healthy as it can be: nothing closed, frozen or changed."""
        if self._faults:
            self._faults.heal_all(self._front.namespace)
        if self._changes.pending:
            self._changes.undo()
            waiting(self._front.not_ready, SETTLE_SECONDS + 300, "the stack isn't as it was")
        self._changes.sweep()

    def _plan(self, name: str) -> Plan:
        mark = hashlib.sha256(self._password.encode()).hexdigest()[:8]
        return Plan(
            name,
            self._front.url,
            RATE,
            f"drill-{mark}@drill.invalid",
            self._password,
            self._front.servers,
            (STATUS, STATUS_PORT, self._front.site_port),
            # All may come to the same pod, and the other half is for what is watched beside them.
            max(1, self._front.requests_at_once // 2),
        )

    def _primary(self) -> str:
        set_ = self._front.sessions
        body = {"members": set_.members, "sentinels": set_.sentinels}
        return str(self._load.ask("primary", body)["primary"])

    def _play(self, event: Event, scene: Scene) -> tuple[str, float]:
        """Make the event happen and wait until all is well again. What went wrong, and when all was well."""
        try:
            event.inject(scene)
            whole = self._whole_again(event, scene)
        except UserError as error:
            if self._faults:
                self._faults.heal_all(self._front.namespace)
            return error.message, time.time()
        return "", whole

    def _whole_again(self, event: Event, scene: Scene) -> float:
        waiting(self._front.not_ready, event.whole_within, "the stack isn't whole")
        whole = self._watch(event.whole_within, "users aren't served as before", lambda: Pace(scene.soon))
        since = {"since": self._load.to_pod(scene.at)}

        def few() -> str:
            ended = self._load.ask("ended", since)["requests"]
            return "" if ended >= REQUESTS else f"{ended} requests since the event"

        waiting(few, REQUESTS / RATE + 10, "too few requests were sent")
        return whole

    def _steady(self) -> float:
        """Wait until users have been served well for a while. When that began."""
        patient_until = time.monotonic() + PATIENT_SECONDS

        def pace() -> Pace:
            return CALM if time.monotonic() < patient_until else ANY

        return self._watch(STEADY_SECONDS, "the stack under load isn't steady", pace)

    def _watch(self, seconds: float, what: str, pace: Callable[[], Pace]) -> float:
        """The same. `pace`: how soon users must have their answers, as of now."""
        well: list[float] = []

        def look() -> str:
            why = self._unwell(self._load.progress(), pace())
            if why:
                well.clear()
                return why
            well.append(time.time())
            return "" if well[-1] - well[0] >= STAYS else "it has just become well"

        waiting(look, seconds, what)
        return well[0]

    def _unwell(self, seen: dict[str, Any], pace: Pace) -> str:
        if seen["answered_last_second"] < ENOUGH * RATE:
            return f"{seen['answered_last_second']} requests were answered in a second, not {RATE:g}"
        if seen["wrong_last_second"]:
            return f"{seen['wrong_last_second']} requests failed in a second, such as {seen['wrong']}"
        if seen["median_last_second"] > pace.half:
            return f"half of the answers of a second took {seen['median_last_second']:.2f} s or longer"
        if seen["p99_last_second"] > pace.nearly_all:
            return f"a hundredth of the answers of a second took {seen['p99_last_second']:.2f} s or longer"
        if len(seen["sends_to"]) < self._front.balancers:
            return f"{len(seen['sends_to'])} pods of the balancer tell their state"
        for pod, servers in seen["sends_to"].items():
            if left_out := self._front.servers.keys() - servers:
                return f"{pod} leaves out {', '.join(sorted(left_out))}"
        return ""
