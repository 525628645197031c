"""What a drill found, as a table, as lines and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from filewallball.drill.results import Journal
from filewallball.drill.tool import E_, R, S, Summary, Tool

NO_PLOT = "There is no plot: matplotlib isn't installed. Run `.venv/bin/pip install matplotlib`."


STALL = 0.1
"""The report names rounds in which the client stood still for longer than this, in seconds."""


def show(columns: tuple[str, ...], found: Sequence[Summary], console: Console) -> None:
    """The table on a terminal; lines with tabs elsewhere; then which limits were missed."""
    if console.is_terminal:
        table = Table(
            Column(columns[0], no_wrap=True), *columns[1:], caption="times in seconds: median / worst"
        )
        for each in found:
            table.add_row(*each.cells(), style="" if each.met else "red")
        console.print(table)
    else:
        for cells in (columns, *(each.cells() for each in found)):
            print("\t".join(cells), file=console.file)
    for text in missed(found):
        console.print(text, highlight=False, markup=False, soft_wrap=True)


def missed(found: Iterable[Summary]) -> list[str]:
    return [f"{each.event.name}: {reason}" for each in found for reason in each.broken]


def verdict(failed: str, limits: Iterable[str]) -> str:
    """In a word, how a round went. `limits`: those that it didn't keep, in words."""
    if failed:
        return f"FAILED ({failed})"
    return f"missed ({why})" if (why := "; ".join(limits)) else "ok"


def as_json(journal: Journal[R], found: Sequence[Summary]) -> dict[str, Any]:
    """The figures as data; the rounds themselves stand in the journal, rounds.jsonl."""
    return {"about": journal.about, "events": [each.as_json() for each in found]}


def markdown(tool: Tool[S, E_, R], journal: Journal[R], found: Sequence[Summary], plot: str | None) -> str:
    """The whole report. `plot` is the plot's file beside it, if there is one."""
    rows = [
        f"| {' | '.join(tool.columns)} |",
        f"|{' --- |' * len(tool.columns)}",
        *(f"| {' | '.join(each.cells())} |" for each in found),
    ]
    limits = [f"- {each.event.name} ({each.event.what}): {each.limits}" for each in found]
    misses = [f"- {text}" for text in missed(found)] or ["None."]
    slow = [f"- {tool.line(one, journal.about)}" for one in journal.rounds if one.stall > STALL] or ["None."]
    return "\n".join(
        [
            f"# {tool.title}",
            "",
            *tool.introduction(journal.about),
            *rows,
            "",
            f"![client outage by event]({plot})" if plot else NO_PLOT,
            "",
            *tool.legend,
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
