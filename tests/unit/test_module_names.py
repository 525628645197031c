"""Modules of the tests are imported by their bare names: two of one name would be taken for one another."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

TESTS = Path(__file__).parents[1]
# pytest keeps these apart itself; programs that tests run are started, not imported
APART = {"conftest.py", "__main__.py"}


def clashes(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Paths by the name that they share, with each other or with a module of the standard library."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        if path.name not in APART:
            found.setdefault(path.stem, []).append(str(path))
    return {name: where for name, where in found.items() if len(where) > 1 or name in sys.stdlib_module_names}


def test_every_module_has_a_name_of_its_own() -> None:
    assert clashes(path.relative_to(TESTS) for path in TESTS.rglob("*.py")) == {}


def test_tests_and_helpers_of_one_name_are_noticed() -> None:
    paths = ("unit/a/test_x.py", "e2e/a/test_x.py", "unit/b/peer.py", "unit/c/peer.py", "unit/c/queue.py")
    kept_apart = ("unit/a/conftest.py", "unit/b/conftest.py", "unit/b/test_y.py")
    assert clashes(map(Path, (*paths, *kept_apart))) == {
        "test_x": ["e2e/a/test_x.py", "unit/a/test_x.py"],
        "peer": ["unit/b/peer.py", "unit/c/peer.py"],
        "queue": ["unit/c/queue.py"],
    }


def test_no_test_imports_from_a_conftest() -> None:
    """Which one it would get depends on what was collected before."""
    words = tuple(f"{word} conftest" for word in ("from", "import"))
    importing = [
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        if any(line.lstrip().startswith(words) for line in path.read_text().splitlines())
    ]
    assert importing == []
