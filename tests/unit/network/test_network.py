"""What a new pod waits for before it uses a server, and what it doesn't wait for."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from filewallball import network

SOMEWHERE = ("mariadb", 3306)


class Wire:
    """Answers one attempt after another; time passes only when somebody sleeps or runs into a time limit."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers: Iterator[Exception | None] = iter(answers)
        self.tries: list[network.Address] = []
        self.now = 100.0

    def connect(self, address: network.Address, timeout: float) -> socket.socket:
        self.tries.append(address)
        answer = next(self.answers)
        if isinstance(answer, TimeoutError):
            self.now += timeout
        if answer:
            raise answer
        return socket.socket()

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Wire:
    made = Wire(*request.param)
    monkeypatch.setattr(network.socket, "create_connection", made.connect)
    clock = SimpleNamespace(sleep=made.sleep, monotonic=lambda: made.now)
    monkeypatch.setattr(network, "time", clock)
    return made


NO_ROUTE = OSError(errno.EHOSTUNREACH, "No route to host")
NO_NAME = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@pytest.mark.parametrize(
    "wire",
    [(None,), (NO_ROUTE, NO_ROUTE, None), (TimeoutError(), None), (NO_NAME, None)],
    indirect=True,
)
def test_a_policy_that_comes_late_is_waited_for(wire: Wire) -> None:
    assert network.wait_admitted([SOMEWHERE]) == []
    assert list(wire.answers) == []


@pytest.mark.parametrize("wire", [(ConnectionRefusedError(),), (ConnectionResetError(),)], indirect=True)
def test_a_server_that_refuses_was_reached(wire: Wire) -> None:
    assert network.wait_admitted([SOMEWHERE]) == []
    assert wire.now == 100


@pytest.mark.parametrize("wire", [[NO_ROUTE] * 1000], indirect=True)
def test_it_ends_and_every_address_is_tried(wire: Wire) -> None:
    others = [("redis", 6379), ("store", 443)]
    assert network.wait_admitted([SOMEWHERE, *others]) == [SOMEWHERE, *others]
    assert wire.now == pytest.approx(100 + network.ADMITTED_WITHIN, abs=0.2)
    assert wire.tries[-2:] == others


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://store:7070", [("store", 7070)]),
        ("https://s3.example", [("s3.example", 443)]),
        ("http://s3.example/x", [("s3.example", 80)]),
        (None, []),
    ],
)
def test_address_of_a_url(url: str | None, expected: list[network.Address]) -> None:
    assert network.addresses(url) == expected
