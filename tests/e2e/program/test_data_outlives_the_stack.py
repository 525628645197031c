"""A row goes in, the stack goes, and the row is there when the stack comes back."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from data_stack import DataStack
from shared_sandbox import Sandbox
from shared_stack import SharedStack

TEXT = "남는 글 🎉"


def put_row(stack: DataStack) -> None:
    stack.sql("CREATE TABLE kept (text VARCHAR(40)); INSERT INTO kept VALUES ('남는 글 🎉')")


def password(stack: DataStack) -> str:
    secret = stack.sandbox.kube.get("v1", "Secret", "mariadb-credentials", stack.name)
    assert secret
    return base64.b64decode(secret["data"]["app-password"]).decode()


def test_a_row_outlives_a_larger_volume_a_refused_smaller_one_and_destroy(shared_stack: SharedStack) -> None:
    stack = shared_stack
    put_row(stack)
    first = password(stack)

    stack.write(mariadb={"storage": {"size": "2Gi"}})
    stack.up()
    assert claimed(stack) == "2Gi"
    stack.write(mariadb={"storage": {"size": "1Gi"}})
    said = stack.fwb("up", stack.name, "--no-checks", "--yes", "--engine", "embedded", exit_code=1)
    assert "less than" in said
    assert stack.sql("SELECT text FROM kept") == TEXT

    stack.write(mariadb={"storage": {"size": "2Gi"}})
    assert "PersistentVolumeClaim" in stack.destroy()
    assert stack.sandbox.kube.get("apps/v1", "StatefulSet", "mariadb", stack.name) is None
    stack.up()
    assert stack.sql("SELECT text FROM kept") == TEXT
    assert password(stack) != first, "the Secret went with the stack, so this is a new one"
    assert stack.log_in(password(stack)) == "filewallball_app@%"


def claimed(stack: DataStack) -> str:
    claim = stack.sandbox.kube.get("v1", "PersistentVolumeClaim", "mariadb-data", stack.name)
    assert claim
    return claim["spec"]["resources"]["requests"]["storage"]


@pytest.fixture
def own_stack(sandbox: Sandbox, tmp_path: Path) -> Iterator[DataStack]:
    project = tmp_path / "project"
    project.mkdir()
    made = DataStack(project, f"data-{uuid.uuid4().hex[:6]}", sandbox)
    yield made
    made.destroy("--purge")


@pytest.mark.nightly
def test_a_row_outlives_the_namespace_when_only_the_volume_is_left(
    own_stack: DataStack, tmp_path: Path
) -> None:
    stack = own_stack
    folder = tmp_path / "node-folder"
    folder.mkdir()
    os.chown(folder, 999, 999)
    node = f"fwb-{stack.sandbox.name}"
    stack.write(mariadb={"storage": {"hostPath": str(folder), "node": node, "size": "1Gi"}})
    stack.up()
    put_row(stack)
    stack.destroy()
    stack.sandbox.kubectl("delete", "namespace", stack.name, "--wait=true")
    volume = stack.sandbox.kube.get("v1", "PersistentVolume", f"{stack.name}-mariadb-data")
    assert volume
    stack.up()
    assert stack.sql("SELECT text FROM kept") == TEXT
