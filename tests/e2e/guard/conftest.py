"""The cache's pod on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cache_pod import Cache


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    found = Cache(tmp_path_factory.mktemp("cache"))
    yield found
    found.close()
