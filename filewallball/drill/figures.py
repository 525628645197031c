"""A round's figures from its recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from filewallball.drill import arithmetic
from filewallball.drill.load.recording import Probe, Recording
from filewallball.drill.results import Round

WARM_UP = 0.3
"""Seconds at the start of a round that don't count for its rate."""


@dataclass(frozen=True)
class Circumstances:
    """What the recording doesn't tell. Times by the pod's monotonic clock."""

    event: str
    number: int
    began: str
    primary: str
    at: float
    """When the event took effect."""
    lone: list[Probe] | None = None
    """For an event that leaves the old primary to itself: probes of it from the inside, if there are any."""
    saved: float | None = None
    """When the primary was asked to save: what had been acknowledged by then is in its file."""
    failed: str = ""
    note: str = ""


def figures(recording: Recording, about: Circumstances) -> Round:
    """All that is reported of a round."""
    until = recording.ended
    probes = dict(recording.probes)
    if about.lone:
        probes[about.primary] = [*probes.get(about.primary, []), *about.lone]
    lost = arithmetic.loss(recording.acks, recording.lost, event=about.at)
    who = arithmetic.primaries(_since(probes, about.at - 1.0))
    # From inside if it was watched from there: what comes out after a cut may have been answered long before.
    lone = (
        None
        if about.lone is None
        else arithmetic.accepted_after(about.lone or probes[about.primary], about.at)
    )
    not_verified = "" if recording.verified else "the acknowledged writes couldn't be looked up"
    return Round(
        about.event,
        about.number,
        about.began,
        failed="; ".join(part for part in (about.failed, not_verified) if part),
        detection=arithmetic.detection(recording.events, probes, about.primary, event=about.at),
        failovers=arithmetic.failovers(recording.events, event=about.at),
        outage=arithmetic.longest_gap(
            (ack.acked for ack in recording.acks),
            since=about.at,
            until=until,
            interval=recording.interval,
        ),
        waited_outage=arithmetic.longest_gap(
            recording.waited, since=about.at, until=until, interval=recording.waiter_interval
        )
        if recording.waiter_interval
        else None,
        read_outages={
            reader: arithmetic.longest_gap(times, since=about.at, until=until)
            for reader, times in recording.reads.items()
        },
        writes=len(recording.acks),
        waited_writes=len(recording.waited),
        waited_in_vain=recording.waited_in_vain,
        gave_up=len(recording.errors),
        rate=arithmetic.rate(recording.acks, since=recording.began + WARM_UP, until=about.at),
        lost_waited=lost.waited + recording.waited_lost,
        lost_plain=lost.plain,
        oldest_lost=lost.oldest,
        saved=None if about.saved is None else arithmetic.acked_before(recording.acks, about.saved),
        lost_saved=0
        if about.saved is None
        else arithmetic.lost_before(recording.acks, recording.lost, about.saved),
        primaries=who.most,
        overlap=who.overlap,
        lone_writes=None if lone is None else len(lone),
        lone_last=lone[-1] - about.at if lone else None,
        redundancy=arithmetic.redundancy(recording.states, event=about.at),
        stall=recording.longest_stall,
        note=about.note,
    )


def _since(probes: Mapping[str, list[Probe]], moment: float) -> dict[str, list[Probe]]:
    return {member: [one for one in each if one.answered >= moment] for member, each in probes.items()}
