"""What a judge finds, and what is accepted of it: a file for each judge, with a reason in each line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

FOLDER = Path(__file__).with_name("suppressed")
LEAST_WORDS = 4


@dataclass(frozen=True, order=True)
class Finding:
    """A check that failed. `thing`: what it failed on, such as `prd StatefulSet mariadb`."""

    check: str
    thing: str
    why: str = ""


@dataclass(frozen=True)
class Suppression:
    """A check that may fail on the things that match a pattern, and why."""

    check: str
    things: tuple[str, ...]
    reason: str

    def covers(self, finding: Finding) -> bool:
        return finding.check == self.check and any(fnmatchcase(finding.thing, each) for each in self.things)


def read(judge: str) -> list[Suppression]:
    """The judge's file. Raises ValueError for an entry without a check, a pattern or a reason in one line."""
    found: list[Suppression] = []
    for entry in yaml.safe_load((FOLDER / f"{judge}.yaml").read_text(encoding="utf-8")) or []:
        if set(entry) != {"check", "things", "reason"}:
            raise ValueError(f"{judge}: {entry} has not just check, things and reason")
        reason = entry["reason"]
        if "\n" in reason or len(reason.split()) < LEAST_WORDS or not reason.endswith("."):
            raise ValueError(f"{judge}: {entry['check']}: {reason!r} is no reason in one line")
        found.append(Suppression(entry["check"], tuple(entry["things"]), reason))
    return found


def left(findings: Iterable[Finding], suppressions: Iterable[Suppression]) -> list[str]:
    """What is wrong: each finding that nothing covers, each pattern that covers nothing."""
    findings, suppressions = sorted(set(findings)), list(suppressions)
    wrong = [
        f"{each.check}: {each.thing}: {each.why}"
        for each in findings
        if not any(entry.covers(each) for entry in suppressions)
    ]
    for entry in suppressions:
        lone = (Suppression(entry.check, (pattern,), "") for pattern in entry.things)
        wrong += [
            f"{each.check}: {each.things[0]}: nothing is found there any more: take the line out"
            for each in lone
            if not any(each.covers(finding) for finding in findings)
        ]
    return wrong
