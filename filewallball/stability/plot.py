"""Two polls as curves: the middle and the slow requests of each second."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from filewallball.errors import ConfigError, UserError

CURVES = (("p50", "-"), ("p99", ":"))


def draw(before: dict[str, Any], after: dict[str, Any], path: Path) -> None:
    """Write the plot as SVG. Raises ConfigError without matplotlib, UserError if it can't be written."""
    # late, since it takes a second; its types are too loose to help
    try:
        mpl: Any = import_module("matplotlib")
    except ImportError:
        raise ConfigError(
            "--plot needs matplotlib, which is not installed", "Run `pip install 'filewallball[plot]'`."
        ) from None
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "filewallball"  # the same data, the same file
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(9, 4))
    for document, name, colour in ((before, "before", "tab:blue"), (after, "after", "tab:orange")):
        for percentile, line in CURVES:
            points = _points(document, percentile)
            axes.plot(*zip(*points, strict=True), line, color=colour, label=f"{name}, {percentile}")
    axes.set_yscale("log")
    axes.set_xlabel("second of the poll")
    axes.set_ylabel("latency in milliseconds")
    axes.set_title(
        f"{before['target']} {before['at']} and {after['target']} {after['at']}", fontsize="medium"
    )
    axes.legend()
    axes.grid(which="both", alpha=0.25)
    try:
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror}", "Name another file with --plot.") from error
    finally:
        pyplot.close(figure)


def _points(document: dict[str, Any], percentile: str) -> list[tuple[int, float]]:
    """The slowest shard's value of each second, in milliseconds."""
    slowest: dict[int, float] = {}
    for shard in document["shards"]:
        for each in shard["segments"]:
            if each["served"]:
                value = each["whole"][percentile] / 1000
                slowest[each["second"]] = max(value, slowest.get(each["second"], 0.0))
    return sorted(slowest.items()) or [(0, 0.0)]
