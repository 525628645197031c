"""Two polls compared: latencies beyond what this machine and chance explain, stalls, errors, outages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from filewallball.errors import ConfigError
from filewallball.stability import noise
from filewallball.stability.changes import Change, Verdict, judged, told
from filewallball.stability.noise import Difference
from filewallball.stability.segments import LIMITS_MS

LEAST_SEGMENTS = 10
"""Moments of a poll below which nothing is said of its latencies."""
ERRORS = 2.5
"""Standard errors: what is further from no change is none of chance."""
LEAST_SLOWER = 0.10
"""Share by which the middle of the latencies must change to count."""
SOUGHT = 0.20
"""Share that must be found. Where noise may hide that much, the comparison says so."""
MACHINE_ERROR = 0.025
"""What a share of 1 that is this machine's work is off by, between two polls, beyond chance. Measured as
in tests/e2e/stability/test_noise.py: unchanged servers differ by 1.9 % (standard deviation, with chance) on a
machine that does nothing else. On a busy one it is more, and what is reckoned of chance grows too."""
MOST_COST = 4.0
"""Times the reference's."""
STALL_ERRORS = 3.0
"""Three limits are looked at, each in rare events."""
LEAST_STALLS = 0.002
"""Share of the requests that must be held up more often than before to count."""
STALL_LIMITS = 3
MET = 0.95
"""Share of the rate before that is still as good."""
OUTAGE_SECONDS = 0.5
"""What an outage may be longer by."""
LONGER = "Poll for longer (--seconds), while this machine has less to do."
Segments = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class _Pair:
    """The segments of both polls. `where`: of which shard, if not of all."""

    before: Segments
    after: Segments
    where: str = ""

    @property
    def short(self) -> bool:
        return min(len(self.before), len(self.after)) < LEAST_SEGMENTS

    def both(self, key: str, percentile: str) -> tuple[list[float], list[float]]:
        early, late = ([each[key][percentile] for each in side] for side in (self.before, self.after))
        return early, late

    def shown(self, key: str, percentile: str) -> tuple[str, str]:
        was, now = (f"{median(values or [0.0]) / 1000:.3f} ms" for values in self.both(key, percentile))
        return was, now


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """All rows of the table. Raises ConfigError for polls that can't be compared."""
    if before["rate"] != after["rate"]:
        raise ConfigError(
            f"The polls had different rates: {before['rate']:g} and {after['rate']:g} requests a second",
            "Take both with the same --rate.",
        )
    whole = _Pair(_segments(before["shards"]), _segments(after["shards"]))
    pairs = [whole]
    if len(before["shards"]) == len(after["shards"]) > 1:
        shards = zip(before["shards"], after["shards"], strict=True)
        pairs += [
            _Pair(_segments([one]), _segments([two]), f" of shard {two['shard']}") for one, two in shards
        ]
    found = [
        told("kind", before["deployment"]["kind"], after["deployment"]["kind"]),
        told("connections", str(before["connections"]), str(after["connections"])),
    ]
    for pair in pairs:
        found += [_latency(pair), _stalls(pair)]
    found += [
        Change(f"latency {each}", *whole.shown("whole", each), "not judged", "of each moment, the middle")
        for each in ("p90", "p99")
    ]
    return [*found, _rate(before, after), _errors(before, after), *_outages(before, after)]


def _segments(shards: Sequence[Any]) -> Segments:
    """Those with requests, in order; the first second of each shard is left out, in which all is cold."""
    every = [each for shard in shards for each in shard["segments"] if each["second"] >= 1]
    return sorted(
        (each for each in every if each["served"] and each["reference"]), key=lambda each: each["second"]
    )


def _latency(pair: _Pair) -> Change:
    """Of the middle, p50: it is hardly moved by what is rare, and that has a row of its own."""
    name, shown = f"latency p50{pair.where}", pair.shown("served", "p50")
    if pair.short:
        return Change(name, *shown, "unsure", _TOO_SHORT)
    (was, now), machine = pair.both("served", "p50"), pair.both("reference", "p50")
    cost = min(max(1.0, median([*was, *now]) / median([*machine[0], *machine[1]])), MOST_COST)
    base = median(was)
    difference = noise.of_medians(_own(was, machine[0], cost), _own(now, machine[1], cost))
    work = min(1.0, cost * median(machine[0]) / base)
    share = Difference(difference.value / base, math.hypot(difference.error / base, work * MACHINE_ERROR))
    deducted = cost * (median(machine[1]) - median(machine[0])) / 1000
    why = f"{share.value:+.0%} ± {ERRORS * share.error:.0%}, this machine's {deducted:+.3f} ms deducted"
    return Change(name, *shown, *_verdict(share, why))


def _own(served: Sequence[float], reference: Sequence[float], cost: float) -> list[float]:
    """The server's part of each moment: without what this machine took in the same one."""
    return [value - cost * taken for value, taken in zip(served, reference, strict=True)]


def _verdict(share: Difference, why: str) -> tuple[Verdict, str]:
    if share.beyond(ERRORS) and abs(share.value) >= LEAST_SLOWER:
        return ("worse" if share.value > 0 else "better"), why
    if share.value + ERRORS * share.error > SOUGHT:
        return "unsure", f"{why}. {LONGER}"
    return "same", why


_TOO_SHORT = f"There are too few requests. {LONGER}"


def _stalls(pair: _Pair) -> Change:
    """Of requests that took far longer than the middle, by several limits of time."""
    name = f"stalls{pair.where}"
    if pair.short:
        return Change(name, "", "", "unsure", _TOO_SHORT)
    served, reference = (median([*was, *now]) for was, now in map(pair.both, _BOTH, ("p50", "p50")))
    first = next((place for place, limit in enumerate(LIMITS_MS) if limit * 1000 > 1000 + 2 * served), None)
    if first is None:
        return Change(name, "", "", "not judged", f"a request takes {served / 1000:.0f} ms")
    # This machine holds up a request that takes ten times as long more often, though not ten times so.
    times = max(1.0, served / reference / 2)
    rows = [_stalled(pair, place, times) for place in range(len(LIMITS_MS))[first : first + STALL_LIMITS]]
    order: list[Verdict] = ["worse", "better", "same"]
    return Change(name, *min(rows, key=lambda each: order.index(each[2])))


_BOTH = ("served", "reference")


def _stalled(pair: _Pair, place: int, times: float) -> tuple[str, str, Verdict, str]:
    """There must be more of them, and more than this machine explains."""
    every = [_held_up(side, place, 0.0) for side in (pair.before, pair.after)]
    own = [_held_up(side, place, times) for side in (pair.before, pair.after)]
    was, now = (f"{fmean(shares):.2%}" for shares in every)
    all_of_them, servers = noise.of_means(*every), noise.of_means(*own)
    why = f"of the requests, over {LIMITS_MS[place]} ms; {servers.value:+.2%} without those of this machine"
    sure = all(
        each.beyond(STALL_ERRORS) and abs(each.value) >= LEAST_STALLS for each in (all_of_them, servers)
    )
    if not sure or all_of_them.value * servers.value < 0:
        return was, now, "same", why
    return was, now, "worse" if servers.value > 0 else "better", why


def _held_up(side: Segments, place: int, times: float) -> list[float]:
    """The share of each moment's requests that took so long, less so many times those of the reference."""
    return [
        (each["served"]["over"][place] - times * each["reference"]["over"][place]) / each["requests"]
        for each in side
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
