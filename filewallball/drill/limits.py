"""What a set of session servers must reach, event by event: the one place where these figures stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from filewallball.drill.results import Round

Losses = Literal["none", "unwaited", "any", "unsaved"]
"""What may be lost: nothing, nothing that WAIT acknowledged, anything, nothing older than the last save."""

APPEND_ONLY_LOSS = 1.0
"""With an append-only file, no write may be lost that is older than this, in seconds."""


@dataclass(frozen=True)
class Limits:
    """Seconds; None where there is no limit."""

    outage_median: float | None
    outage_worst: float | None
    losses: Losses
    lone_last: float | None = None
    """No write accepted by a lone primary later than this."""
    stays: bool = False
    """No fail-over at all."""
    waited_worst: float | None = None
    """The longest outage of writes that wait for a replica."""


PLANNED = Limits(0.2, 1.0, "none", waited_worst=0.3)
FAILED = Limits(3.0, 5.0, "unwaited")
ONE_WAY = Limits(None, None, "any", lone_last=10.0)
ALL_AT_ONCE = Limits(None, 30.0, "unsaved")
BUSY = Limits(None, None, "none", stays=True)


def broken(limits: Limits, rounds: Sequence[Round], *, append_only: bool) -> list[str]:
    """Which limits the rounds of an event didn't keep, in words; empty if all are met."""
    found: list[str] = [f"round {one.number} failed: {one.failed}" for one in rounds if one.failed]
    outages = [one.outage for one in rounds if one.outage is not None]
    if outages and limits.outage_median is not None and median(outages) > limits.outage_median:
        found.append(f"median outage {median(outages):.2f} s, limit {limits.outage_median:g} s")
    if outages and limits.outage_worst is not None and max(outages) > limits.outage_worst:
        found.append(f"worst outage {max(outages):.2f} s, limit {limits.outage_worst:g} s")
    waited = [one.waited_outage for one in rounds if one.waited_outage is not None]
    if waited and limits.waited_worst is not None and max(waited) > limits.waited_worst:
        found.append(f"worst outage of writes with WAIT {max(waited):.2f} s, limit {limits.waited_worst:g} s")
    for one in rounds:
        if limits.stays and one.failovers:
            found.append(f"round {one.number}: {one.failovers} fail-overs though nothing was down")
        if reason := _loss(limits.losses, one, append_only=append_only):
            found.append(f"round {one.number}: {reason}")
        if limits.lone_last is not None and (one.lone_last or 0.0) > limits.lone_last:
            found.append(
                f"round {one.number}: a lone primary accepted a write after {one.lone_last:.1f} s,"
                f" limit {limits.lone_last:g} s"
            )
    return found


def _loss(losses: Losses, one: Round, *, append_only: bool) -> str:
    if losses == "none" and one.lost:
        return f"{one.lost} acknowledged writes lost"
    if losses == "unwaited" and one.lost_waited:
        return f"{one.lost_waited} writes lost that WAIT acknowledged"
    if losses != "unsaved":
        return ""
    if append_only and (one.oldest_lost or 0.0) > APPEND_ONLY_LOSS:
        return f"a write of {one.oldest_lost:.1f} s before was lost in spite of the append-only file"
    if not append_only and not one.saved:
        return "nothing had been saved, so that nothing was proven"
    return f"{one.lost_saved} writes lost that had been saved" if one.lost_saved else ""


def described(limits: Limits) -> str:
    """The limits in words."""
    parts: list[str] = []
    if limits.outage_median is not None:
        parts.append(f"outage {limits.outage_median:g} s median, {limits.outage_worst:g} s worst")
    elif limits.outage_worst is not None:
        parts.append(f"back in {limits.outage_worst:g} s")
    if limits.waited_worst is not None:
        parts.append(f"writes with WAIT {limits.waited_worst:g} s worst")
    if limits.lone_last is not None:
        parts.append(f"no write by a lone primary after {limits.lone_last:g} s")
    if limits.stays:
        parts.append("no fail-over")
    parts.append(_LOSSES[limits.losses])
    return "; ".join(part for part in parts if part)


_LOSSES: dict[Losses, str] = {
    "none": "no write lost",
    "unwaited": "no write lost that WAIT acknowledged",
    "any": "losses counted",
    "unsaved": f"no saved write lost (append-only file: none older than {APPEND_ONLY_LOSS:g} s)",
}
