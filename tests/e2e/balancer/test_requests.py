"""What servers and clients get through nginx: headers, limits, encryption, and the status page."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from balanced import HOST, PATHS, Application, Balancer, applications, wait_for
from loopback import Authority
from nginx_pods import pods

Make = Callable[..., Balancer]


@pytest.fixture(scope="module")
def apps() -> Iterator[list[Application]]:
    with applications(2) as found:
        yield found


@pytest.fixture(scope="module")
def pod(nginx: Callable[[str], Path], apps: list[Application]) -> Iterator[Balancer]:
    """The one of all tests that change nothing of it."""
    with pods(nginx) as make:
        yield make(apps, log_ins_per_minute=6, log_ins_at_once=3).start()


def test_the_headers_arrive(pod: Balancer) -> None:
    spoofed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Real-IP": "203.0.113.9"}
    spoofed |= {"Forwarded": "for=203.0.113.9", "X-Request-Id": "mine", "Host": f"{HOST}:8080"}
    answer = pod.get("/page", headers=spoofed)
    got = answer.json()["headers"]
    assert got["host"] == got["x-forwarded-host"] == f"{HOST}:8080"
    assert got["x-real-ip"] == "127.0.0.1"
    assert got["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert got["x-forwarded-proto"] == "http"
    assert "forwarded" not in got
    assert "connection" not in got
    assert re.fullmatch("[0-9a-f]{32}", got["x-request-id"])
    assert answer.headers.get_list("X-Request-Id") == [got["x-request-id"]]
    assert answer.headers["Server"] == "nginx"
    [line] = [each for each in logged(pod) if each["uri"] == "/page"]
    assert line["request_id"] == got["x-request-id"]
    assert line["status"] == 200
    assert line["served_by"] == answer.headers["X-Served-By"]
    assert float(line["upstream_seconds"]) >= float(line["upstream_header_seconds"]) >= 0


def logged(pod: Balancer) -> list[dict[str, Any]]:
    """The lines of the access log, all of which are JSON."""
    wait_for(lambda: (pod.folder / "access.log").read_bytes().endswith(b"\n"))
    return [json.loads(line) for line in (pod.folder / "access.log").read_text().splitlines()]


def test_what_a_trusted_proxy_says_of_the_client_is_believed(balancer: Make, apps: list[Application]) -> None:
    pod = balancer(apps, trusted_proxies=["127.0.0.0/8"]).start()
    said = {"X-Forwarded-For": "192.0.2.1, 203.0.113.9", "X-Forwarded-Proto": "https"}
    got = pod.get(headers=said).json()["headers"]
    assert got["x-real-ip"] == "203.0.113.9"
    assert got["x-forwarded-for"] == "192.0.2.1, 203.0.113.9, 203.0.113.9"
    assert got["x-forwarded-proto"] == "https"
    assert pod.get("/upstream_status", headers=said).status_code == 403
    assert pod.get(headers={"X-Forwarded-Proto": "gopher"}).json()["headers"]["x-forwarded-proto"] == "http"


def test_connections_to_the_servers_are_kept(pod: Balancer) -> None:
    seen = {(told["name"], told["connections"]) for told in (pod.get().json() for _ in range(40))}
    assert len(seen) <= 2 * pod.settings.workers, "one of each worker to each server"


def test_only_its_own_names_are_answered(balancer: Make, pod: Balancer, apps: list[Application]) -> None:
    for name in (HOST, "localhost:1", "127.0.0.1", "balancer", "balancer.filewallball.svc"):
        assert pod.get(headers={"Host": name}).status_code == 200, name
    for name in ("example.org", "10.0.0.7", f"www.{HOST}"):
        refused = pod.get(headers={"Host": name})
        assert (refused.status_code, refused.text) == (421, f"This server answers for {HOST} only.\n")
    assert pod.get("/healthz", headers={"Host": "10.0.0.7"}).text == "ok\n"
    assert balancer(apps, any_host=True).start().get(headers={"Host": "example.org"}).status_code == 200


def test_the_administration_is_apart(pod: Balancer) -> None:
    answer = httpx.get(f"http://127.0.0.1:{pod.admin}/", trust_env=False)
    assert answer.json()["name"] in {"app-0-admin", "app-1-admin"}
    assert pod.get().json()["name"] in {"app-0", "app-1"}
    assert pod.get("/metrics").status_code == 404
    wait_for(lambda: sum(each["requests"] for each in pod.states("admin").values()) >= 1)


def test_the_status_page_is_for_those_who_may_read_it(
    balancer: Make, pod: Balancer, apps: list[Application]
) -> None:
    pod.get()
    as_json = pod.get("/upstream_status")
    assert as_json.headers["Content-Type"] == "application/json; charset=utf-8"
    assert set(as_json.json()["upstreams"]) == {"site", "admin"}
    page = pod.get("/upstream_status", headers={"Accept": "text/html,*/*"})
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "app-1" in page.text
    assert pod.get("/upstream_status?format=json", headers={"Accept": "text/html"}).json()["max_fails"] == 3
    closed = balancer(apps, status_clients=["192.0.2.0/24"]).start()
    assert closed.get("/upstream_status").status_code == 403
    assert set(closed.states()) == {"app-0", "app-1"}, "the port of its own has a NetworkPolicy"


def test_log_ins_from_one_address_are_limited(pod: Balancer) -> None:
    answers = [pod.client.post("/login", content=b"x") for _ in range(6)]
    assert [each.status_code for each in answers] == [200, 200, 200, 200, 429, 429]
    assert answers[-1].headers["Retry-After"] == "10"
    assert re.fullmatch("[0-9a-f]{32}", answers[-1].headers["X-Request-Id"])
    assert {pod.get("/login").status_code for _ in range(9)} == {200}, "looking at the page is no try"
    assert pod.client.post("/other", content=b"x").status_code == 200


def test_an_upload_goes_on_while_it_comes_in_and_other_bodies_come_whole(pod: Balancer) -> None:
    def slowly() -> Iterator[bytes]:
        yield b"x" * 100_000
        time.sleep(2)
        yield b"x" * 100_000

    length = {"Content-Length": "200000"}
    streamed = pod.client.put("/files/new", content=slowly(), headers=length).json()
    assert streamed["body"] == 200_000
    assert streamed["waited_for_body"] > 1
    assert pod.client.put("/note", content=slowly(), headers=length).json()["waited_for_body"] < 1


@pytest.mark.parametrize(("path", "most"), [("/files/new", PATHS.upload_bytes + 2**20), ("/note", 2**20)])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(pod: Balancer, path: str, most: int) -> None:
    def head(size: int) -> bytes:
        request = (
            f"PUT {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", pod.site), 5) as sock:
            sock.sendall(request.encode())
            return sock.recv(100).split(b"\r\n")[0]

    assert b"413" in head(most + 1)
    assert head(most) == b"HTTP/1.1 100 Continue"


def test_a_client_that_sends_no_request_is_let_go(pod: Balancer) -> None:
    conf = (pod.config / "nginx.conf").read_text()
    assert "client_header_timeout 10s;" in conf
    with socket.create_connection(("127.0.0.1", pod.site), 5) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: " + b"x" * 70_000)
        assert b" 400 " in sock.recv(100)


class Certificate:
    """The Secret's files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, Authority()
        self.context = ssl.create_default_context(cadata=self.authority.pem.decode())

    def renew(self, serial: str) -> None:
        certificate, key = self.authority.issue(serial, HOST, "127.0.0.1")
        (self.folder / "tls.crt").write_bytes(certificate)
        (self.folder / "tls.key").write_bytes(key)


