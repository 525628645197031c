"""What agents tell each other and the kubelet."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from filewallball.valkey import peers
from filewallball.valkey.layout import Pod
from filewallball.valkey.member import View

VIEW = View("valkey-2", "replica", open=True, source="10.0.0.1", linked=True, epoch=2, tick=9, offset=77)


@pytest.fixture
def told() -> dict[str, Any]:
    return {"member": VIEW.as_dict(), "ready": True, "why": "replica", "idle": 0.2}


@pytest.fixture
def port(told: dict[str, Any]) -> Iterator[int]:
    server = peers.serve(lambda: told, "127.0.0.1", 0)
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_it_serves_without_asking_for_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The DNS may be closed to the pod, and the question then stands for ten seconds and more."""
    monkeypatch.setattr(socket, "getfqdn", lambda *_: pytest.fail("the DNS was asked"))
    server = peers.serve(dict, "127.0.0.1", 0)
    server.shutdown()
    server.server_close()


def status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    return connection.getresponse().status


def test_a_view_arrives_as_it_was(port: int) -> None:
    assert peers.ask(Pod("valkey-2", "127.0.0.1"), port) == VIEW


def test_nobody_there_is_no_view(told: dict[str, Any]) -> None:
    server = peers.serve(lambda: told, "127.0.0.1", 0)
    free = server.server_address[1]
    server.shutdown()
    server.server_close()
    assert peers.ask(Pod("valkey-2", "127.0.0.1"), free) is None


def test_an_agent_of_another_version_is_understood(port: int, told: dict[str, Any]) -> None:
    """In a rolling update old and new agents talk to each other."""
    told["member"] |= {"flavour": "new"}
    del told["member"]["uptime"]
    assert peers.ask(Pod("valkey-2", "127.0.0.1"), port) == VIEW


def test_an_agent_that_has_stopped_looking_tells_nothing(port: int, told: dict[str, Any]) -> None:
    told["idle"] = peers.STALE_SECONDS + 1
    assert peers.ask(Pod("valkey-2", "127.0.0.1"), port) is None


def test_probes(port: int, told: dict[str, Any]) -> None:
    assert [status(port, path) for path in ("/ready", "/alive", "/other")] == [200, 200, 404]
    told["ready"] = False
    told["idle"] = peers.STALLED_SECONDS + 1
    assert [status(port, path) for path in ("/ready", "/alive")] == [503, 503]
