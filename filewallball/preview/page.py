"""The whole preview as one HTML file: no script, nothing loaded, light and dark, wide and narrow."""

from __future__ import annotations

from html import escape
from importlib import resources

from filewallball.engine.showing.diff import Change
from filewallball.preview.costs import Cost
from filewallball.preview.markdown import violations
from filewallball.preview.report import Entry, Report, masked_properties
from filewallball.preview.wording import SIGNS, lines, whole
from filewallball.redact import Redactor

CLASSES = {"+": "add", "-": "del", "!": "sec"}
HEADINGS = (
    ("delete", "Deleted"),
    ("replace", "Replaced: deleted, and made anew"),
    ("update", "Changed"),
    ("create", "New"),
)
LOADS_NOTHING = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report, redactor: Redactor) -> str:
    """The document, with all that a comment leaves out: new and deleted resources with all that they have."""
    title = escape(report.title)
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{escape(report.counts)}. Compared: {escape(report.old)} with {escape(report.new)}.</p>",
        *(f'<p class="note">{escape(note)}</p>' for note in report.notes),
    ]
    for op, heading in HEADINGS:
        entries = [entry for entry in report.shown() if entry.op == op]
        if entries:
            parts.append(f"<h2>{escape(heading)}</h2>")
            parts += [_section(entry, redactor) for entry in entries]
    if report.outputs:
        parts.append(f"<h2>Outputs of the stack</h2>{_diff(_told(report.outputs))}")
    parts += _policies(report.policies)
    parts += _noise(report)
    style = resources.files("filewallball.preview").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{LOADS_NOTHING}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _section(entry: Entry, redactor: Redactor) -> str:
    told = _told(entry.loud)
    if entry.op in ("create", "delete"):
        told = whole(
            "+" if entry.op == "create" else "-", masked_properties(entry.difference.resource, redactor)
        )
    opened = " open" if entry.op in ("replace", "update") else ""
    reasons = [change.label for change in entry.loud if change.path in entry.difference.reasons]
    because = f"<p>Made anew because of {_codes(reasons)}.</p>" if reasons else ""
    if not told:
        because += "<p>Nothing but checksums, image tags or version labels changes in it.</p>"
    named = f"<code>{escape(entry.title)}</code> <small>{escape(entry.name)}</small>"
    summary = f"<summary><b>{SIGNS[entry.op]}</b> {named}{_costs(entry.costs)}</summary>"
    return f'<details class="{entry.op}"{opened}>{summary}{because}{_diff(told)}</details>'


def _costs(costs: list[Cost]) -> str:
    told = (
        f'<span class="cost {cost.sort}">'
        f"{'' if cost.sort == 'nothing' else f'<b>{cost.sort}</b> '}{escape(cost.text)}</span>"
        for cost in costs
    )
    return "".join(told)


def _codes(names: list[str]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in names)


def _told(changes: list[Change]) -> list[str]:
    return [line for change in changes for line in lines(change)]


def _diff(told: list[str]) -> str:
    rows = (f'<span class="{CLASSES.get(line[:1], "ctx")}">{escape(line) or " "}</span>' for line in told)
    return f"<pre>{''.join(rows)}</pre>" if told else ""


def _policies(found: tuple[list[str], int] | None) -> list[str]:
    if found is None:
        return []
    told, new = found
    if not told:
        return ["<h2>Policies</h2><p>No violation.</p>"]
    listed = "".join(f"<li>{escape(line)}</li>" for line in told)
    return [f"<h2>Policies: {violations(len(told))}, {new} of them new</h2><ul>{listed}</ul>"]


def _noise(report: Report) -> list[str]:
    entries = [entry for entry in report.entries if entry.folded or entry.quiet]
    parts = [
        f"<p><b>{SIGNS[entry.op]}</b> <code>{escape(entry.title)}</code>"
        f"{_costs(entry.costs) if entry.folded else ''}</p>"
        f"{_diff(_told(entry.loud + entry.quiet if entry.folded else entry.quiet))}"
        for entry in entries
    ]
    if report.quiet_outputs:
        parts.append(f"<p>outputs of the stack</p>{_diff(_told(report.quiet_outputs))}")
    if not parts:
        return []
    heading = "<h2>Checksums, image tags and version labels</h2>"
    return [f"{heading}<details><summary>{len(parts)} of them</summary>{''.join(parts)}</details>"]
