"""The checks by subject. A module here that has a SUITE brings the checks of one section of checks.json."""

from __future__ import annotations

import importlib
import pkgutil

from filewallball.checks.runner import Check, Suite


def find() -> tuple[Suite, ...]:
    """Every suite, in the order in which they run."""
    modules = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    found: list[object] = [vars(module).get("SUITE") for module in modules]
    suites = [each for each in found if isinstance(each, Suite)]
    return tuple(sorted(suites, key=lambda each: (each.place, each.section.SECTION)))


ALL: tuple[Check, ...] = tuple(check for suite in find() for check in suite.checks)
"""The checks of every suite, whatever a stack has."""
