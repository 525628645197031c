"""The files on the shared stack are those that tests/conftest.py names. One worker runs them, at first."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

TESTS = Path(__file__).parents[1]


@pytest.fixture
def conftest(pytestconfig: pytest.Config) -> ModuleType:
    return pytestconfig.pluginmanager.get_plugin(str(TESTS / "conftest.py"))


def test_all_that_use_it_are_named_and_no_other(conftest: ModuleType) -> None:
    using = {
        file.relative_to(TESTS.parent).as_posix()
        for file in (TESTS / "e2e").rglob("test_*.py")
        if "shared_stack: SharedStack" in file.read_text(encoding="utf-8")
    }
    assert using == set(conftest.ON_THE_SHARED_STACK)


def test_they_stay_together_and_begin_first(conftest: ModuleType) -> None:
    first, *_, last = conftest.ON_THE_SHARED_STACK
    found = [
        "tests/e2e/a.py::test",
        f"{last}::test[a::b]",
        f"{first}::test_b",
        f"{first}::test_a",
        "tests/z.py::t",
    ]
    items = [SimpleNamespace(nodeid=nodeid) for nodeid in found]
    conftest.pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == [found[2], found[3], found[1], found[0], found[4]]
    assert len({conftest.together(nodeid) for nodeid in found}) == 3
