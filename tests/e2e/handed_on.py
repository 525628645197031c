"""One set for many tests: to start one takes longer than most of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from local_set import LocalSet


class HandedOn:
    """The set as the test before left it, mended. It has that test's data, on disk as well."""

    def __init__(self, make: Callable[[], LocalSet]) -> None:
        self._make = make
        self._set: LocalSet | None = None

    def whole(self) -> LocalSet:
        """All of it up: what the test before stopped is started. A new one, if there is none."""
        if self._set is None:
            self._set = self._make()
        self._set.start_missing()
        self._set.wait_whole()
        return self._set

    def lent(self, session: pytest.Session) -> Iterator[LocalSet]:
        """The same, for a fixture of one test. After a test that fails, the next one gets a new set."""
        failed = session.testsfailed
        yield self.whole()
        if session.testsfailed > failed:
            self.drop()

    def drop(self) -> None:
        """End it: whoever comes next gets a new one."""
        if self._set:
            self._set.close()
            self._set = None
