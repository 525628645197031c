"""How many of the applications' connections are in use: told before they run out."""

from __future__ import annotations

from collections.abc import Mapping

from filewallball.checks.result import CheckWarned

SHARE = 0.8
"""The check warns when this share of the applications' connections is in use."""


def judge(used: Mapping[str, int], share: int, setting: str) -> str:
    """What was seen, for each server by name; raises CheckWarned where less than a fifth is left.

    share: connections that applications may have to one server. setting: the whole name of the one that
    says so.
    """
    seen = ", ".join(f"{server}: {count} of {share} connections in use" for server, count in used.items())
    if max(used.values()) < SHARE * share:
        return seen
    raise CheckWarned(
        seen,
        f"less than {SHARE:.0%} of those that applications may have",
        "Look for an application that opens connections and doesn't close them. If it needs them all, raise "
        f"{setting}, and run `fwb up`.",
    )
