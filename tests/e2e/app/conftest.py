"""One set of servers for all tests of the application on a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from app_lab import App, Lab, Visitor


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    found = Lab(tmp_path_factory.mktemp("app"))
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="session")
def app(lab: Lab) -> Iterator[App]:
    """The server that most tests ask. Whatever they do to it, no fault of it is unforeseen."""
    found = lab.app("app-0")
    yield found
    assert [line for line in found.lines() if line["level"] == "ERROR"] == []


@pytest.fixture(scope="session")
def second(lab: Lab) -> App:
    """Another server of the same application."""
    return lab.app("app-1")


@pytest.fixture
def visitor(app: App) -> Iterator[Callable[[], Visitor]]:
    """Makes visitors who are not logged in."""
    made: list[Visitor] = []

    def make() -> Visitor:
        made.append(Visitor(app.site))
        return made[-1]

    yield make
    for each in made:
        each.close()
