"""Round after round: a sound set, the load, the event, a whole set again, and what clients saw of it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from facts.pods import password_key
from facts.tls import AUTHORITY, CA
from facts.valkey import CREDENTIALS, MASTER
from filewallball.drill.events import Event, Faults, Scene
from filewallball.drill.figures import Circumstances, figures
from filewallball.drill.load.recording import Plan, Probe, Recording
from filewallball.drill.members import Set, waiting
from filewallball.drill.pod import LoadPod
from filewallball.drill.results import Round
from filewallball.drill.rolls import Rolls
from filewallball.errors import UserError

RATE = 420.0
"""Writes in a second that the load aims at, to get more than AT_LEAST."""
AT_LEAST = 400
"""Acknowledged writes in a second without which a round doesn't begin."""
READ_RATE = 100.0
"""Reads a second, of each reader."""
WAIT_EVERY = 10
"""One write out of so many is followed by WAIT."""
WAITERS = 4
"""Threads that send each write with a WAIT."""
WAITER_RATE = 50.0
"""Writes a second, of each of these threads."""
PRELOAD = 2000
"""Writes that are saved before a power cut, beside those of the steady load until then."""
AFTER_SAVE_SECONDS = 2.0
"""The power cut comes this long after the save, so that there is something to lose."""
SETTLE_SECONDS = 90.0
STEADY_SECONDS = 60.0
STAYS_WHOLE = 0.5
"""The set counts as whole when it has been whole for so many seconds."""


class Drill:
    """The rounds of one drill."""

    def __init__(
        self,
        set_: Set,
        load: LoadPod,
        rolls: Rolls,
        faults: Faults | None,
    ) -> None:
        self._set, self._load, self._rolls, self._faults = set_, load, rolls, faults
        secret = set_.place.kube.get("v1", "Secret", CREDENTIALS, set_.place.namespace) or {"data": {}}
        self._password = base64.b64decode(secret["data"].get(password_key("app"), "")).decode()
        published = set_.place.kube.get("v1", "ConfigMap", AUTHORITY, set_.place.namespace) or {"data": {}}
        self._authority = str(published.get("data", {}).get(CA, ""))

    def round(self, event: Event, number: int) -> Round:
        """One round. Raises UserError if it can't begin, or the load's pod is lost."""
        self._set.settle(SETTLE_SECONDS)
        plan = Plan(
            f"{event.name}-{number}",
            self._set.members,
            self._set.sentinels,
            MASTER,
            RATE,
            READ_RATE,
            WAIT_EVERY,
            PRELOAD if event.saved_first else 0,
            WAITERS,
            WAITER_RATE,
        )
        began = datetime.now(UTC)
        self._load.start(plan._asdict())
        before = self._steady()
        saved = self._save(before) if event.saved_first else None
        scene = Scene(
            self._set, before["primary"], number, self._load.progress, RATE, self._rolls, self._faults,
            self._password, self._authority, at=time.time(),
        )  # fmt: skip
        failed = self._play(event, scene, before)
        recording = Recording.from_json(self._load.finish(plan.round))
        lone = [
            Probe(self._load.to_pod(one.sent), self._load.to_pod(one.answered), one.verdict)
            for one in scene.lone
        ]
        return figures(
            recording,
            Circumstances(
                event.name,
                number,
                began.isoformat(timespec="seconds"),
                scene.primary,
                self._load.to_pod(scene.at),
                lone if event.lone else None,
                saved,
                failed,
                scene.note,
            ),
        )

    def leave(self) -> None:
        """Leave the set as healthy as it can be: nothing cut, frozen or changed."""
        if self._faults:
            self._faults.heal_all(self._set.place.namespace)
        if self._rolls.pending:
            self._rolls.undo()
            self._set.settle(SETTLE_SECONDS + 300)

    def _play(self, event: Event, scene: Scene, before: dict[str, Any]) -> str:
        """Make the event happen and wait until the set is whole again. Returns what went wrong."""
        try:
            event.inject(scene)
            self._whole_again(event, scene, before["run_ids"])
        except UserError as error:
            if self._faults:
                self._faults.heal_all(self._set.place.namespace)
            return error.message
        return ""

    def _steady(self) -> dict[str, Any]:
        """Wait until the set is whole and the load runs at its pace."""

        def reason(seen: dict[str, Any]) -> str:
            if why := _not_whole(seen):
                return why
            if seen["accepting"] != [seen["primary"]]:
                return f"writes are accepted by {', '.join(seen['accepting']) or 'no one'}"
            if seen["acked_last_second"] < AT_LEAST:
                return f"{seen['acked_last_second']} writes a second, not {AT_LEAST}; {seen['error']}"
            return ""

        return self._watch(reason, STEADY_SECONDS, "the set under load isn't steady")

    def _save(self, seen: dict[str, Any]) -> float | None:
        """Have the primary save, where no append-only file does, and go on writing for a while."""
        saved = None if seen["append_only"] else self._saved(seen["primary"])
        time.sleep(AFTER_SAVE_SECONDS)
        return saved

    def _saved(self, member: str) -> float:
        """See `load.round.Round.save`. Raises UserError if the member didn't."""
        return float(self._load.ask("save", {"member": member})["saved"])

    def _whole_again(self, event: Event, scene: Scene, run_ids: dict[str, str]) -> None:
        def reason(seen: dict[str, Any]) -> str:
            if why := _not_whole(seen):
                return why
            same = [
                name for name in scene.restarted if seen["run_ids"].get(name) in ("", None, run_ids[name])
            ]
            if same:
                return f"{', '.join(same)} still to be restarted"
            return "" if seen["acked_last_second"] >= AT_LEAST / 2 else f"writes stall: {seen['error']}"

        self._watch(reason, event.whole_within, "the set isn't whole")

    def _watch(self, reason: Callable[[dict[str, Any]], str], seconds: float, what: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def look() -> str:
            seen.update(self._load.progress())
            return reason(seen)

        waiting(look, seconds, what)
        return seen


def _not_whole(seen: dict[str, Any]) -> str:
    if not seen["whole"]:
        return str(seen["why"])
    stays = seen["now"] - (seen["since"] or seen["now"])
    return "" if stays >= STAYS_WHOLE else "it has just become whole"
