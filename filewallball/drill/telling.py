"""The drill of the session servers in words: a round on one line, and what stands around a report's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from filewallball.drill.events import BY_NAME
from filewallball.drill.limits import broken
from filewallball.drill.report import STALL, verdict
from filewallball.drill.results import Round
from filewallball.drill.summary import in_seconds


def line(one: Round, about: Mapping[str, Any]) -> str:
    """A round on one line: whether it kept its limits, which it didn't, and its figures."""
    parts = [
        f"outage {in_seconds(one.outage)}",
        f"with WAIT {in_seconds(one.waited_outage)}",
        f"detected after {in_seconds(one.detection)}",
        f"{one.acknowledged} writes, {one.lost} lost ({one.lost_waited} of them WAIT-acknowledged)",
        f"at most {one.primaries} accepting" + (f" for {one.overlap:.2f} s" if one.overlap else ""),
    ]
    if one.lone_writes is not None:
        last = f", the last after {in_seconds(one.lone_last)}" if one.lone_writes else ""
        parts.append(f"{one.lone_writes} lone probes accepted{last}")
    if one.saved is not None:
        parts.append(f"{one.saved} had been saved, {one.lost_saved} of them lost")
    parts.append(f"whole after {in_seconds(one.redundancy)}")
    if one.stall > STALL:
        parts.append(f"the client itself stood still for {one.stall:.2f} s")
    if one.note:
        parts.append(one.note)
    # A median is for all rounds together.
    each = replace(BY_NAME[one.event].limits, outage_median=None)
    limits = broken(each, [one], append_only=bool(about.get("append_only")))
    return f"{one.event} {one.number}: {verdict(one.failed, limits)}: {'; '.join(parts)}"


def _waiters(about: Mapping[str, Any]) -> str:
    """A drill of an earlier time had none."""
    if not about.get("waiters"):
        return ""
    return f" {about['waiters']} threads at {about['waiter_rate']:g} each, every write followed by WAIT 1;"


def introduction(about: Mapping[str, Any]) -> Sequence[str]:
    return [
        f"{about['members']} members, {about['sentinels']} Sentinels, {about['image']};"
        f" {about['cluster']}, {about['machine']}; begun {about['began']}.",
        "",
        f"One writer at {about['rate']:g} writes a second through Sentinel, every"
        f" {about['wait_every']}th followed by WAIT 1;{_waiters(about)} two readers at"
        f" {about['read_rate']:g} a second, one from the primary and one from a replica."
        " Every member is probed with writes of its own all the time. Times in seconds, median / worst,"
        " from the moment the event took effect.",
        "",
    ]


LEGEND = (
    "- detected: a Sentinel announced something, or another member took a write.",
    "- outage: the longest time without an acknowledged write, less the pacing interval; reads:"
    " without an answered read, the worse of both readers.",
    "- with WAIT: the longest time in which no thread that follows every write with WAIT 1 had a"
    " replica's acknowledgement, less the pacing interval of one.",
    "- lost (WAIT): acknowledged writes that the whole set didn't have in the end; in brackets those"
    " of them that WAIT 1 had acknowledged. WAIT means two memories, not a disk.",
    "- lost of saved: how many were lost of the writes that had been acknowledged before the primary"
    " was asked to save; that save ends two seconds before the event.",
    "- primaries: so many members accepted writes at one moment, at most, and for how long in all.",
    "- lone primary: probes that the old primary accepted while it was cut off or after it woke up,"
    " and the latest of them.",
    "- redundant: one primary, every replica linked, all Sentinels of one mind (seen every 0.2 s).",
)
