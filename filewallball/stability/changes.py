"""What has changed between two results, and whether for the worse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["same", "changed", "better", "worse", "unsure", "not judged"]
"""`changed`: neither good nor bad by itself. `unsure`: worse or not, there is too much noise to tell."""


@dataclass(frozen=True)
class Change:
    """One row of the comparison. `why`: what the verdict rests on, where the values don't show it."""

    subject: str
    before: str
    after: str
    verdict: Verdict
    why: str = ""


def judged(subject: str, before: float, after: float, *, good: Literal["more", "less"]) -> Change:
    """Of two numbers where any difference counts."""
    if before == after:
        return Change(subject, f"{before:g}", f"{after:g}", "same")
    better = (after > before) == (good == "more")
    return Change(subject, f"{before:g}", f"{after:g}", "better" if better else "worse")


def told(subject: str, before: str, after: str) -> Change:
    """Of two texts that are neither good nor bad."""
    return Change(subject, before, after, "same" if before == after else "changed")
