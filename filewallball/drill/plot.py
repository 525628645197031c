"""The plot: each round's outage as a dot, by event, with the limits drawn."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filewallball.errors import UserError

if TYPE_CHECKING:
    from filewallball.drill.tool import Summary

FLOOR = 0.001
"""The shortest time in the plot, in seconds. The scale is logarithmic and has no zero."""
SPREAD = 0.5
"""The rounds of an event are side by side, over this share of the row."""


def draw(found: Sequence[Summary], path: Path, axis: str) -> None:
    """Write the plot as SVG. `axis`: what it shows. Raises UserError if it can't be written."""
    # late, since it takes a second; its types are too loose to help
    mpl: Any = import_module("matplotlib")
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "filewallball"  # the same data, the same file
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(9, 0.55 * len(found) + 1.6))
    for row, each in enumerate(found):
        _row(axes, row, each)
    axes.set_xscale("log")
    axes.set_yticks(range(len(found)), [each.event.name for each in found])
    axes.invert_yaxis()
    axes.set_xlabel(axis)
    axes.grid(axis="x", which="both", alpha=0.25)
    try:
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    except OSError as error:
        raise UserError(
            f"Cannot write {path}: {error.strerror}", "Name another folder with --out."
        ) from error
    finally:
        pyplot.close(figure)


def _row(axes: Any, row: int, each: Summary) -> None:
    outages = [max(one, FLOOR) for one in each.outages]
    step = SPREAD / max(len(outages), 1)
    places = [row + (index - (len(outages) - 1) / 2) * step for index in range(len(outages))]
    axes.plot(outages, places, "o", markersize=3, color="tab:blue" if each.met else "tab:red", alpha=0.7)
    if outages:
        middle = sorted(outages)[len(outages) // 2]
        axes.plot([middle, middle], [row - 0.35, row + 0.35], color="black", linewidth=1.5)
    if (worst := each.outage_limit) is not None:
        axes.plot([worst, worst], [row - 0.45, row + 0.45], "--", color="tab:red", linewidth=1)
