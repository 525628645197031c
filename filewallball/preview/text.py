"""A preview for a terminal: plain lines."""

from __future__ import annotations

from filewallball.preview.report import Entry, Report
from filewallball.preview.wording import SIGNS, lines


def text(report: Report) -> str:
    """All of it but what is folded, which is counted."""
    if report.is_empty:
        return "\n".join([f"{report.title} ({report.counts})", *report.notes]) + "\n"
    told = [report.title, *report.notes]
    for entry in report.shown():
        told += _entry(entry)
    if report.outputs:
        told.append("   outputs of the stack")
        told += [f"      {line}" for change in report.outputs for line in lines(change)]
    told += [f"   policy: {line}" for line in (report.policies or ([], 0))[0]]
    folded = len(report.folded())
    if folded:
        told.append(f"   … and {folded} in which only checksums, image tags or version labels change")
    told.append(f"\n{report.counts}")
    return "\n".join(told) + "\n"


def _entry(entry: Entry) -> list[str]:
    told = [f" {SIGNS[entry.op]} {entry.title}"]
    told += [
        f"     {cost.text}" if cost.sort == "nothing" else f"     ! {cost.sort}: {cost.text}"
        for cost in entry.costs
    ]
    return told + [f"      {line}".rstrip() for change in entry.loud for line in lines(change)]
