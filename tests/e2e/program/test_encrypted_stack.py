"""Whole stacks with encrypted connections: up with every check, backups, a renewal; switched on and off."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from data_stack import DataStack
from shared_sandbox import Sandbox
from shared_stack import FROM_NOTHING

from facts import mariadb
from facts.tls import CERTIFICATE, CRON_JOB, RENEW, secret_of

SERVERS = ("mariadb", "redis", "valkey", "valkey-sentinel")
PATIENCE = 240
"""Seconds for the kubelet to bring the new files, and for five Sentinels' turns."""


SMALL: dict[str, Any] = {"mariadb": {"storage": {"size": "1Gi"}}, "redis": {"maxmemory": "64mb"}}
LONGEST = 63
"""Characters of a namespace's name."""


def named(name: str, sandbox: Sandbox, project: Path) -> Iterator[DataStack]:
    project.mkdir()
    made = DataStack(project, name, sandbox)
    yield made
    made.destroy("--purge")


@pytest.fixture
def stack(sandbox: Sandbox, tmp_path: Path) -> Iterator[DataStack]:
    for made in named(f"tls-{uuid.uuid4().hex[:6]}", sandbox, tmp_path / "project"):
        sets = {"replicas": 2, "sentinels": 3, "storage": {"size": "1Gi"}}
        made.write(**SMALL, tls={"enabled": True}, valkey=sets)
        yield made


@pytest.fixture
def long_named(sandbox: Sandbox, tmp_path: Path) -> Iterator[DataStack]:
    yield from named(f"tls-{uuid.uuid4().hex[:6]}-".ljust(LONGEST, "n"), sandbox, tmp_path / "project")


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


def wait_until(holds: Callable[[], bool], what: str, pause: float = 1) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(pause)


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

    for part in ("redis", "valkey"):  # by forwarded ports, under the names in the certificates
        name, store = f"{stack.name}:{part}", ("--store", str(stack.project / "keys"))
        stack.fwb("redis", "backup", name, *store)
        assert "restored: " in stack.fwb("redis", "restore", name, "--latest", *store)

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


@pytest.mark.nightly
@pytest.mark.timeout(FROM_NOTHING + 600)
def test_switched_on_and_off_all_servers_keep_what_they_hold(long_named: DataStack) -> None:
    stack = long_named
    config = {**SMALL, "valkey": {"replicas": 1, "sentinels": 3, "storage": {"size": "1Gi"}}}
    stack.write(**config)
    stack.up()
    stack.sql("CREATE TABLE kept (word VARCHAR(9)); INSERT INTO kept VALUES ('here')")
    assert in_primary(stack, "SET kept here") == "OK"
    for enabled in (True, False):
        before = _sets(stack)
        stack.write(**config, tls={"enabled": enabled})
        stack.up()
        after = _sets(stack)
        assert {name for name in before if before[name] != after[name]} == {"valkey", "valkey-sentinel"}
        assert in_primary(stack, "GET kept") == "here"
        assert stack.sql("SELECT word FROM kept") == "here"
        tls = ("mariadb-tls", "redis-tls", "valkey-tls") if enabled else ()
        stack.fwb("check", stack.name, "redis-commands", "mariadb-privileges", "valkey-replicas", *tls)
        if enabled:
            passwords_change_beside_a_backup_and_an_up(stack)


def passwords_change_beside_a_backup_and_an_up(stack: DataStack) -> None:
    """None of the three disturbs another. The backup began with the old password, and ends with it."""
    with (
        _begun(stack, "backup", "now", stack.name) as backup,
        _stopped(stack, "filewallball.backup") as go_on,
    ):
        with _begun(stack, "passwords", "rotate", stack.name, "mariadb", "--grace", "10m") as rotation:
            read_until(rotation, "4 of 5")
            both = stack.sandbox.kube.get("v1", "Secret", mariadb.CREDENTIALS, stack.name)
            assert both
            assert "app-password-other" in both["data"]
            stack.up()
            after = stack.sandbox.kube.get("v1", "Secret", mariadb.CREDENTIALS, stack.name)
            assert after
            assert after["data"] == both["data"]
            rotation.terminate()
            read_until(rotation, "Nobody is refused")
        with _begun(stack, "passwords", "finish", stack.name) as finishing:
            read_until(finishing, "waiting for Jobs that began with the old ones")
            go_on()
            read_until(backup, "backup: OK")
            read_until(finishing, "5 of 5")
            assert finishing.wait(60) == 0
    stack.fwb("check", stack.name, "mariadb-privileges")


@contextmanager
def _stopped(stack: DataStack, module: str) -> Generator[Callable[[], None]]:
    """A backup stands still in the middle of its work: what it has dumped is being proven."""

    def working() -> bool:
        found = _processes(stack)
        return any("mariadbd --defaults-file" in each for each in found.values()) and bool(named_so(found))

    def named_so(found: dict[int, str]) -> list[int]:
        return [number for number, command in found.items() if module in command]

    wait_until(working, "the backup to be at work", pause=0.05)
    numbers = named_so(_processes(stack))

    def go_on() -> None:
        for number in numbers:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGCONT)

    try:
        for number in numbers:
            os.kill(number, signal.SIGSTOP)
        yield go_on
    finally:
        go_on()


def _processes(stack: DataStack) -> dict[int, str]:
    """Those of the stack's Jobs, which are this machine's as well: the number, and the command."""
    pods = stack.sandbox.kube.list("v1", "Pod", stack.name, "batch.kubernetes.io/job-name")
    marks = [each["metadata"]["uid"] for each in pods]
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            groups = (folder / "cgroup").read_text()
            if any(mark in groups for mark in marks):
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return found


@contextmanager
def _begun(stack: DataStack, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """`fwb`, while something else goes on."""
    command = stack.command(*arguments)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it says up to the line with these words."""
    said = ""
    assert process.stdout
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it ended without saying {words!r}:\n{said}")


def _sets(stack: DataStack) -> dict[str, str]:
    """The StatefulSets, and what tells one from another of its name."""
    found = stack.sandbox.kube.list("apps/v1", "StatefulSet", stack.name)
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}
