"""The figures of one round of the balancer's drill."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Round:
    """One round. Times in seconds; those of requests from when they were due.

    "Users' reads" are the requests that may be sent twice, from the event on; see `failed_reads`.
    """

    event: str
    number: int
    began: str
    """UTC, ISO 8601."""
    failed: str = ""
    """Why the stack didn't get whole again, or why the round ended early; what was last seen."""
    requests: int = 0
    """From the event on: those that may be sent twice, and the others."""
    rate: float = 0.0
    """Requests a second that were due."""
    wrong_before: int = 0
    """Requests that failed before the event."""
    p50_before: float = 0.0
    """Of the requests that ended in the steady time before the event."""
    p99_before: float = 0.0
    """The same: how busy the machine was anyway."""
    reads: int = 0
    """Requests that may be sent twice, from the event on."""
    failed_reads: int = 0
    """Those of them that were not answered rightly. 503 with Retry-After counts only where it may not be."""
    failed_again: int = 0
    """The same for a client that tries a refused or reset connection once more."""
    told_to_wait: int = 0
    """Requests that need the database, were answered 503 with Retry-After, and may be."""
    writes: int = 0
    """Uploads and log-ins from the event on, which may not be sent twice."""
    failed_writes: int = 0
    why: dict[str, int] = field(default_factory=dict[str, int])
    """How requests failed → how many."""
    p50: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    slowest: float = 0.0
    """Of the users' reads."""
    slowest_write: float = 0.0
    over_a_second: int = 0
    """The users' reads that took longer than a second."""
    errors_beyond: float | None = None
    """How long after the end of the fault the last request failed; negative for before; None: none did."""
    uploads: int = 0
    """Acknowledged ones, in the whole round."""
    uploads_lost: int = 0
    by_server: dict[str, int] = field(default_factory=dict[str, int])
    """Which server answered how many of the requests, from the event on."""
    disagreements: list[str] = field(default_factory=list[str])
    """Where /upstream_status said something else than what nginx did, for longer than a second."""
    passages: int = 0
    """Requests by which that was seen."""
    whole_after: float | None = None
    stall: float = 0.0
    """The longest time for which the client itself didn't get to run, or sent a request too late."""
    note: str = ""