def test_a_certificate_encrypts_the_site_and_a_renewed_one_counts_at_once(
    balancer: Make, apps: list[Application], tmp_path: Path
) -> None:
    (tmp_path / "site-tls").mkdir()
    certificate = Certificate(tmp_path / "site-tls")
    certificate.renew("first")
    pod = balancer(apps, secrets=tmp_path, tls_secret="site-tls")
    assert pod.test().returncode == 0
    pod.start()

    def names() -> str:
        with (
            socket.create_connection(("127.0.0.1", pod.tls), 5) as plain,
            certificate.context.wrap_socket(plain, server_hostname=HOST) as sock,
        ):
            return str(sock.getpeercert())

    assert "first" in names()
    certificate.renew("second")
    assert "second" in names()
    url = f"https://127.0.0.1:{pod.tls}/"
    got = httpx.get(url, headers={"Host": HOST}, verify=certificate.context, trust_env=False).json()
    assert got["headers"]["x-forwarded-proto"] == "https"
    sent = pod.get("/page?a=1")
    assert (sent.status_code, sent.headers["Location"]) == (308, f"https://{HOST}/page?a=1")
    assert pod.get(headers={"Host": "evil.example"}).headers["Location"] == f"https://{HOST}/"
    (tmp_path / "site-tls" / "tls.crt").write_text("broken")
    assert pod.test().returncode == 1
