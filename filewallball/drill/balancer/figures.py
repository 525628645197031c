"""A round's figures from its recording."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from filewallball.drill.balancer import arithmetic
from filewallball.drill.balancer.results import Round
from filewallball.drill.load.web.recording import Recording


@dataclass(frozen=True)
class Circumstances:
    """What the recording doesn't tell. Times by the pod's monotonic clock."""

    event: str
    number: int
    began: str
    steady: float
    """When users began to be served well: what went wrong before doesn't count."""
    at: float
    """When the event began. It took effect a little later, in steps where it is several faults."""
    until: float
    """When the fault was over."""
    rate: float
    """Requests a second that were to be due."""
    whole_after: float | None = None
    database_gone: bool = False
    """What needs the database may be told to wait."""
    failed: str = ""
    note: str = ""


def figures(recording: Recording, about: Circumstances) -> Round:
    """All that is reported of a round."""
    gone = about.database_gone
    before = [one for one in recording.samples if about.steady <= one.due and one.done < about.at]
    after = [one for one in recording.samples if one.done >= about.at]
    reads = [one for one in after if arithmetic.may_be_sent_twice(one)]
    writes = [one for one in after if not arithmetic.may_be_sent_twice(one)]
    failed = [one for one in reads if arithmetic.failed(one, database_gone=gone)]
    failed_writes = [one for one in writes if arithmetic.failed(one, database_gone=gone)]
    times = [arithmetic.took(one) for one in reads]
    ready = [arithmetic.took(one) for one in recording.samples if about.steady <= one.done < about.at]
    not_verified = "" if recording.verified else "the acknowledged uploads couldn't be looked up"
    paced = [one for one in recording.samples if one.kind != "log-in"]
    span = max((one.due for one in paced), default=0.0) - min((one.due for one in paced), default=0.0)
    return Round(
        about.event,
        about.number,
        about.began,
        failed="; ".join(part for part in (about.failed, not_verified) if part),
        requests=len(after),
        rate=(len(paced) - 1) / span if span else 0.0,
        p50_before=arithmetic.percentile(ready, 0.5),
        p99_before=arithmetic.percentile(ready, 0.99),
        wrong_before=sum(1 for one in before if not one.right),
        reads=len(reads),
        failed_reads=len(failed),
        failed_again=sum(1 for one in failed if arithmetic.failed_again(one, database_gone=gone)),
        told_to_wait=sum(1 for one in after if gone and arithmetic.told_to_wait(one)),
        writes=len(writes),
        failed_writes=len(failed_writes),
        why=arithmetic.reasons([*failed, *failed_writes]),
        p50=arithmetic.percentile(times, 0.5),
        p99=arithmetic.percentile(times, 0.99),
        p999=arithmetic.percentile(times, 0.999),
        slowest=max(times, default=0.0),
        slowest_write=max((arithmetic.took(one) for one in writes), default=0.0),
        over_a_second=sum(1 for each in times if each > 1.0),
        errors_beyond=max((one.done for one in failed), default=0.0) - about.until if failed else None,
        uploads=recording.uploads,
        uploads_lost=len(recording.uploads_lost),
        by_server=dict(sorted(Counter(one.server for one in after if one.server).items())),
        disagreements=arithmetic.disagreements(
            recording.views, recording.passages, recording.health, about.at
        ),
        passages=len(recording.passages),
        whole_after=about.whole_after,
        stall=max([recording.longest_stall, *(one.sent - one.due for one in recording.samples)]),
        note=about.note,
    )
