"""What a drill found, as a table, as lines and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from filewallball.drill.limits import described
from filewallball.drill.results import Journal, Round
from filewallball.drill.summary import COLUMNS, Summary, in_seconds

NO_PLOT = "There is no plot: matplotlib isn't installed. Run `.venv/bin/pip install matplotlib`."


def line(one: Round) -> str:
    """A round on one line."""
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
    verdict = f"FAILED ({one.failed})" if one.failed else "ok"
    return f"{one.event} {one.number}: {verdict}: {'; '.join(parts)}"


STALL = 0.1
"""The report names rounds in which the client stood still for longer than this, in seconds."""


def show(found: Sequence[Summary], console: Console) -> None:
    """The table on a terminal; lines with tabs elsewhere; then which limits were missed."""
    if console.is_terminal:
        table = Table(
            Column(COLUMNS[0], no_wrap=True), *COLUMNS[1:], caption="times in seconds: median / worst"
        )
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


def _waiters(about: Mapping[str, Any]) -> str:
    """A drill of an earlier time had none."""
    if not about.get("waiters"):
        return ""
    return f" {about['waiters']} threads at {about['waiter_rate']:g} each, every write followed by WAIT 1;"


def markdown(journal: Journal, found: Sequence[Summary], plot: str | None) -> str:
    """The whole report. `plot` is the plot's file beside it, if there is one."""
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
            f" {about['wait_every']}th followed by WAIT 1;{_waiters(about)} two readers at"
            f" {about['read_rate']:g} a second, one from the primary and one from a replica."
            " Every member is probed with writes of its own all the time. Times in seconds, median / worst,"
            " from the moment the event took effect.",
            "",
            *rows,
            "",
            f"![client outage by event]({plot})" if plot else NO_PLOT,
            "",
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
