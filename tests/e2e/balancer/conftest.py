"""nginx of the sandbox's images, as plain processes. Nothing here needs a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from balanced import Application, Balancer, applications
from nginx_pods import pods, unpacked


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return lambda reference: unpacked(reference, tmp_path_factory)


@pytest.fixture
def apps() -> Iterator[list[Application]]:
    with applications() as found:
        yield found


@pytest.fixture
def balancer(nginx: Callable[[str], Path]) -> Iterator[Callable[..., Balancer]]:
    with pods(nginx) as make:
        yield make
