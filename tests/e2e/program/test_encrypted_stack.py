"""A whole stack with encrypted connections: up with every check, backups, a renewal, and the checks again."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from data_stack import DataStack
from shared_sandbox import Sandbox
from shared_stack import FROM_NOTHING

from facts.tls import CERTIFICATE, CRON_JOB, RENEW, secret_of

SERVERS = ("mariadb", "redis", "valkey", "valkey-sentinel")
PATIENCE = 240
"""Seconds for the kubelet to bring the new files, and for five Sentinels' turns."""


@pytest.fixture
def stack(sandbox: Sandbox, tmp_path: Path) -> Iterator[DataStack]:
    project = tmp_path / "project"
    project.mkdir()
    made = DataStack(project, f"tls-{uuid.uuid4().hex[:6]}", sandbox)
    made.write(
        tls={"enabled": True},
        mariadb={"storage": {"size": "1Gi"}},
        redis={"maxmemory": "64mb"},
        valkey={"replicas": 2, "sentinels": 3, "storage": {"size": "1Gi"}},
    )
    yield made
    made.destroy("--purge")


def serials(stack: DataStack) -> dict[str, int]:
    """What the Secrets hold."""
    found: dict[str, int] = {}
    for server in SERVERS:
        secret = stack.sandbox.kube.get("v1", "Secret", secret_of(server), stack.name)
        assert secret
        pem = base64.b64decode(secret["data"][CERTIFICATE])
        found[server] = x509.load_pem_x509_certificate(pem).serial_number
    return found


def diagnosis(stack: DataStack) -> str:
    """Why it isn't as it should be."""
    kubectl = stack.sandbox.kubectl
    texts = [kubectl("-n", stack.name, "get", "pods,jobs", "-o", "wide", check=False).stdout]
    for pod in kubectl("-n", stack.name, "get", "pods", "-o", "name", check=False).stdout.split():
        said = kubectl("-n", stack.name, "logs", pod, "--all-containers", "--tail=15", check=False)
        texts.append(f"--- {pod}\n{said.stdout}{said.stderr}")
    return "\n".join(texts)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(1)


@pytest.mark.nightly
@pytest.mark.timeout(FROM_NOTHING + 600)
def test_everything_works_over_encrypted_connections_and_outlives_a_renewal(stack: DataStack) -> None:
    up = stack.run("up", stack.name, "--yes", "--engine", "embedded", seconds=FROM_NOTHING)
    print(up.stdout[-6000:], up.stderr[-2000:], file=sys.stderr)
    assert up.returncode == 0, up.stdout[-3000:] + up.stderr + diagnosis(stack)
    for name in ("mariadb-tls", "redis-tls", "valkey-tls", "backup-run"):
        assert f"{name}: OK" in up.stdout
    assert "backup: OK" in stack.fwb("backup", "now", stack.name)
    assert in_primary(stack, "SET kept here") == "OK"
    stack.fwb("valkey", "backup", "now", stack.name)
    before = serials(stack)

    # A second `up` changes nothing, least of all what the Job has written.
    again = stack.up()
    assert "Secret" not in again, again
    assert serials(stack) == before

    for server in SERVERS:
        stack.sandbox.kubectl("-n", stack.name, "annotate", "secret", secret_of(server), f"{RENEW}=now")
    stack.sandbox.kubectl("-n", stack.name, "create", "job", "renew-now", f"--from=cronjob/{CRON_JOB}")
    stack.sandbox.kubectl(
        "-n", stack.name, "wait", "--for=condition=complete", "job/renew-now", "--timeout=60s"
    )
    after = serials(stack)
    assert not set(before.values()) & set(after.values())
    restarts = _restarts(stack)

    def loaded() -> bool:
        logs = {pod: _log(stack, pod) for pod in ("mariadb-0", "valkey-0", "valkey-1", "valkey-2")}
        logs |= {f"valkey-sentinel-{n}": _log(stack, f"valkey-sentinel-{n}") for n in range(3)}
        logs["redis"] = _log(stack, "deployment/redis")
        return all("renewed" in text for text in logs.values())

    wait_until(loaded, f"the renewed certificates to be loaded\n{diagnosis(stack)}")
    assert _restarts(stack) == restarts
    done = stack.run("check", stack.name, "mariadb-tls", "redis-tls", "valkey-tls", "valkey-replicas")
    assert done.returncode == 0, done.stdout + done.stderr
    # The one with a probe inside the pod as well, where no address is in any certificate.
    said = stack.fwb(
        "drill",
        "valkey",
        stack.name,
        "--yes",
        "--event",
        "network-cut",
        "--out",
        str(stack.project / "drill"),
    )
    print(said, file=sys.stderr)
    in_primary(stack, "DEL kept")
    assert "restore: OK" in stack.fwb("valkey", "restore", stack.name, "--latest", "--yes")
    assert in_primary(stack, "GET kept") == "here"
    # Its Job logs in as every user, at every pod, three times.
    said = stack.fwb("passwords", "rotate", stack.name, "--grace", "5s")
    assert "5 of 5: " in said
    stack.fwb(
        "check", stack.name, "redis-commands", "mariadb-privileges", "valkey-passwords", "valkey-replicas"
    )


def in_primary(stack: DataStack, command: str) -> str:
    """What it answers; the three are asked in turn."""
    password = "$(cat /secrets/valkey-credentials/app-password)"
    cli = f'valkey-cli -s /run/valkey/valkey.sock --no-auth-warning -a "{password}"'
    kubectl = stack.sandbox.kubectl
    for pod in ("valkey-0", "valkey-1", "valkey-2"):
        shell = ("-n", stack.name, "exec", pod, "-c", "valkey", "--", "sh", "-c")
        if kubectl(*shell, f"{cli} ROLE").stdout.startswith("master"):
            return kubectl(*shell, f"{cli} {command}").stdout.strip()
    raise AssertionError("no member is the primary")


def _log(stack: DataStack, pod: str) -> str:
    return stack.sandbox.kubectl("-n", stack.name, "logs", pod, "--all-containers", check=False).stdout


def _restarts(stack: DataStack) -> str:
    path = "{range .items[*]}{.metadata.name}{.status.containerStatuses[*].restartCount}{end}"
    found: subprocess.CompletedProcess[str] = stack.sandbox.kubectl(
        "-n", stack.name, "get", "pods", "-l", "app.kubernetes.io/name in (mariadb,redis,valkey)",
        "-o", f"jsonpath={path}",
    )  # fmt: skip
    return found.stdout
