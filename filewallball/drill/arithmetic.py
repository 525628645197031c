"""From what was recorded to figures: outage, loss, and who accepted writes when. Pure; times in seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from filewallball.drill.load.recording import Ack, Event, Probe, State

JOIN_SECONDS = 0.3
"""If two accepted probes of a member are no farther apart than this, it accepted writes all the time between.
"""

NO_ANSWER = frozenset({"silent", "closed"})
"""A cut-off member doesn't answer from the outside, and may accept what is sent from the inside."""


def longest_gap(answered: Iterable[float], *, since: float, until: float, interval: float = 0.0) -> float:
    """The longest time without an answer that reaches into `since … until`, less the pacing `interval`.

    A gap begins with the last answer before it, also one before `since`, and what has no answer at its end
    ends at `until`.
    """
    times = sorted(answered)
    first = bisect_right(times, since)
    begin = times[first - 1] if first else since
    longest = 0.0
    for at in [*(at for at in times[first:] if at < until), until]:
        longest = max(longest, at - begin)
        begin = at
    return max(0.0, longest - interval)


@dataclass(frozen=True)
class Loss:
    """Acknowledged writes that were lost. `waited`: those that WAIT had said to be on a replica."""

    waited: int
    plain: int
    oldest: float | None
    """How long before the event the oldest of them was acknowledged; negative for after it."""

    @property
    def total(self) -> int:
        return self.waited + self.plain


def loss(acks: Iterable[Ack], lost: Iterable[int], *, event: float) -> Loss:
    """Tell the lost ones apart."""
    gone = set(lost)
    found = [ack for ack in acks if ack.seq in gone]
    waited = sum(1 for ack in found if ack.waited)
    oldest = min((ack.acked for ack in found), default=None)
    return Loss(waited, len(found) - waited, None if oldest is None else event - oldest)


def acked_before(acks: Iterable[Ack], moment: float) -> int:
    """How many writes had been acknowledged before a moment, such as that of a save."""
    return sum(1 for ack in acks if ack.acked < moment)


def lost_before(acks: Iterable[Ack], lost: Iterable[int], moment: float) -> int:
    """How many of them were lost."""
    gone = set(lost)
    return sum(1 for ack in acks if ack.seq in gone and ack.acked < moment)


def rate(acks: Sequence[Ack], *, since: float, until: float) -> float:
    """Acknowledged writes per second in a span; 0 for an empty one."""
    span = until - since
    return sum(1 for ack in acks if since <= ack.acked < until) / span if span > 0 else 0.0


@dataclass(frozen=True)
class Primaries:
    """How many members accepted writes at one moment, at most, and for how long more than one did."""

    most: int
    overlap: float


def primaries(probes: Mapping[str, Sequence[Probe]]) -> Primaries:
    """Count by the probes that were accepted.

    A member accepted at the moment of its answer, and all the time between two such answers if it refused
    nothing between them and they are no more than JOIN_SECONDS apart.
    """
    edges = [edge for samples in probes.values() for span in _spans(samples) for edge in _edges(span)]
    most = level = 0
    overlap, last = 0.0, 0.0
    # at one instant beginnings go before ends: two that accept at the same instant are two
    for at, step in sorted(edges, key=lambda edge: (edge[0], -edge[1])):
        if level > 1:
            overlap += at - last
        level += step
        most, last = max(most, level), at
    return Primaries(most, overlap)


def _edges(span: tuple[float, float]) -> list[tuple[float, int]]:
    return [(span[0], 1), (span[1], -1)]


def _spans(samples: Sequence[Probe]) -> list[tuple[float, float]]:
    spans: list[tuple[float, float]] = []
    going = False
    answers = [one for one in samples if one.verdict not in NO_ANSWER]
    for one in sorted(answers, key=lambda sample: sample.answered):
        accepted = one.verdict == "accepted"
        if accepted and going and one.answered - spans[-1][1] <= JOIN_SECONDS:
            spans[-1] = (spans[-1][0], one.answered)
        elif accepted:
            spans.append((one.answered, one.answered))
        going = accepted
    return spans


def accepted_after(samples: Iterable[Probe], moment: float) -> list[float]:
    """When a member accepted probes after a moment."""
    return sorted(one.answered for one in samples if one.verdict == "accepted" and one.answered > moment)


def detection(
    events: Iterable[Event], probes: Mapping[str, Sequence[Probe]], primary: str, *, event: float
) -> float | None:
    """Seconds until a Sentinel said something, or a member other than the primary accepted a write."""
    signs = [one.at for one in events if one.at >= event]
    for member, samples in probes.items():
        if member != primary:
            signs += accepted_after(samples, event)[:1]
    return min(signs) - event if signs else None


def failovers(events: Iterable[Event], *, event: float) -> int:
    """How many fail-overs were tried or done: all Sentinels announce the same one."""
    telling = ("+try-failover", "+switch-master")
    return len({(one.channel, one.text) for one in events if one.at >= event and one.channel in telling})


def redundancy(states: Sequence[State], *, event: float) -> float | None:
    """Seconds until the set was whole for good; None if it wasn't at the end.

    0 if no look after the event found anything missing.
    """
    if not states or not states[-1].whole:
        return None
    return max(0.0, states[-1].at - event)
