"""What the policy pack says of a rendered tree, where there is a pack."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any, NamedTuple

from filewallball.engine.program.resources import Resource
from filewallball.project import Project

RUNNER = "filewallball.policy"
LEVELS = ("mandatory", "advisory")


class Violation(NamedTuple):
    """One violation: how strict its rule is, the rule's name, and the message."""

    level: str
    rule: str
    message: str


def judged(project: Project, resources: list[Resource], *, protected: bool) -> list[Violation] | None:
    """All violations in a tree by its own pack; None where there is none, or nothing that runs one."""
    folder = project.main.parent / "policy"
    if not (folder / "judging.py").is_file() or importlib.util.find_spec(RUNNER) is None:
        return None
    pack: Any = importlib.import_module(f"{RUNNER}.pack")
    given = [
        {
            "urn": each.urn,
            "type": each.type,
            "name": each.name,
            "props": each.props,
            "protect": each.options.protect,
            "needs": {"": list(each.options.dependencies)},
        }
        for each in resources
    ]
    with pack.opened(project) as rules:
        found: list[dict[str, Any]] = rules.judge(given, {}, protected=protected)["violations"]
    return sorted({Violation(each["level"], each["rule"], each["message"]) for each in found})


def compared(old: list[Violation] | None, new: list[Violation] | None) -> tuple[list[str], int] | None:
    """One line for each violation of the new tree, those that are new first, and how many those are."""
    if new is None:
        return None
    before = set(old or [])
    ranked = sorted(new, key=lambda each: (each in before, LEVELS.index(each.level), each))
    lines = [
        f"{'' if each in before else 'new: '}{each.level} {each.rule}: {each.message}" for each in ranked
    ]
    return lines, sum(each not in before for each in ranked)
