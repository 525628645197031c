"""What the balancer's drill found: a round on one line, and event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from filewallball.drill.balancer.events import BY_NAME, EVENTS, Event
from filewallball.drill.balancer.limits import REQUESTS, broken, described, missed
from filewallball.drill.balancer.results import Round
from filewallball.drill.report import STALL, verdict
from filewallball.drill.results import Journal

COLUMNS = (
    "event",
    "rounds",
    "requests",
    "failed",
    "tried once more",
    "told to wait",
    "writes failed",
    "p99 before",
    "p50",
    "p99",
    "slowest",
    "over 1 s",
    "errors after",
    "status page",
    "limits",
)
LEGEND = (
    "- requests: of all rounds. All columns count from the event on.",
    "- failed: requests that may be sent twice (GET), and were not answered rightly; how many there were.",
    "- tried once more: how many fail for a client that tries a refused or reset connection once more.",
    "- told to wait: requests that need the database, and were answered 503 with Retry-After.",
    "- writes failed: uploads and log-ins, which may not be sent twice, that failed; how many there were.",
    "- p99 before: of all requests in the steady time before the event; how busy the machine was anyway.",
    "- p50, p99, slowest, over 1 s: of the requests that may be sent twice, from when each was due.",
    "- errors after: how long after the end of the fault the last of them failed.",
    "- status page: where /upstream_status said something else than what nginx did, for over a second.",
)


@dataclass(frozen=True)
class Summary:
    """All rounds of one event."""

    event: Event
    rounds: list[Round]
    broken: list[str]

    @property
    def met(self) -> bool:
        return not self.broken

    @property
    def limits(self) -> str:
        return described(self.event.limits)

    @property
    def outages(self) -> list[float]:
        return [one.slowest for one in self.rounds]

    @property
    def outage_limit(self) -> float | None:
        return self.event.limits.slowest

    def cells(self) -> tuple[str, ...]:
        """A cell for each column; of times, the worst round's."""
        rounds = self.rounds
        beyond = [one.errors_beyond for one in rounds if one.errors_beyond is not None]
        disagreements = sum(len(one.disagreements) for one in rounds)
        return (
            self.event.name,
            str(len(rounds)),
            str(sum(one.requests for one in rounds)),
            f"{sum(one.failed_reads for one in rounds)} of {sum(one.reads for one in rounds)}",
            str(sum(one.failed_again for one in rounds)),
            str(sum(one.told_to_wait for one in rounds)) if self.event.limits.database_gone else "",
            f"{sum(one.failed_writes for one in rounds)} of {sum(one.writes for one in rounds)}",
            _ms(max(one.p99_before for one in rounds)),
            _ms(max(one.p50 for one in rounds)),
            _ms(max(one.p99 for one in rounds)),
            f"{max(one.slowest for one in rounds):.2f} s",
            str(sum(one.over_a_second for one in rounds)),
            f"{max(beyond):.1f} s" if beyond else "",
            f"{disagreements} wrong" if disagreements else "right",
            "met" if self.met else "MISSED",
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "event": self.event.name,
            "rounds": [asdict(one) for one in self.rounds],
            "limits": self.limits,
            "met": self.met,
            "broken": self.broken,
        }


def summaries(journal: Journal[Round]) -> list[Summary]:
    """One for each event that has rounds, in the order of the events."""
    silence = _silence(journal.about)
    by_event = {event: [one for one in journal.rounds if one.event == event.name] for event in EVENTS}
    return [
        Summary(event, rounds, broken(event.limits, rounds, silence))
        for event, rounds in by_event.items()
        if rounds
    ]


def line(one: Round, about: Mapping[str, Any]) -> str:
    """A round on one line: whether it kept its limits, which it didn't, and its figures."""
    parts = [
        f"{one.failed_reads} of {one.reads} requests failed"
        + (f", {one.failed_again} for a client that tries once more" if one.failed_reads else ""),
        f"{one.failed_writes} of {one.writes} uploads and log-ins failed",
        f"p99 before {_ms(one.p99_before)}, from the event on p50 {_ms(one.p50)}, p99 {_ms(one.p99)},"
        f" slowest {one.slowest:.2f} s",
    ]
    if one.over_a_second:
        parts.append(f"{one.over_a_second} over 1 s")
    if one.told_to_wait:
        parts.append(f"{one.told_to_wait} told to wait")
    if one.errors_beyond is not None:
        parts.append(f"the last error {one.errors_beyond:.1f} s after the fault")
    if one.why:
        parts.append("failed: " + ", ".join(f"{count} {why}" for why, count in list(one.why.items())[:6]))
    parts.append("served by " + ", ".join(f"{name} {count}" for name, count in one.by_server.items()))
    if one.whole_after is not None:
        parts.append(f"whole after {one.whole_after:.1f} s")
    if one.stall > STALL:
        parts.append(f"the client itself stood still for {one.stall:.2f} s")
    if one.note:
        parts.append(one.note)
    limits = missed(BY_NAME[one.event].limits, one, _silence(about))
    return f"{one.event} {one.number}: {verdict(one.failed, limits)}: {'; '.join(parts)}"


def introduction(about: Mapping[str, Any]) -> Sequence[str]:
    return [
        f"{about['balancers']} pods of the balancer ({about['image']}), {about['servers']} servers of the"
        f" application ({about['app_image']}); {about['cluster']}, {about['machine']}; begun"
        f" {about['began']}.",
        "",
        f"{about['rate']:g} requests a second through the Service of the balancer, mostly GET, at a constant"
        f" pace whatever became of those before. Each round has at least {REQUESTS} requests. Times are the"
        " worst round's, and count from when a request was due."
        f" nginx waits {about['silence_seconds']:g} s for a server.",
        "",
    ]


def _silence(about: Mapping[str, Any]) -> float:
    return float(about.get("silence_seconds") or 0.0)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
