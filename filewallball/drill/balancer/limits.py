"""What the balancer must reach, event by event: the one place where these figures stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from filewallball.drill.balancer.results import Round

REQUESTS = 6000
"""Fewer requests from the event on prove nothing."""
RATE = 200.0
"""Requests a second that must be due, at least."""
SOON = 0.25
"""Half of the requests before the event are answered within so many seconds, counted from when they were due.
Users who wait in a long queue are served at the same pace, and aren't served well.
"""
SLACK = 0.5
"""Seconds that a request may take beside the time that nginx waits for a frozen server."""


@dataclass(frozen=True)
class Limits:
    """None where there is no limit. Times in seconds."""

    failed: int | None = 0
    """Failed requests that may be sent twice."""
    failed_again: int | None = 0
    """The same, of a client that tries a refused or reset connection once more."""
    p99: float | None = None
    slowest: float | None = None
    one_timeout: bool = False
    """No request takes longer than the time that nginx waits for one frozen server."""
    errors_beyond: float | None = None
    """No request fails later than this after the end of the fault."""
    database_gone: bool = False
    """What needs the database may be told to wait."""


NONE_FAILS = Limits()
PLANNED = Limits(p99=0.25)
FROZEN = Limits(one_timeout=True)
BALANCER_GONE = Limits(failed=None)
ALL_GONE = Limits(failed=None, failed_again=None, errors_beyond=2.0)
DATABASE_GONE = Limits(slowest=10.0, database_gone=True)


def broken(limits: Limits, rounds: Sequence[Round], silence: float) -> list[str]:
    """Which limits the rounds of an event didn't keep, in words; empty if all are met.

    `silence`: the time for which nginx waits for a server, in seconds.
    """
    return [f"round {one.number}: {why}" for one in rounds for why in missed(limits, one, silence)]


def missed(limits: Limits, one: Round, silence: float) -> Iterator[str]:
    """The same for one round."""
    if one.failed:
        yield f"failed: {one.failed}"
    if one.requests < REQUESTS:
        yield f"{one.requests} requests, and fewer than {REQUESTS} prove nothing"
    if one.rate < RATE:
        yield f"{one.rate:.0f} requests a second were due, and {RATE:g} must be"
    if one.wrong_before:
        yield f"{one.wrong_before} requests failed before the event"
    if one.p50_before > SOON:
        yield f"half of the requests before the event took {one.p50_before:.2f} s or longer, limit {SOON:g} s"
    if limits.failed is not None and one.failed_reads > limits.failed:
        yield f"{one.failed_reads} requests failed{_named(one)}, limit {limits.failed}"
    if limits.failed_again is not None and one.failed_again > limits.failed_again:
        yield (
            f"{one.failed_again} requests failed for a client that tries once more{_named(one)},"
            f" limit {limits.failed_again}"
        )
    if limits.p99 is not None and one.p99 > limits.p99:
        yield f"99th percentile {one.p99:.3f} s, limit {limits.p99:g} s"
    slowest = silence + SLACK if limits.one_timeout else limits.slowest
    worst = one.slowest if limits.one_timeout else max(one.slowest, one.slowest_write)
    if slowest is not None and worst > slowest:
        yield f"slowest request {worst:.2f} s, limit {slowest:g} s"
    if limits.errors_beyond is not None and (one.errors_beyond or 0.0) > limits.errors_beyond:
        yield (
            f"a request failed {one.errors_beyond:.1f} s after the end of the fault,"
            f" limit {limits.errors_beyond:g} s"
        )
    if one.uploads_lost:
        yield f"{one.uploads_lost} of {one.uploads} acknowledged uploads lost"
    for each in one.disagreements:
        yield f"the status page was wrong: {each}"
    if not one.passages:
        yield "nobody saw where nginx sends requests"


def _named(one: Round) -> str:
    """Ways in which requests failed, in brackets, where any are known."""
    ways = ", ".join(f"{count} {why}" for why, count in list(one.why.items())[:4])
    return f" ({ways})" if ways else ""


def described(limits: Limits) -> str:
    """The limits in words."""
    parts: list[str] = []
    if limits.failed is not None:
        parts.append(f"{limits.failed} failed requests of those that may be sent twice")
    elif limits.failed_again is not None:
        parts.append(f"{limits.failed_again} failed for a client that tries a broken connection once more")
    if limits.database_gone:
        parts.append("503 with Retry-After for what needs the database")
    if limits.p99 is not None:
        parts.append(f"99 % within {limits.p99 * 1000:g} ms")
    if limits.one_timeout:
        parts.append("none takes longer than one upstream timeout")
    if limits.slowest is not None:
        parts.append(f"none takes longer than {limits.slowest:g} s")
    if limits.errors_beyond is not None:
        parts.append(f"errors end within {limits.errors_beyond:g} s after the fault")
    return "; ".join([*parts, "no acknowledged upload lost"])
