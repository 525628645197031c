"""The session set grows, shrinks, goes and comes back; no session is lost, and nothing is left in the end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from data_stack import DataStack
from session_writer import SessionWriter
from shared_sandbox import Sandbox

# Not one replica: while the only one restarts, the primary refuses writes.
SMALL = {"replicas": 2, "sentinels": 3}
LARGE = {"replicas": 3, "sentinels": 5}
CLAIMS = {
    *(f"data-valkey-{number}" for number in range(4)),
    *(f"data-valkey-sentinel-{number}" for number in range(5)),
}


@pytest.fixture
def stack(sandbox: Sandbox, tmp_path: Path) -> Iterator[DataStack]:
    project = tmp_path / "project"
    project.mkdir()
    made = DataStack(project, f"sets-{uuid.uuid4().hex[:6]}", sandbox)
    yield made
    made.destroy("--purge")


def resize(stack: DataStack, size: dict[str, int]) -> str:
    stack.write(valkey=size)
    return stack.up()


def of_the_set(stack: DataStack, kind: str) -> set[str]:
    label = "app.kubernetes.io/component=sessions"
    found = stack.sandbox.kubectl("-n", stack.name, "get", kind, "-l", label, "-o", "name").stdout.split()
    return {name.partition("/")[2] for name in found}


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_sessions_outlive_every_change_of_size_and_destroy(stack: DataStack) -> None:
    resize(stack, SMALL)
    writer = SessionWriter(stack.sandbox, stack.name)
    resize(stack, LARGE)
    grown = of_the_set(stack, "pod")
    said = resize(stack, SMALL)
    result = writer.finish()
    assert {"valkey-3", "valkey-sentinel-4"} <= grown
    assert result["waited"] > 1000, result
    assert result["missing"] == 0, result

    assert "stays with its data" in said
    assert of_the_set(stack, "pod") == {
        *(f"valkey-{n}" for n in range(3)),
        *(f"valkey-sentinel-{n}" for n in range(3)),
    }
    assert of_the_set(stack, "service") == of_the_set(stack, "pod") | {
        "valkey",
        "valkey-sentinel",
        "valkey-read",
    }
    assert of_the_set(stack, "pvc") == CLAIMS, "a volume is never deleted by the way"

    kept = keys(stack)
    assert kept >= result["waited"]
    stack.destroy()
    assert of_the_set(stack, "pvc") == CLAIMS
    resize(stack, LARGE)
    assert keys(stack) == kept

    stack.destroy("--purge")
    assert stack.sandbox.kube.get("v1", "Namespace", stack.name) is None


def keys(stack: DataStack) -> int:
    """How many sessions the first server has, asked as an application over the network."""
    script = 'valkey-cli --no-auth-warning -a "$(cat /secrets/valkey-credentials/app-password)" DBSIZE'
    return int(
        stack.sandbox.kubectl(
            "-n", stack.name, "exec", "valkey-0", "-c", "valkey", "--", "sh", "-c", script
        ).stdout
    )
