"""The CronJob's pod in a cluster: its image, its rights, its way to the set and to the store."""

from __future__ import annotations

import base64
import re

import pytest
from local_set import wait_for
from shared_stack import SharedStack

MEMBERS = ("valkey-0", "valkey-1", "valkey-2")
SESSIONS = 200


@pytest.fixture(scope="module")
def stack(shared_stack: SharedStack) -> SharedStack:
    return shared_stack


def valkey(stack: SharedStack, pod: str, commands: str, user: str = "default", key: str = "app") -> list[str]:
    """What valkey-cli answers to commands, one a line, given to one member over its own socket."""
    secret = stack.sandbox.kube.get("v1", "Secret", "valkey-credentials", stack.name)
    assert secret
    password = base64.b64decode(secret["data"][f"{key}-password"]).decode()
    client = f"valkey-cli -s /run/valkey/valkey.sock --user {user} --pass {password} --no-auth-warning"
    script = f"printf '%s' \"$0\" | {client}"
    words = ["exec", pod, "-c", "valkey", "--", "sh", "-c", script, commands]
    return stack.sandbox.kubectl("-n", stack.name, *words).stdout.splitlines()


def primary(stack: SharedStack) -> str:
    def roles() -> dict[str, str]:
        return {pod: valkey(stack, pod, "ROLE")[0] for pod in MEMBERS}

    return wait_for(
        lambda: next((pod for pod, role in roles().items() if role == "master"), None),
        30,
        lambda: str(roles()),
    )


def test_sessions_come_back_by_way_of_the_store(stack: SharedStack) -> None:
    leader = primary(stack)
    written = [
        f"SET session:{number} value-{number} PXAT {1900000000000 + number}" for number in range(SESSIONS)
    ]
    assert valkey(stack, leader, "\n".join(written)) == ["OK"] * SESSIONS
    taken = stack.fwb("valkey", "backup", "now", stack.name)
    assert "2 replicas linked" in taken
    assert f"{SESSIONS} keys in 1 databases, equal to the file's" in taken
    [name] = re.findall(r"snapshot: OK (\S+)", taken)

    assert valkey(stack, leader, "FLUSHDB", "backup", "backup") == ["OK"]
    assert valkey(stack, leader, "SET since the-snapshot") == ["OK"]
    refused = stack.fwb("valkey", "restore", stack.name, "--latest", exit_code=2)
    assert "Give --yes" in refused
    assert valkey(stack, leader, "GET since") == ["the-snapshot"]

    restored = stack.fwb("valkey", "restore", stack.name, "--latest", "--yes")
    assert f"restore: OK {name}" in restored
    assert "2 replicas followed it" in restored
    asked = [f"GET session:{number}\nPEXPIRETIME session:{number}" for number in range(SESSIONS)]
    wanted = [answer for n in range(SESSIONS) for answer in (f"value-{n}", str(1900000000000 + n))]
    for member in MEMBERS:
        assert valkey(stack, member, "\n".join(asked)) == wanted
        assert valkey(stack, member, "EXISTS since") == ["0"]
    assert primary(stack) == leader
    assert [valkey(stack, pod, "ROLE")[0] for pod in MEMBERS].count("master") == 1

    listed = stack.fwb("valkey", "backup", "list", stack.name).splitlines()
    assert len(listed) == 2, listed
    assert f"saved before {name} was restored" in listed[0]
    assert listed[1].startswith(name)
    pods_end_with_their_jobs(stack)


def pods_end_with_their_jobs(stack: SharedStack) -> None:
    """The throw-away server beside a job goes when the job does, and leaves no pod running."""

    def phases() -> list[str]:
        selector = "app.kubernetes.io/name=filewallball-valkey-snapshot"
        pods = stack.sandbox.kube.list("v1", "Pod", stack.name, selector)
        return [pod["status"]["phase"] for pod in pods]

    wait_for(lambda: phases() and set(phases()) == {"Succeeded"}, 60, lambda: str(phases()))


@pytest.mark.nightly
def test_a_snapshot_that_is_not_there(stack: SharedStack) -> None:
    name = "valkey_snapshot_20200101_000000.rdb"
    said = stack.fwb("valkey", "restore", stack.name, "--name", name, "--yes", exit_code=1)
    assert "There is no snapshot" in said
    assert "The set was left as it is" in said
