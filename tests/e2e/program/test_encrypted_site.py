"""A whole stack with encrypted connections, the application and the balancer with its certificate."""

from __future__ import annotations

import base64
import re
import ssl
import subprocess
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from data_stack import DataStack
from loopback import Authority
from shared_sandbox import Sandbox, kubectl_path
from shared_stack import FROM_NOTHING

from facts.checks.app import AppServer, AppTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.suites import ALL
from filewallball.checks.suites.app_visit import SESSION, Visit

HOST = "mincenter.kr"
SECRET = "site-tls"
CONFIG: dict[str, Any] = {
    "mariadb": {"storage": {"size": "1Gi"}},
    "redis": {"maxmemory": "64mb"},
    "valkey": {"replicas": 1, "sentinels": 3, "storage": {"size": "1Gi"}},
    "tls": {"enabled": True},
    "app": {"enabled": True, "replicas": 2},
}


@pytest.fixture
def stack(sandbox: Sandbox, tmp_path: Path) -> Iterator[DataStack]:
    project = tmp_path / "project"
    project.mkdir()
    made = DataStack(project, f"site-{uuid.uuid4().hex[:6]}", sandbox)
    yield made
    made.destroy("--purge")


def balanced(stack: DataStack, secret: str | None) -> None:
    balancer = {"enabled": True} | ({"tlsSecret": secret} if secret else {})
    stack.write(**CONFIG, balancer=balancer)


def up(stack: DataStack, *more: str) -> subprocess.CompletedProcess[str]:
    return stack.run("up", stack.name, "--yes", "--engine", "embedded", *more, seconds=FROM_NOTHING)


def put_secret(stack: DataStack, certificate: bytes, key: bytes) -> None:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": SECRET, "namespace": stack.name},
        "data": data,
    }
    if stack.sandbox.kube.get("v1", "Secret", SECRET, stack.name):
        stack.sandbox.kube.patch("v1", "Secret", SECRET, stack.name, {"data": data})
    else:
        stack.sandbox.kube.create(manifest)


@contextmanager
def forwarded(stack: DataStack, what: str, port: int) -> Generator[int]:
    """A port of this machine that leads to one of the cluster."""
    command = [kubectl_path(), "--kubeconfig", str(stack.sandbox.kubeconfig), "-n", stack.name]
    process = subprocess.Popen(
        [*command, "port-forward", what, f":{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+) ->", line)
        assert found, line
        yield int(found[1])
    finally:
        process.kill()
        process.wait()


def objects(stack: DataStack, kind: str) -> list[dict[str, Any]]:
    """Those of the balancer."""
    label = "app.kubernetes.io/name=balancer"
    return list(stack.sandbox.kube.list("v1", kind, stack.name, label))


def names(found: list[dict[str, Any]]) -> set[str]:
    return {each["metadata"]["name"] for each in found}


def pods(stack: DataStack, name: str) -> dict[str, str]:
    found = stack.sandbox.kube.list("v1", "Pod", stack.name, f"app.kubernetes.io/name={name}")
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}


def all_well(said: subprocess.CompletedProcess[str]) -> None:
    assert said.returncode == 0, said.stdout[-5000:] + said.stderr
    missing = [each.name for each in ALL if not each.deep and f"{each.name}: OK" not in said.stdout]
    assert missing == [], said.stdout


def asks(port: int, context: ssl.SSLContext | None) -> httpx.Response:
    scheme = "https" if context else "http"
    return httpx.get(
        f"{scheme}://127.0.0.1:{port}/login",
        headers={"Host": HOST},
        verify=context or True,
        trust_env=False,
        timeout=30,
    )


@pytest.mark.nightly
@pytest.mark.timeout(FROM_NOTHING + 900)
def test_the_site_is_encrypted_once_nginx_takes_the_certificate(stack: DataStack) -> None:
    balanced(stack, None)
    began = up(stack, "--no-checks")
    assert began.returncode == 0, began.stdout[-5000:] + began.stderr
    before = pods(stack, "balancer")
    configs = names(objects(stack, "ConfigMap"))
    with forwarded(stack, "service/balancer", 80) as port:
        assert asks(port, None).status_code == 200

        # A renewed certificate with the key of the old one, say.
        authority = Authority()
        certificate, key = authority.issue("site", HOST, "127.0.0.1")
        put_secret(stack, certificate, authority.issue("other", HOST)[1])
        balanced(stack, SECRET)
        refused = up(stack)
        print(refused.stdout[-3000:], refused.stderr)
        assert refused.returncode == 1
        assert "key values mismatch" in refused.stdout + refused.stderr
        assert pods(stack, "balancer") == before, "the pods must stay as they were"
        [service] = [each for each in objects(stack, "Service") if each["metadata"]["name"] == "balancer"]
        assert [each["port"] for each in service["spec"]["ports"]] == [80], "443 would lead nowhere"
        # All is there that they need should they start again.
        assert configs <= names(objects(stack, "ConfigMap"))
        assert asks(port, None).status_code == 200

    put_secret(stack, certificate, key)
    all_well(up(stack))
    context = ssl.create_default_context(cadata=authority.pem.decode())
    with forwarded(stack, "service/balancer", 443) as port:
        assert asks(port, context).status_code == 200
        a_log_in_outlives_the_pod_that_made_it(stack)
        assert {asks(port, context).status_code for _ in range(20)} == {200}
    with forwarded(stack, "service/balancer", 80) as port:
        plain = asks(port, None)
        assert (plain.status_code, plain.headers["Location"]) == (308, f"https://{HOST}/login")


def a_log_in_outlives_the_pod_that_made_it(stack: DataStack) -> None:
    with ExitStack() as open_ports:
        ports = [open_ports.enter_context(forwarded(stack, f"pod/app-{number}", 3000)) for number in (0, 1)]
        servers = [
            AppServer(name=f"app-{place}", host="127.0.0.1", port=port) for place, port in enumerate(ports)
        ]
        target = AppTarget(servers=tuple(servers), upload_bytes=1)
        guest = Visit(ChecksConfig(stack.name, disposable=True, sections=(target,)))
        guest.enter()
        session = guest.log_in(servers[0])
        stack.sandbox.kubectl("-n", stack.name, "delete", "pod", "app-0", "--grace-period=1")
        guest.ask(servers[1], "GET", SESSION, (200,), session)
        guest.leave()
