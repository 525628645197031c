"""A backup's verdict in words: for the job's last line and for lists."""

from __future__ import annotations

from filewallball.backup.catalogue import Entry
from filewallball.backup.manifest import Manifest

OK = "backup: OK "
WARNING = "backup: WARNING "
_NAMED = 3
"""How many differences a list names."""


def told(manifest: Manifest) -> str:
    """The job's last lines: the name of the backup, and everything that differs, one a line."""
    if not manifest.differences:
        return f"{OK}{manifest.name}"
    lines = "\n".join(f"  - {line}" for line in manifest.differences)
    return (
        f"{WARNING}{manifest.name} is stored; it was restored, but differs:\n{lines}\n"
        "  All else came back as it was. Run the statements above in the database, and then `fwb backup now"
        " STACK`."
    )


def of(entry: Entry) -> str:
    """The verdict of one backup in a list."""
    if entry.manifest is None:
        return entry.problem
    if not entry.manifest.differences:
        return "verified" if entry.verified else "not verified"
    return f"restored, but differs: {summary(entry.manifest)}"


def summary(manifest: Manifest) -> str:
    """What differs, by name: `view sales, table notes and 2 more`."""
    names = list(dict.fromkeys(name(line) for line in manifest.differences))
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def name(line: str) -> str:
    """The object with which a line about a difference begins."""
    for end in (":", " is ", " differs"):
        line = line.partition(end)[0]
    return line
