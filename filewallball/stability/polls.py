"""Two polls compared: latencies beyond what this machine and chance explain, errors, outages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from filewallball.errors import ConfigError
from filewallball.stability import noise
from filewallball.stability.changes import Change, Verdict, judged, told

LEAST_P = 0.01
"""Of the Mann-Whitney test."""
LEAST_SEGMENTS = 8
"""Seconds of a poll below which nothing is said of its latencies."""
MET = 0.95
"""Share of the rate before that is still as good."""
MOST_COST = 4.0
"""Times the reference's."""
OUTAGE_SECONDS = 0.5
"""What an outage may be longer by."""


@dataclass(frozen=True)
class Measure:
    """A percentile of each second. `least`: the share that it must change by."""

    name: str
    key: str
    percentile: str
    least: float


MEASURES = (
    Measure("p10", "served", "p10", 0.10),
    Measure("p50", "served", "p50", 0.25),
    Measure("p90", "served", "p90", 1.0),
    Measure("p99", "whole", "p99", 2.0),
)
"""The quickest tenth waits for nobody: it shows best what the server itself takes. The others are noisy."""
OF_A_SHARD = Measure("p10", "served", "p10", 0.25)
"""A shard has a part of the requests alone."""
BLOCKS = 12
"""Seconds that follow one another are alike, so each poll counts as this many values at the most."""


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """All rows of the table. Raises ConfigError for polls that can't be compared."""
    if before["rate"] != after["rate"]:
        raise ConfigError(
            f"The polls had different rates: {before['rate']:g} and {after['rate']:g} requests a second",
            "Take both with the same --rate.",
        )
    found = [told("kind", before["deployment"]["kind"], after["deployment"]["kind"])]
    found += [_latency(measure, before["shards"], after["shards"], "") for measure in MEASURES]
    if len(before["shards"]) == len(after["shards"]) > 1:
        pairs = zip(before["shards"], after["shards"], strict=True)
        found += [_latency(OF_A_SHARD, [one], [other], f" of shard {other['shard']}") for one, other in pairs]
    return [*found, _rate(before, after), _errors(before, after), *_outages(before, after)]


def _latency(measure: Measure, before: list[Any], after: list[Any], where: str) -> Change:
    early, late = _segments(before), _segments(after)
    was, now = (median(_values(each, measure.key, measure.percentile) or [0.0]) for each in (early, late))
    shown = [f"{value / 1000:.3f} ms" for value in (was, now)]
    name = f"latency {measure.name}{where}"
    if min(len(early), len(late)) < LEAST_SEGMENTS:
        return Change(
            name, shown[0], shown[1], "changed", f"fewer than {LEAST_SEGMENTS} seconds tell nothing"
        )
    cost = _cost([*early, *late], measure)
    own = [_own(each, measure, cost) for each in (early, late)]
    share = noise.shift(*own) / was
    p = noise.mann_whitney(*(noise.blocks(each, BLOCKS) for each in own))
    verdict: Verdict = "same"
    if p < LEAST_P and abs(share) >= measure.least:
        verdict = "worse" if share > 0 else "better"
    machine = cost * noise.shift(*(_values(each, "reference", measure.percentile) for each in (early, late)))
    why = f"{share:+.0%} (p {p:.2g}), this machine's {machine / 1000:+.3f} ms deducted"
    return Change(name, shown[0], shown[1], verdict, why)


def _segments(shards: Sequence[Any]) -> list[Any]:
    """Those with requests, in order; the first second of each shard is left out, in which all is cold."""
    every = [each for shard in shards for each in shard["segments"] if each["second"]]
    return sorted((each for each in every if each["served"] and each["reference"]), key=_second)


def _second(segment: Any) -> int:
    return segment["second"]


def _values(segments: Sequence[Any], key: str, percentile: str) -> list[float]:
    return [each[key][percentile] for each in segments]


def _cost(segments: Sequence[Any], measure: Measure) -> float:
    """How many times as much of this machine as the reference a request takes, at the most.

    On a server nearby all of a request is work of processors, of which this machine's is a measure. Far away
    most of it is waiting.
    """
    served = median(_values(segments, measure.key, measure.percentile))
    reference = median(_values(segments, "reference", measure.percentile))
    return min(max(1.0, served / reference), MOST_COST)


def _own(segments: Sequence[Any], measure: Measure, cost: float) -> list[float]:
    """The server's own part of each second: without what the reference took in the same one."""
    return [
        each[measure.key][measure.percentile] - cost * each["reference"][measure.percentile]
        for each in segments
    ]


def _rate(before: dict[str, Any], after: dict[str, Any]) -> Change:
    was, now = before["achieved"], after["achieved"]
    verdict: Verdict = "worse" if now < MET * was else "better" if was < MET * now else "same"
    return Change("requests/s achieved", f"{was:g}", f"{now:g}", verdict)


def _errors(before: dict[str, Any], after: dict[str, Any]) -> Change:
    was, now = (sum(each["errors"].values()) for each in (before, after))
    verdict: Verdict = "same"
    if noise.more_than_chance(was, now):
        verdict = "worse"
    elif noise.more_than_chance(now, was):
        verdict = "better"
    return Change("failed requests", str(was), str(now), verdict, ", ".join(after["errors"]))


def _outages(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    was, now = before["longest_outage"], after["longest_outage"]
    verdict: Verdict = "same"
    if abs(now - was) > OUTAGE_SECONDS:
        verdict = "worse" if now > was else "better"
    return [
        Change("longest outage", f"{was:.2f} s", f"{now:.2f} s", verdict),
        judged("lost writes", before["lost_writes"], after["lost_writes"], good="less"),
        told("failovers", str(len(before["failovers"])), str(len(after["failovers"]))),
    ]
