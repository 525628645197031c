"""The servers of a stack on this machine's ports: which port leads where, and what users are told."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facts.addresses import URL
from filewallball import paths
from filewallball.errors import UserError
from filewallball.forwarding import command, pages, ports
from filewallball.forwarding.command import Forwarding
from filewallball.sandbox.publisher import FILE
from filewallball.stack import Place

NAMED = {"site": 18080, "admin": 18081}


class FakeKube:
    """A cluster with these pods and Services. `primary`: whom the session set's agents name."""

    context = "fake"

    def __init__(self, *kinds: str, primary: str = "valkey-0", page: str = "") -> None:
        self.pods = [pod(name) for name in kinds]
        self.primary: str | None = primary
        self.page = page

    def list(self, _api: str, kind: str, _namespace: str, labels: str | None = None) -> list[dict[str, Any]]:
        if kind == "Service":
            return [service("balancer", self.page), service("mariadb", "")] if self.page else []
        wanted = dict(each.split("=") for each in labels.split(",")) if labels else {}
        return [each for each in self.pods if wanted.items() <= each["metadata"]["labels"].items()]

    def get(self, _api: str, _kind: str, name: str, _namespace: str) -> dict[str, Any] | None:
        return next((each for each in self.pods if each["metadata"]["name"] == name), None)

    def ask_pod(self, name: str, _namespace: str, port: int, path: str) -> dict[str, Any]:
        assert (port, path) == (8080, "member")
        if name == "valkey-1":
            raise UserError("It does not answer", "Wait.")
        return {"named": self.primary}

    @contextmanager
    def forwarded(self, name: str, _namespace: str, port: int) -> Generator[tuple[str, bytes]]:
        yield f"{name}:{port}", b""


class FakeTunnel:
    def __init__(self, remote: str, _first: bytes) -> None:
        self._said = remote.encode()

    def pump(self, local: socket.socket) -> None:
        local.sendall(self._said)


def pod(name: str, *, ready: bool = True, phase: str = "Running") -> dict[str, Any]:
    kind = name.rpartition("-")[0]
    opened = [{"name": each, "containerPort": number} for each, number in NAMED.items()]
    return {
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": kind}},
        "spec": {"containers": [{"name": "beside"}, {"name": kind, "ports": opened}]},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def service(name: str, page: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "annotations": {URL: page} if page else None},
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"port": 80, "targetPort": "site"}, {"port": 81}],
        },
    }


SET = (
    "mariadb-0",
    "redis-x",
    "valkey-0",
    "valkey-1",
    "valkey-2",
    *(f"valkey-sentinel-{n}" for n in range(5)),
)


def place(kube: FakeKube, sandbox: str | None = None) -> Place:
    found: Any = kube
    return Place("dev", "filewallball", found, sandbox=sandbox)


@pytest.fixture(autouse=True)
def _tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Tunnel", FakeTunnel)


def test_the_ports_are_those_of_the_documents() -> None:
    found = {each.local: each.name for each in ports.of_stack(place(FakeKube(*SET, "app-0", "app-1")))}
    assert found == {
        3000: "site",
        3001: "admin",
        3306: "database",
        6379: "sessions, the primary",
        6380: "sessions, replica 1",
        6381: "sessions, replica 2",
        6382: "cache",
        **{26379 + number: f"valkey-sentinel-{number}" for number in range(5)},
    }


def test_a_stack_without_some_of_them_has_the_others() -> None:
    assert [each.local for each in ports.of_stack(place(FakeKube("mariadb-0")))] == [3306]
    assert ports.of_stack(place(FakeKube())) == []


def test_the_first_session_server_is_the_primary_of_the_moment() -> None:
    kube = FakeKube(*SET)
    first, second, third = (each for each in ports.of_stack(place(kube)) if 6379 <= each.local <= 6381)
    assert [each.pod() for each in (first, second, third)] == ["valkey-0", "valkey-1", "valkey-2"]
    kube.primary = "valkey-2"
    assert [each.pod() for each in (first, second, third)] == ["valkey-2", "valkey-0", "valkey-1"]
    kube.primary = None
    with pytest.raises(UserError, match="knows a primary now"):
        first.pod()
    kube.primary, kube.pods = (
        "valkey-0",
        [each for each in kube.pods if each["metadata"]["name"] != "valkey-2"],
    )
    with pytest.raises(UserError, match="is replica 2"):
        third.pod()


