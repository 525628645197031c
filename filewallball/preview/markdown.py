"""A preview as a comment on a pull request: as much as a comment can hold, the worst of it first."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape

from filewallball.engine.showing.diff import Change
from filewallball.preview.costs import Cost
from filewallball.preview.report import Entry, Report
from filewallball.preview.wording import SIGNS, lines

LIMIT = 65_536
"""Characters that GitHub takes as the body of a comment."""
ROOM = 1_000
"""Kept free of those: for the end, which says what was left out, and for a link that CI may add."""
BADGES = {
    "data": "🛑 **data**:",
    "refused": "⛔ **refused**:",
    "backups": "🛑 **backups**:",
    "sessions": "⚠️ **sessions**:",
    "downtime": "⚠️ **downtime**:",
    "cache": "⚠️ **cache**:",
    "nothing": "✅",
}
HEADINGS = (
    ("delete", "Deleted"),
    ("replace", "Replaced: deleted, and made anew"),
    ("update", "Changed"),
    ("create", "New"),
)


ONLY_QUIET = "\n  *Nothing but checksums, image tags or version labels changes in it.*"


def marker(stack: str) -> str:
    """The hidden first line, by which the comment is found again to be edited in place."""
    return f"<!-- fwb preview {stack} -->"


@dataclass
class _Body:
    """Grows block by block, as long as there is room."""

    limit: int
    text: str = ""
    left_out: list[str] = field(default_factory=list[str])

    def add(self, *choices: str) -> bool:
        """Append the first of the choices that fits; whether any did."""
        for block in choices:
            if size(self.text) + size(block) + 2 <= self.limit:
                self.text += f"{block}\n\n"
                return True
        return False


def size(text: str) -> int:
    """Characters as GitHub may count them: those beyond the basic plane as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def markdown(report: Report, whole: str, limit: int = LIMIT) -> str:
    """The comment. `whole` says where to find what doesn't fit, as the rest of a sentence: `in a.html`."""
    body = _Body(limit - ROOM)
    body.add(f"{marker(report.stack)}\n### {plain(report.title)}")
    if report.is_empty:
        body.text = f"{marker(report.stack)}\n{plain(report.title)} ({report.counts}).\n\n"
    else:
        body.add(f"{report.counts}. Compared: {plain(report.old)} with {plain(report.new)}.")
    for note in report.notes:
        first, *more = note.splitlines()
        if more:
            _foldable(body, escape(first), "\n".join(f"- {plain(line)}" for line in more))
        else:
            body.add(f"> {plain(first)}")
    shown = report.shown()
    for op, heading in HEADINGS:
        entries = [entry for entry in shown if entry.op == op]
        if entries and body.add(f"#### {heading}"):
            _entries(body, entries)
    if report.outputs:
        _foldable(body, f"Outputs of the stack: {len(report.outputs)} changed", _fenced(report.outputs))
    if not report.is_empty:
        _policies(body, report.policies)
    folded = report.folded()
    quiet = [entry for entry in shown if entry.quiet]
    if folded or quiet or report.quiet_outputs:
        _noise(body, folded, quiet, report.quiet_outputs)
    if body.left_out:
        names = ", ".join(body.left_out[:3]) + (" …" if len(body.left_out) > 3 else "")
        body.text += f"**Left out here**, as a comment holds no more: {len(body.left_out)}"
        body.text += f" ({names}). The whole is {whole}.\n"
    return f"{body.text.rstrip()}\n"


def plain(text: str) -> str:
    """A text that markdown takes as it is: nothing in it mentions anybody, links or marks up."""
    escaped = re.sub(r"([\\`*_{}\[\]<>|~])", r"\\\1", " ".join(text.split()))
    # a backslash doesn't keep GitHub from taking these for a name or a number; a space without width does
    return re.sub(r"([@#])", "\\1\u200b", escaped)


def code(text: str) -> str:
    """A name as code, whatever is in it."""
    text = " ".join(text.split())
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _entries(body: _Body, entries: list[Entry]) -> None:
    for entry in entries:
        head = f"{_name(entry)} ({code(entry.name)}){_costs(entry.costs)}"
        because = [change for change in entry.loud if change.path in entry.difference.reasons]
        why = (
            f"\n  made anew because of {', '.join(code(each.label) for each in because[:3])}"
            if because
            else ""
        )
        block = f"- {head}{why}{ONLY_QUIET if entry.quiet and not entry.loud else ''}"
        # a new resource is told by its name here, and whole in the page
        full = f"{block}\n\n{_fenced(entry.loud)}" if entry.loud else block
        if full == block and not body.add(block):
            body.left_out.append(code(_cut(entry.title)))
        elif full != block and not body.add(full):
            body.add(f"{block}\n\n  *Its {len(entry.loud)} changes are left out here.*")
            body.left_out.append(code(_cut(entry.title)))


def _name(entry: Entry) -> str:
    return f"{code(SIGNS[entry.op])} {code(entry.title)}"


def _costs(costs: list[Cost]) -> str:
    return "".join(f"\n  {BADGES[cost.sort]} {plain(cost.text)}." for cost in costs)


def _fenced(changes: list[Change]) -> str:
    told = [line for change in changes for line in lines(change)]
    longest = max((len(run) for line in told for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join(f"  {line}".rstrip() for line in (f"{fence}diff", *told, fence))


def _foldable(body: _Body, summary: str, content: str) -> None:
    block = f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"
    if not body.add(block):
        body.left_out.append(summary)


def _policies(body: _Body, found: tuple[list[str], int] | None) -> None:
    if found is None:
        return
    told, new = found
    if not told:
        body.add("Policies: no violation.")
        return
    heading = f"Policies: {violations(len(told))}, {new} of them new"
    fresh, known = ("\n".join(f"- {plain(line)}" for line in part) for part in (told[:new], told[new:]))
    if new and not body.add(f"#### {heading}\n\n{fresh}"):
        body.left_out.append(f"{violations(new)} of policies")
    if known:
        _foldable(body, f"{len(told) - new} that were there before" if new else heading, known)


def violations(count: int) -> str:
    """How many there are, in words."""
    return f"{count} violation{'' if count == 1 else 's'}"


def _noise(body: _Body, folded: list[Entry], quiet: list[Entry], outputs: list[Change]) -> None:
    count = len(folded) + len(quiet)
    summary = f"Checksums, image tags and version labels: {count} resource{'s' if count > 1 else ''}"
    told = [
        f"- {_name(entry)}{_costs(entry.costs)}\n\n{_fenced(entry.loud + entry.quiet)}" for entry in folded
    ]
    told += [f"- {_name(entry)}\n\n{_fenced(entry.quiet)}" for entry in quiet]
    told += [f"- outputs of the stack\n\n{_fenced(outputs)}"] if outputs else []
    names = ", ".join(code(entry.title) for entry in (*folded, *quiet))
    before = len(body.left_out)
    _foldable(body, summary, "\n\n".join(told))
    if len(body.left_out) > before and body.add(
        f"<details><summary>{summary}</summary>\n\n{names}\n\n</details>"
    ):
        body.left_out.pop()


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def summary_line(report: Report) -> str:
    """For a terminal: the title, and how many of what."""
    return f"{report.title} ({report.counts})"
