"""`fwb redis compare`: two results of the same kind, and what is worse in the second."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from filewallball.errors import ConfigError
from filewallball.stability import polls, saved, states
from filewallball.stability.changes import Change, Verdict
from filewallball.stability.polls import LONGER

COLOURS = {"worse": "red", "better": "green", "changed": "yellow", "unsure": "magenta"}


def run(before: Path, after: Path, plot: Path | None, *, as_json: bool = False) -> int:
    """Show the changes. Returns 1 if something is worse, else 0, also where that can't be told.

    Raises ConfigError for unlike files.
    """
    early, late = saved.read(before), saved.read(after)
    found = compared(early, late, before, after)
    worse, unsure = (_of(found, verdict) for verdict in ("worse", "unsure"))
    if plot:
        _plot(early, late, plot)
    if as_json:
        changes = [dataclasses.asdict(each) for each in found]
        document = {"kind": "comparison", "of": early["kind"], "ok": not worse, "worse": worse}
        document |= {"unsure": unsure, "changes": changes}
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        _show(found)
        print(_said(worse, unsure))
    return 1 if worse else 0


def compared(early: dict[str, Any], late: dict[str, Any], before: Path, after: Path) -> list[Change]:
    """The changes. The names of the files are for messages."""
    if early["kind"] != late["kind"]:
        raise ConfigError(
            f"{before} is a {early['kind']}, and {after} is a {late['kind']}",
            "Name two files of the same kind.",
        )
    if early["at"] > late["at"]:
        raise ConfigError(
            f"{before} was taken after {after}",
            "Name the earlier file first: `fwb redis compare BEFORE AFTER`.",
        )
    try:
        return (states if early["kind"] == "state" else polls).compare(early, late)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{before} or {after} is not whole: {type(error).__name__} {error}",
            "Name files as `fwb redis state` or `fwb redis poll` has written them.",
        ) from None


def _of(found: list[Change], verdict: Verdict) -> list[str]:
    return [each.subject for each in found if each.verdict == verdict]


def _show(found: list[Change]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("what", "before", "after", "verdict", "why"):
        table.add_column(name, justify="right" if name in ("before", "after") else "left")
    for each in found:
        why = each.why if each.verdict != "same" or each.subject.startswith("latency") else ""
        table.add_row(
            each.subject, each.before, each.after, each.verdict, why, style=COLOURS.get(each.verdict)
        )
    Console(soft_wrap=True).print(table, highlight=False)


def _said(worse: list[str], unsure: list[str]) -> str:
    doubt = [f"too much noise to tell: {', '.join(unsure)}"] if unsure else []
    if worse:
        said = [f"{len(worse)} worse: {', '.join(worse)}", *doubt]
        return f"compare: FAILED ({'; '.join(said)})"
    return f"compare: WARNING ({doubt[0]}. {LONGER})" if doubt else "compare: OK"


def _plot(early: dict[str, Any], late: dict[str, Any], path: Path) -> None:
    if early["kind"] != "poll":
        raise ConfigError("--plot draws polls, and these are states", "Leave --plot out.")
    from filewallball.stability import plot

    plot.draw(early, late, path)
