"""What a drill found, event by event: the figures that report, plot and data are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from filewallball.drill.events import EVENTS, Event
from filewallball.drill.limits import broken, described
from filewallball.drill.results import Journal, Round

COLUMNS = (
    "event",
    "rounds",
    "detected",
    "outage",
    "with WAIT",
    "reads",
    "writes",
    "lost (WAIT)",
    "lost of saved",
    "primaries",
    "lone primary",
    "redundant",
    "limits",
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
        return [one.outage for one in self.rounds if one.outage is not None]

    @property
    def outage_limit(self) -> float | None:
        return self.event.limits.outage_worst

    def cells(self) -> tuple[str, ...]:
        """A cell for each column; times as median / worst in seconds."""
        rounds = self.rounds
        overlap = max(one.overlap for one in rounds)
        reads = [max(one.read_outages.values(), default=None) for one in rounds]
        lone = [one for one in rounds if one.lone_writes is not None]
        saved = [one for one in rounds if one.saved is not None]
        return (
            self.event.name,
            str(len(rounds)),
            _both(one.detection for one in rounds),
            _both(one.outage for one in rounds),
            _both(one.waited_outage for one in rounds),
            _both(reads),
            str(sum(one.acknowledged for one in rounds)),
            f"{sum(one.lost for one in rounds)} ({sum(one.lost_waited for one in rounds)})",
            f"{sum(one.lost_saved for one in saved)} of {sum(one.saved or 0 for one in saved)}"
            if saved
            else "",
            f"{max(one.primaries for one in rounds)}" + (f", {overlap:.2f} s" if overlap else ""),
            _lone(lone) if lone else "",
            _both(one.redundancy for one in rounds),
            "met" if self.met else "MISSED",
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "event": self.event.name,
            "rounds": len(self.rounds),
            "outage_median": _median(one.outage for one in self.rounds),
            "outage_worst": _worst(one.outage for one in self.rounds),
            "waited_outage_median": _median(one.waited_outage for one in self.rounds),
            "waited_outage_worst": _worst(one.waited_outage for one in self.rounds),
            "detection_median": _median(one.detection for one in self.rounds),
            "redundancy_median": _median(one.redundancy for one in self.rounds),
            "redundancy_worst": _worst(one.redundancy for one in self.rounds),
            "writes": sum(one.writes for one in self.rounds),
            "waited_writes": sum(one.waited_writes for one in self.rounds),
            "waited_in_vain": sum(one.waited_in_vain for one in self.rounds),
            "lost_waited": sum(one.lost_waited for one in self.rounds),
            "lost_plain": sum(one.lost_plain for one in self.rounds),
            "saved": sum(one.saved or 0 for one in self.rounds),
            "lost_saved": sum(one.lost_saved for one in self.rounds),
            "primaries": max(one.primaries for one in self.rounds),
            "limits": self.limits,
            "met": self.met,
            "broken": self.broken,
        }


def _lone(rounds: Sequence[Round]) -> str:
    last = in_seconds(_worst(one.lone_last for one in rounds))
    return f"{sum(one.lone_writes or 0 for one in rounds)}, {last}"


def summaries(journal: Journal[Round]) -> list[Summary]:
    """One for each event that has rounds, in the order of the events."""
    append_only = bool(journal.about.get("append_only"))
    by_event = {event: [one for one in journal.rounds if one.event == event.name] for event in EVENTS}
    return [
        Summary(event, rounds, broken(event.limits, rounds, append_only=append_only))
        for event, rounds in by_event.items()
        if rounds
    ]


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def in_seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _both(values: Iterable[float | None]) -> str:
    known = list(values)
    middle, worst = _median(known), _worst(known)
    return "–" if middle is None or worst is None else f"{middle:.2f} / {worst:.2f}"
