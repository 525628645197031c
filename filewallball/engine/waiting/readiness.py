"""When is an object ready? What holds for every kind, around what the table of kinds says of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from filewallball.engine.kinds import kind_of
from filewallball.engine.kinds.states import READY, State, waiting

Object = dict[str, Any]


def of(obj: Object, *, waits_for_consumer: Callable[[Object], bool] = lambda _: False) -> State:
    """The state of any object; kinds that have nothing to wait for are ready.

    `waits_for_consumer` tells whether a claim stays unbound by design until a pod uses it.
    """
    meta = obj.get("metadata", {})
    if meta.get("deletionTimestamp"):
        return waiting("being deleted")
    annotations: Object = meta.get("annotations") or {}
    if annotations.get("pulumi.com/skipAwait") == "true":
        return READY
    kind = kind_of(obj)
    state = kind.state(obj)
    if kind.claims_volume and state.phase == "waiting" and waits_for_consumer(obj):
        return READY
    return state
