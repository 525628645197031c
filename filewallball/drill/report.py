"""What a drill found, event by event: as a table, as Markdown, as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from filewallball.drill.events import EVENTS, Event
from filewallball.drill.limits import broken, described
from filewallball.drill.results import Journal, Round, write_text

COLUMNS = (
    "event",
    "rounds",
    "detected",
    "outage",
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
            _both(reads),
            str(sum(one.writes for one in rounds)),
            f"{sum(one.lost for one in rounds)} ({sum(one.lost_waited for one in rounds)})",
            f"{sum(one.lost_saved for one in saved)} of {sum(one.saved or 0 for one in saved)}"
            if saved
            else "",
            f"{max(one.primaries for one in rounds)}" + (f", {overlap:.2f} s" if overlap else ""),
            f"{sum(one.lone_writes or 0 for one in lone)}, {_seconds(_worst(one.lone_last for one in lone))}"
            if lone
            else "",
            _both(one.redundancy for one in rounds),
            "met" if self.met else "MISSED",
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "event": self.event.name,
            "rounds": len(self.rounds),
            "outage_median": _median(one.outage for one in self.rounds),
            "outage_worst": _worst(one.outage for one in self.rounds),
            "detection_median": _median(one.detection for one in self.rounds),
            "redundancy_median": _median(one.redundancy for one in self.rounds),
            "redundancy_worst": _worst(one.redundancy for one in self.rounds),
            "writes": sum(one.writes for one in self.rounds),
            "lost_waited": sum(one.lost_waited for one in self.rounds),
            "lost_plain": sum(one.lost_plain for one in self.rounds),
            "saved": sum(one.saved or 0 for one in self.rounds),
            "lost_saved": sum(one.lost_saved for one in self.rounds),
            "primaries": max(one.primaries for one in self.rounds),
            "limits": described(self.event.limits),
            "met": self.met,
            "broken": self.broken,
        }


def summaries(journal: Journal) -> list[Summary]:
    """One for each event that has rounds, in the order of the events."""
    append_only = bool(journal.about.get("append_only"))
    by_event = {event: [one for one in journal.rounds if one.event == event.name] for event in EVENTS}
    return [
        Summary(event, rounds, broken(event.limits, rounds, append_only=append_only))
        for event, rounds in by_event.items()
        if rounds
    ]


def line(one: Round) -> str:
    """A round on one line."""
    parts = [
        f"outage {_seconds(one.outage)}",
        f"detected after {_seconds(one.detection)}",
        f"{one.writes} writes, {one.lost} lost ({one.lost_waited} of them WAIT-acknowledged)",
        f"at most {one.primaries} accepting" + (f" for {one.overlap:.2f} s" if one.overlap else ""),
    ]
    if one.lone_writes is not None:
        last = f", the last after {_seconds(one.lone_last)}" if one.lone_writes else ""
        parts.append(f"{one.lone_writes} lone probes accepted{last}")
    if one.saved is not None:
        parts.append(f"{one.saved} had been saved, {one.lost_saved} of them lost")
    parts.append(f"whole after {_seconds(one.redundancy)}")
    if one.stall > STALL:
        parts.append(f"the client itself stood still for {one.stall:.2f} s")
    if one.note:
        parts.append(one.note)
    verdict = f"FAILED ({one.failed})" if one.failed else "ok"
    return f"{one.event} {one.number}: {verdict}: {'; '.join(parts)}"


STALL = 0.1
"""A client that stood still for longer than this is mentioned."""


def show(found: Sequence[Summary], console: Console) -> None:
    """The table on a terminal; lines with tabs elsewhere; then which limits were missed."""
    if console.is_terminal:
        table = Table(*COLUMNS, caption="times in seconds: median / worst")
        for each in found:
            table.add_row(*each.cells(), style="" if each.met else "red")
        console.print(table)
    else:
        for cells in (COLUMNS, *(each.cells() for each in found)):
            print("\t".join(cells), file=console.file)
    for text in missed(found):
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def missed(found: Iterable[Summary]) -> list[str]:
    return [f"{each.event.name}: {reason}" for each in found for reason in each.broken]


def markdown(journal: Journal, found: Sequence[Summary], plot: str) -> str:
    """The whole report. `plot` is the plot's file beside it."""
    about = journal.about
    rows = [
        f"| {' | '.join(COLUMNS)} |",
        f"|{' --- |' * len(COLUMNS)}",
        *(f"| {' | '.join(each.cells())} |" for each in found),
    ]
    limits = [f"- {each.event.name} ({each.event.what}): {described(each.event.limits)}" for each in found]
    misses = [f"- {text}" for text in missed(found)] or ["None."]
    slow = [f"- {line(one)}" for one in journal.rounds if one.stall > STALL] or ["None."]
    return "\n".join(
        [
            "# Drill of the Valkey session servers",
            "",
            f"{about['members']} members, {about['sentinels']} Sentinels, {about['image']};"
            f" {about['cluster']}, {about['machine']}; begun {about['began']}.",
            "",
            f"One writer at {about['rate']:g} writes a second through Sentinel, every"
            f" {about['wait_every']}th followed by WAIT 1; two readers at {about['read_rate']:g} a second,"
            " one from the primary and one from a replica. Every member is probed with writes of its own"
            " all the time. Times in seconds, median / worst, from the moment the event took effect.",
            "",
            *rows,
            "",
            f"![client outage by event]({plot})",
            "",
            "- detected: a Sentinel announced something, or another member took a write.",
            "- outage: the longest time without an acknowledged write, less the pacing interval; reads:"
            " without an answered read, the worse of both readers.",
            "- lost (WAIT): acknowledged writes that the whole set didn't have in the end; in brackets those"
            " of them that WAIT 1 had acknowledged. WAIT means two memories, not a disk.",
            "- lost of saved: how many were lost of the writes that had been acknowledged before the primary"
            " was asked to save; that save ends two seconds before the event.",
            "- primaries: so many members accepted writes at one moment, at most, and for how long in all.",
            "- lone primary: probes that the old primary accepted while it was cut off or after it woke up,"
            " and the latest of them.",
            "- redundant: one primary, every replica linked, all Sentinels of one mind (seen every 0.2 s).",
            "",
            "## Limits",
            "",
            *limits,
            "",
            "## Limits that were missed",
            "",
            *misses,
            "",
            f"## Rounds in which the client itself stood still for more than {STALL:g} s",
            "",
            *slow,
            "",
        ]
    )


def as_json(journal: Journal, found: Sequence[Summary]) -> dict[str, Any]:
    return {
        "about": journal.about,
        "events": [each.as_json() for each in found],
        "rounds": [asdict(one) for one in journal.rounds],
    }


def write(journal: Journal, folder: Path) -> list[Summary]:
    """Write report.json, report.md and the plot; returns what is in them. Raises UserError."""
    from filewallball.drill import plot

    found = summaries(journal)
    write_text(folder / "report.json", json.dumps(as_json(journal, found), indent=1) + "\n")
    write_text(folder / "report.md", markdown(journal, found, plot.FILE))
    plot.draw(found, folder / plot.FILE)
    return found


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _both(values: Iterable[float | None]) -> str:
    known = list(values)
    middle, worst = _median(known), _worst(known)
    return "–" if middle is None or worst is None else f"{middle:.2f} / {worst:.2f}"
