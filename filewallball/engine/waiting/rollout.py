"""Waits until an object is ready, or certain not to become so, and then says why in the pod's words."""

from __future__ import annotations

import threading
import time
from typing import Any

from filewallball.engine.kinds.states import made_for_first_pod, waiting
from filewallball.engine.kinds.table import STORAGE_CLASS
from filewallball.engine.program.resources import key_of
from filewallball.engine.waiting import readiness
from filewallball.engine.waiting.observer import Observer
from filewallball.engine.waiting.watch import TICK, RolloutFailed, Say, Watch, what_next
from filewallball.errors import UserError
from filewallball.kube import Kube

Object = dict[str, Any]
WORTH_A_LINE_AFTER = 2.0
"""Seconds that a state must last before a line tells of it."""


class Stopped(UserError):
    """The run was asked to stop while it waited."""


class Waiter:
    """Waits for many objects at once, each in a thread of its caller, over shared watches."""

    def __init__(self, kube: Kube, observer: Observer, stop: threading.Event) -> None:
        self._kube = kube
        self._observer = observer
        self._stop = stop
        self._classes: list[Object] | None = None

    def wait(self, applied: Object, timeout: float, say: Say) -> Object:
        """Return the ready object. `timeout` in seconds; `say` gets the reasons for waiting.

        Raises RolloutFailed, Stopped, and Unreachable when the server stays away.
        """
        watch = Watch(self._kube, self._observer, applied)
        deadline = time.monotonic() + timeout
        said = ("", False)
        obj = applied
        first = True
        while True:
            state = readiness.of(obj, waits_for_consumer=self._waits_for_consumer)
            if state.phase == "ready":
                settling = 0.0 if first else watch.settling(obj)
                if settling <= 0:
                    return obj
                state = waiting("started, but it may still crash")
            if state.phase == "failed" and first:  # let the views of its pods fill, to tell the reason
                watch.troubles(obj)
                self._observer.wait(TICK)
            elif state.phase == "failed":
                raise RolloutFailed(watch.report(obj, state.detail, watch.troubles(obj)), what_next(obj))
            if self._stop.is_set():
                raise Stopped(f"{key_of(obj)}: stopped while waiting: {state.detail}")
            troubles = watch.troubles(obj)
            certain = [each for each in troubles if watch.lasted(each.key) >= each.certain_after]
            if certain:
                raise RolloutFailed(watch.report(obj, "", certain), what_next(obj))
            detail = watch.detail(obj, state.detail, troubles)
            if time.monotonic() > deadline:
                why = f"not ready after {timeout:.0f} s: {detail}"
                raise RolloutFailed(watch.report(obj, why, troubles), what_next(obj))
            lasting = watch.lasted(f"line/{detail}") >= WORTH_A_LINE_AFTER
            if (detail, lasting) != said:
                say(detail, lasting)
                said = (detail, lasting)
            watch.unblock(obj, say)
            if not first:
                self._observer.wait(TICK)
            first = False
            obj = watch.latest()

    def wait_gone(self, obj: Object, timeout: float) -> None:
        """Return when the object has gone. Raises RolloutFailed that names what holds it, and Stopped."""
        meta = obj["metadata"]
        namespace = meta.get("namespace", "")
        where = (obj["apiVersion"], obj["kind"])
        view = self._observer.view(*where, namespace)
        deadline = time.monotonic() + timeout
        while True:
            seen = view.objects.get(meta["name"])
            if seen is None or seen["metadata"]["uid"] != meta["uid"]:
                left = self._kube.get(*where, meta["name"], namespace or None)
                if left is None or left["metadata"]["uid"] != meta["uid"]:
                    return
                seen = left
            if self._stop.is_set():
                raise Stopped(f"{key_of(obj)}: stopped while it was being deleted")
            if time.monotonic() > deadline:
                held = ", ".join(seen["metadata"].get("finalizers") or []) or "its dependents"
                raise RolloutFailed(
                    f"{key_of(obj)}: still there {timeout:.0f} s after its deletion, held by {held}",
                    f"Look at `{key_of(obj).kubectl('describe')}`, and run the command again.",
                )
            self._observer.wait(TICK)

    def _waits_for_consumer(self, claim: Object) -> bool:
        if self._classes is None:
            self._classes = self._kube.list(STORAGE_CLASS.api_version, STORAGE_CLASS.name)
        return made_for_first_pod(claim, self._classes)
