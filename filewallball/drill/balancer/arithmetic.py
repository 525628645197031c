"""From what was recorded to figures. Pure; times in seconds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

from filewallball.drill.load.web.mix import BY_NAME
from filewallball.drill.load.web.recording import Health, Passage, Sample, View

AGREES_WITHIN = 1.0
"""What the status says of a server must be what nginx does, not later than this."""
ENOUGH = 30
"""So many requests to one pod of the balancer, none of which reached a server: nginx leaves it out."""


def percentile(times: Sequence[float], part: float) -> float:
    """The smallest time that so large a part of all is no longer than; 0 of none."""
    ordered = sorted(times)
    return ordered[max(0, ceil(len(ordered) * part) - 1)] if ordered else 0.0


def may_be_sent_twice(one: Sample) -> bool:
    return BY_NAME[one.kind].idempotent


def took(one: Sample) -> float:
    return one.done - one.due


def told_to_wait(one: Sample) -> bool:
    """It needs the database, and was told when to come again."""
    return BY_NAME[one.kind].database and one.status == 503 and one.retry_after


def failed(one: Sample, *, database_gone: bool = False) -> bool:
    """`database_gone`: then what needs the database may be told to wait."""
    return not one.right and not (database_gone and told_to_wait(one))


def failed_again(one: Sample, *, database_gone: bool = False) -> bool:
    """The same for a client that tries a refused or reset connection once more."""
    return failed(one, database_gone=database_gone) and not one.again_right


def reasons(samples: Sequence[Sample]) -> dict[str, int]:
    """How these failed → how many, the most frequent first."""
    found = Counter(f"{one.kind}: {_reason(one)}" for one in samples)
    return dict(found.most_common())


def _reason(one: Sample) -> str:
    if one.error or not one.status:
        return one.error or "no answer"
    return f"{one.status}" if one.status != BY_NAME[one.kind].status else "wrong bytes"


def disagreements(
    views: Sequence[View], passages: Sequence[Passage], health: Sequence[Health], event: float
) -> list[str]:
    """Where a pod of the balancer said something else than it did, each server once a pod, with moments.

    `event`: when it took effect; the moments are told from there.

    It sent a request to a server although it says for AGREES_WITHIN before and after that this one gets none.
    Or it says all the time that a server gets requests, which answers all the time when it is asked. But
    after AGREES_WITHIN, ENOUGH requests went to others and none to it, nor did any end there by nginx's log.
    The log counts too: those that are sent to see where they go may meet others each time by chance.
    """
    found: list[str] = []
    by_pod: defaultdict[str, list[View]] = defaultdict(list)
    for view in sorted(views, key=lambda one: one.at):
        by_pod[view.balancer].append(view)
    for pod, seen in sorted(by_pod.items()):
        passed = sorted((one for one in passages if one.balancer == pod), key=lambda one: one.at)
        for server in sorted({name for view in seen for name in view.gets} | {one.server for one in passed}):
            if at := next(_sent_though_left_out(server, seen, passed), None):
                found.append(
                    f"{pod} sent a request to {server}, which it said gets none ({_moment(at - event)})"
                )
            if at := next(_left_out_though_sent_to(server, seen, passed, health), None):
                found.append(
                    f"{pod} sent nothing to {server}, which it said gets requests ({_moment(at - event)})"
                )
    return found


def _moment(after: float) -> str:
    return f"{abs(after):.1f} s {'before' if after < 0 else 'after'} the event"


def _sent_though_left_out(server: str, views: Sequence[View], passages: Sequence[Passage]) -> Iterator[float]:
    times = [view.at for view in views]
    for one in passages:
        if one.server != server:
            continue
        around = views[
            bisect_left(times, one.sent - AGREES_WITHIN) : bisect_right(times, one.at + AGREES_WITHIN)
        ]
        before = [view for view in around if view.at <= one.sent]
        after = [view for view in around if view.asked >= one.at]
        if before and after and not any(server in view.gets for view in around) and not _all_failed(around):
            yield one.at


def _all_failed(views: Sequence[View]) -> bool:
    """Whether each server that gets requests failed meanwhile: such a request goes on to any other one."""
    first, last = views[0], views[-1]
    return bool(last.gets) and all(last.failed.get(name, 0) > first.failed.get(name, 0) for name in last.gets)


def _left_out_though_sent_to(
    server: str, views: Sequence[View], passages: Sequence[Passage], health: Sequence[Health]
) -> Iterator[float]:
    for since, until in _spans(server, views):
        begin = since
        seen = [one.at for one in passages if one.server == server]
        counted = [
            later.at
            for before, later in pairwise(views)
            if later.ended.get(server, 0) > before.ended.get(server, 0)
        ]
        reached = sorted(at for at in [*seen, *counted] if since <= at <= until)
        for end in [*reached, until]:
            others = sum(1 for one in passages if begin + AGREES_WITHIN <= one.sent and one.at < end)
            if others >= ENOUGH and _answers(server, health, begin, end):
                yield begin
            begin = end


def _spans(server: str, views: Sequence[View]) -> Iterator[tuple[float, float]]:
    """Times in which all views say that the server gets requests."""
    span: list[float] = []
    for view in views:
        if server in view.gets:
            span.append(view.at)
        elif span:
            yield span[0], span[-1]
            span = []
    if span:
        yield span[0], span[-1]


def _answers(server: str, health: Sequence[Health], since: float, until: float) -> bool:
    seen = [one.answers for one in health if one.server == server and since <= one.at <= until]
    return bool(seen) and all(seen)
