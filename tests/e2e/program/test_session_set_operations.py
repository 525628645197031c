"""What docs/sessions-operations.md has an operator type, typed: the set is whole then, sessions are kept."""

from __future__ import annotations

import base64
import re
import shlex
from pathlib import Path

import pytest
from shared_stack import SharedStack

PAGE = Path(__file__).parents[3] / "docs" / "sessions-operations.md"
WHOLE = ("valkey-quorum", "valkey-primary", "valkey-replicas", "valkey-passwords", "valkey-config")
CLIENT = 'valkey-cli --no-auth-warning -a "$(cat /secrets/valkey-credentials/app-password)"'


@pytest.fixture(scope="module")
def stack(shared_stack: SharedStack) -> SharedStack:
    return shared_stack


def commands(heading: str) -> list[list[str]]:
    """The lines to type below a heading of the page."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    [block] = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [shlex.split(line) for line in block.splitlines()]


def type_in(stack: SharedStack, heading: str) -> None:
    given = {"NS": stack.name, "STACK": stack.name}
    for program, *words in commands(heading):
        words = [given.get(word, word) for word in words]
        if program == "kubectl":
            stack.sandbox.kubectl(*words)
        else:
            assert program == "fwb"
            stack.fwb(*words, *(["--yes", "--no-checks", "--engine", "embedded"] if words[0] == "up" else []))


def in_server(stack: SharedStack, pod: str, command: str, *, check: bool = True) -> str:
    words = ["-n", stack.name, "exec", pod, "-c", "valkey", "--", "sh", "-c", command]
    return stack.sandbox.kubectl(*words, check=check).stdout.strip()


def write(stack: SharedStack, key: str) -> None:
    """By whichever server is the primary: the others refuse."""
    said = {
        f"valkey-{n}": in_server(stack, f"valkey-{n}", f"{CLIENT} SET {key} here", check=False)
        for n in range(3)
    }
    assert sorted(text == "OK" for text in said.values()) == [False, False, True], said


def whole(stack: SharedStack) -> None:
    stack.fwb("check", stack.name, *WHOLE)


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_a_volume_that_is_lost_with_its_node(stack: SharedStack) -> None:
    write(stack, "before-the-loss")
    claim = ("v1", "PersistentVolumeClaim", "data-valkey-1", stack.name)
    lost = stack.sandbox.kube.get(*claim)
    assert lost
    type_in(stack, "A node is lost for good")
    whole(stack)
    made = stack.sandbox.kube.get(*claim)
    assert made
    assert made["metadata"]["uid"] != lost["metadata"]["uid"]
    assert made["spec"]["resources"]["requests"]["storage"] == "2Gi", "as declared, not as in the template"
    assert in_server(stack, "valkey-1", f"{CLIENT} GET before-the-loss") == "here"


SECRETS = {"mariadb": "mariadb-credentials", "redis": "redis-credentials", "valkey": "valkey-credentials"}


def held(stack: SharedStack) -> dict[str, dict[str, str]]:
    found = {name: stack.kube.get("v1", "Secret", name, stack.name) for name in SECRETS.values()}
    return {name: one["data"] for name, one in found.items() if one}


def running(stack: SharedStack) -> dict[str, int]:
    """The servers' pods by their identity, and how often their containers have restarted."""
    return {
        pod["metadata"]["uid"]: sum(one["restartCount"] for one in pod["status"]["containerStatuses"])
        for pod in stack.kube.list(
            "v1", "Pod", stack.name, "app.kubernetes.io/name in (mariadb,redis,valkey,valkey-sentinel)"
        )
    }


@pytest.mark.timeout(300)
def test_new_passwords(stack: SharedStack) -> None:
    """Of all servers. tests/e2e has what clients see of it, with servers that are plain processes."""
    write(stack, "before-the-change")
    old, pods = held(stack), running(stack)
    [[_, *words]] = commands("New passwords")
    words = [stack.name if word == "STACK" else word for word in words if word != "valkey"]
    said = stack.fwb(*words, "--grace", "5s")
    assert [number for number in range(1, 6) if f"{number} of 5: " in said] == [1, 2, 3, 4, 5]
    new = held(stack)
    assert {name: data.keys() for name, data in new.items()} == {
        name: data.keys() for name, data in old.items()
    }
    for name, data in new.items():
        assert not set(data.values()) & set(old[name].values())
        assert not [text for text in data.values() if base64.b64decode(text).decode() in said]
    assert running(stack) == pods, "no server has restarted"
    assert stack.log_in(base64.b64decode(new["mariadb-credentials"]["app-password"]).decode())
    assert in_server(stack, "valkey-0", f"{CLIENT} GET before-the-change") == "here"
    stack.fwb("up", stack.name, "--yes", "--engine", "embedded", "--no-checks")
    assert held(stack) == new
    stack.fwb("check", stack.name, *WHOLE, "redis-commands", "mariadb-connections")


@pytest.mark.timeout(120)
def test_the_slow_log_and_the_log_level_are_the_operators(stack: SharedStack) -> None:
    [shown] = re.findall(r"kubectl (-n NS exec .* cat .*)", PAGE.read_text())
    password = stack.sandbox.kubectl(*shown.replace("NS", stack.name).split()).stdout.strip()
    agent = f"valkey-cli --no-auth-warning --user agent -a {password}"
    assert in_server(stack, "valkey-0", f"{agent} SLOWLOG LEN").isdecimal()
    assert "NOPERM" not in in_server(stack, "valkey-0", f"{agent} LATENCY LATEST")
    assert in_server(stack, "valkey-0", f"{agent} CONFIG SET loglevel debug") == "OK"
    assert in_server(stack, "valkey-0", f"{agent} CONFIG GET loglevel").endswith("debug")
    assert in_server(stack, "valkey-0", f"{agent} CONFIG SET loglevel notice") == "OK"
