"""What a drill leaves in its folder beside the journal: report.md, report.json and the plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from filewallball.drill import report
from filewallball.drill.results import Journal, write_text
from filewallball.drill.tool import E_, R, S, Summary, Tool

PLOT = "outages.svg"


def write(tool: Tool[S, E_, R], journal: Journal[R], folder: Path) -> Sequence[Summary]:
    """Write the files, without a plot where matplotlib isn't installed; return what is in them.

    Raises UserError.
    """
    found = tool.summaries(journal)
    drawn = find_spec("matplotlib") is not None
    write_text(folder / "report.json", json.dumps(report.as_json(journal, found), indent=1) + "\n")
    write_text(folder / "report.md", report.markdown(tool, journal, found, PLOT if drawn else None))
    if drawn:
        from filewallball.drill import plot  # takes a second

        plot.draw(found, folder / PLOT, tool.axis)
    return found