def test_pages_lead_to_a_pod_that_is_ready_and_to_the_port_that_their_service_names() -> None:
    kube = FakeKube("balancer-0", "balancer-1", page="site http://127.0.0.1:3000")
    kube.pods[0] = pod("balancer-0", ready=False)
    [site] = ports.of_stack(place(kube))
    assert (site.local, site.name, site.remote, site.url) == (3000, "site", "site", "http://127.0.0.1:3000")
    assert site.pod() == "balancer-1"
    assert answered(kube, site) == b"balancer-1:18080"


def answered(kube: FakeKube, port: ports.Port) -> bytes:
    said: list[str] = []
    free = ports.Port(free_port(), port.name, port.remote, port.pod, port.url)
    with Forwarding(place(kube), said.append) as forwarding:
        assert forwarding.open(free), said
        return ask(free.local)


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        return b"".join(iter(lambda: connection.recv(4096), b""))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def test_a_pod_that_was_replaced_is_followed_and_one_that_is_away_is_told_of_once() -> None:
    kube, said = FakeKube("mariadb-0"), list[str]()
    [database] = ports.of_stack(place(kube))
    port = ports.Port(free_port(), database.name, database.remote, database.pod)
    with Forwarding(place(kube), said.append) as forwarding:
        forwarding.open(port)
        assert ask(port.local) == b"mariadb-0:3306"
        kube.pods = []
        for _ in range(3):
            assert ask(port.local) == b""
        kube.pods = [pod("mariadb-1")]
        assert ask(port.local) == b"mariadb-1:3306"
    away = [line for line in said if "No pod of mariadb is ready" in line]
    assert len(away) == 1
    with pytest.raises(ConnectionRefusedError):
        ask(port.local)


def test_a_port_that_is_taken_is_named_and_the_others_are_forwarded(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    kube = FakeKube("mariadb-0", "redis-x")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number, other = taken.getsockname()[1], free_port()
        found = [
            ports.Port(number, "database", 3306, lambda: "mariadb-0"),
            ports.Port(other, "cache", 6379, lambda: "redis-x"),
        ]
        monkeypatch.setattr(command.stack, "find", lambda *_: place(kube))
        monkeypatch.setattr(ports, "of_stack", lambda _: found)
        assert command.run(Path(), "dev", said.append, lambda: said.append(ask(other).decode())) == 0
        assert f"127.0.0.1:{number}" in said[0]
        assert "another program has taken this port" in said[0]
        assert said[-2:] == ["Ready. Ctrl-C ends it.", "redis-x:6379"]
        monkeypatch.setattr(ports, "of_stack", lambda _: found[:1])
        assert command.run(Path(), "dev", said.append, lambda: None) == 1


def test_ctrl_c_is_the_way_to_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.stack, "find", lambda *_: place(FakeKube("mariadb-0")))
    monkeypatch.setattr(ports, "of_stack", lambda _: [ports.Port(free_port(), "x", 1, lambda: "x")])
    assert command.run(Path(), "dev", lambda _: None, interrupted) == 0


def test_a_stack_that_is_not_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.stack, "find", lambda *_: place(FakeKube()))
    with pytest.raises(UserError, match="No server of stack dev runs"):
        command.run(Path(), "dev", print, lambda: None)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKube]:
    """A sandbox that has the page of its stack on another port than the page's own."""
    monkeypatch.setattr(paths, "sandbox_dir", lambda _: tmp_path)
    has = [{"service": "filewallball/balancer", "name": "site", "url": "http://127.0.0.1:41234"}]
    (tmp_path / FILE).write_text(json.dumps(has))
    return FakeKube("balancer-0", page="site http://127.0.0.1:3000")


def test_what_the_sandbox_has_already_is_not_forwarded_again(opened: FakeKube) -> None:
    said: list[str] = []
    [site] = ports.of_stack(place(opened, "x"))
    with Forwarding(place(opened), said.append) as forwarding:
        assert not forwarding.open(site)
    assert said == ["127.0.0.1:3000   site: the sandbox has it already at http://127.0.0.1:41234"]


def test_a_deployment_ends_with_the_urls(opened: FakeKube) -> None:
    said: list[str] = []
    pages.show(place(opened, "x"), said.append)
    pages.show(place(opened), said.append)
    assert said == [
        "site: http://127.0.0.1:41234",
        "site: run `fwb forward dev`, and open http://127.0.0.1:3000",
    ]


def test_a_deployment_without_a_page_says_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    pages.show(place(FakeKube("mariadb-0")), said.append)

    def fails(*_: object) -> Place:
        raise UserError("The cluster can't be reached", "Start it.")

    monkeypatch.setattr(pages.stack, "find", fails)
    pages.after_up(Path(), "dev", said.append)
    assert said == []
