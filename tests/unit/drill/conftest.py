"""Servers for the drill's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fake_server import Answer, FakeServer


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], FakeServer]]:
    """`serve(answer)`: a server that answers so, until the test ends."""
    with ExitStack() as stack:

        def start(answer: Answer) -> FakeServer:
            server = FakeServer(answer)
            stack.callback(server.close)
            return server

        yield start
