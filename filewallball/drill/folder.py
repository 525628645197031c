"""What a drill leaves in its folder beside the journal: report.md, report.json and the plot."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from filewallball.drill import report, summary
from filewallball.drill.results import Journal, write_text
from filewallball.drill.summary import Summary

PLOT = "outages.svg"


def write(journal: Journal, folder: Path) -> list[Summary]:
    """Write the files, without a plot where matplotlib isn't installed; return what is in them.

    Raises UserError.
    """
    found = summary.summaries(journal)
    drawn = find_spec("matplotlib") is not None
    write_text(folder / "report.json", json.dumps(summary.as_json(journal, found), indent=1) + "\n")
    write_text(folder / "report.md", report.markdown(journal, found, PLOT if drawn else None))
    if drawn:
        from filewallball.drill import plot  # takes a second

        plot.draw(found, folder / PLOT)
    return found
