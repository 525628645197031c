"""The checks of the balancer against small servers on loopback that answer as it does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from facts.checks.balancer import BalancerTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, CheckSkipped
from filewallball.checks.suites import balancer

SERVERS = ("app-0", "app-1")


class Fake(ThreadingHTTPServer):
    """The site and a status page. `turn`: who answers, one after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.turn = list(SERVERS)
        self.count = 0
        self.code = 200
        self.states = dict.fromkeys(SERVERS, "up")
        self.logs = ""
        self.log = True
        self.address = "127.0.0.1"


class Handler(BaseHTTPRequestHandler):
    server: Fake

    def do_GET(self) -> None:
        fake = self.server
        if self.path.startswith("/upstream_status"):
            listed = [{"name": name, "state": state} for name, state in fake.states.items()]
            self.reply(200, {}, {"balancer": "balancer-a", "upstreams": {"site": {"servers": listed}}})
            return
        fake.count += 1
        name, request_id = fake.turn[fake.count % len(fake.turn)], f"{fake.count:032x}"
        if fake.log:
            line = {"level": "INFO", "request_id": request_id, "address": fake.address}
            fake.logs += json.dumps(line) + "\n"
        self.reply(fake.code, {"X-Served-By": name, "X-Request-Id": request_id}, {})

    def reply(self, code: int, headers: dict[str, str], body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    with Fake() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        class Cluster:
            def __enter__(self) -> Cluster:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def logs(self, pod: str, namespace: str, **_: object) -> str:
                assert pod in SERVERS
                return server.logs

        monkeypatch.setattr(balancer.Kube, "connect", Cluster)
        monkeypatch.setattr(balancer, "_LOG_SECONDS", 0.0)
        yield server
        server.shutdown()


def config(fake: Fake, pods: int = 1) -> ChecksConfig:
    port = fake.server_address[1]
    target = BalancerTarget(
        host="balancer", servers=SERVERS, pods=pods, encrypted=False, site="127.0.0.1", site_port=port,
        status="127.0.0.1", status_port=port,
    )  # fmt: skip
    return ChecksConfig("files", disposable=False, sections=(target,))


def test_requests_reach_every_server(fake: Fake) -> None:
    assert balancer.spread(config(fake)) == "app-0 10, app-1 10"


def test_a_server_without_requests_is_named(fake: Fake) -> None:
    fake.turn = ["app-1"]
    with pytest.raises(CheckFailed, match="app-0 answered none of 20 requests"):
        balancer.spread(config(fake))


def test_an_error_is_told_with_how_often(fake: Fake) -> None:
    fake.code = 502
    with pytest.raises(CheckFailed, match="20 of 20 requests were answered with 502"):
        balancer.spread(config(fake))


def test_the_servers_log_shows_what_arrived(fake: Fake) -> None:
    assert balancer.headers(config(fake)).endswith("of 127.0.0.1")
    fake.address = "10.0.0.9"
    with pytest.raises(CheckFailed, match=r"takes 10\.0\.0\.9 for the client's address") as raised:
        balancer.headers(config(fake))
    assert "filewallball:app.trustedProxies" in raised.value.hint


def test_a_request_with_another_id_in_the_log_is_found(fake: Fake) -> None:
    fake.log, fake.logs = False, '{"level": "INFO", "request_id": "other", "address": "127.0.0.1"}\nplain\n'
    with pytest.raises(CheckFailed, match="logged no request"):
        balancer.headers(config(fake))


def test_without_a_log_of_requests_nothing_can_be_said(fake: Fake) -> None:
    fake.log = False
    with pytest.raises(CheckSkipped, match="logs no requests"):
        balancer.headers(config(fake))


def test_every_pod_has_every_server_in_use(fake: Fake) -> None:
    assert balancer.status(config(fake)) == "pods: 1; servers that get requests: 2"
    for state in ("failing", "retry"):
        fake.states["app-1"] = state
        assert balancer.status(config(fake))
    for state in ("down", "backup"):
        fake.states["app-1"] = state
        with pytest.raises(CheckFailed, match=rf"balancer-a: app-1 \(site\) is {state}"):
            balancer.status(config(fake))


def test_a_missing_pod_and_an_unknown_server_are_told(fake: Fake) -> None:
    with pytest.raises(CheckFailed, match="1 of 2 pods answer"):
        balancer.status(config(fake, pods=2))
    del fake.states["app-0"]
    with pytest.raises(CheckFailed, match=r"app-0 \(site\) is unknown"):
        balancer.status(config(fake))


def test_no_answer_is_explained(fake: Fake) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = ConnectionRefusedError(111, "Connection refused")
    found = balancer.explain(config(fake), error)
    assert found
    assert "Connection refused" in found.observed
    assert "deployment/balancer" in found.hint
    assert balancer.explain(config(fake), KeyError("x")) is None
