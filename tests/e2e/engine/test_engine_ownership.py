"""Whose is it? Locks, other stacks, the other engine, and objects that were there before."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, actions

from filewallball.engine import native
from filewallball.engine.commands import Flags, execute
from filewallball.engine.ownership.lock import Locked
from filewallball.errors import UserError


def lease(lab: Lab, age: float) -> dict[str, Any]:
    then = (
        (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": lab.record, "namespace": "default"},
        "spec": {
            "holderIdentity": "kim@laptop, process 7",
            "leaseDurationSeconds": 30,
            "acquireTime": then,
            "renewTime": then,
        },
    }


def test_a_second_up_is_told_who_is_at_work(lab: Lab) -> None:
    lab.kube.create(lease(lab, age=1))
    with pytest.raises(Locked, match="kim@laptop, process 7 has been at work on this stack"):
        lab.up(lab.config_map("a"))
    assert lab.get("ConfigMap", "a") is None
    with pytest.raises(Locked):
        lab.destroy()
    lab.preview()  # looking is always allowed


def test_the_lock_of_a_dead_run_is_taken_over_and_released(lab: Lab) -> None:
    lab.kube.create(lease(lab, age=31))
    lab.up(lab.config_map("a"))
    assert lab.kube.get("coordination.k8s.io/v1", "Lease", lab.record, "default") is None


def test_a_stack_of_the_pulumi_cli_is_refused(lab: Lab) -> None:
    record = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": lab.record, "namespace": "default"},
        "data": {"engine": "pulumi"},
    }
    lab.kube.create(record)
    for run in (lab.up, lab.preview, lab.destroy):
        with pytest.raises(UserError, match=r"owned by the Pulumi CLI[\s\S]*--take-over"):
            run()
    lab.up(lab.config_map("a"), take_over=True)
    found = lab.kube.get("v1", "ConfigMap", lab.record, "default")
    assert found
    assert found["data"]["engine"] == "embedded"


@pytest.mark.parametrize(
    ("manager", "words"),
    [("pulumi-kubernetes-1a2b", "made by the Pulumi CLI"), ("kubectl-create", "exists already")],
)
def test_an_object_of_somebody_else_is_refused_and_can_be_adopted(lab: Lab, manager: str, words: str) -> None:
    lab.up(lab.config_map("other"))
    theirs = {**lab.meta("ConfigMap", "a"), "data": {"theirs": "1"}}
    lab.kube.create(theirs, manager=manager)
    shown = lab.preview(lab.config_map("a"), lab.config_map("other"))
    assert words in shown.failures[0]
    with pytest.raises(UserError, match=words) as refused:
        lab.up()
    assert manager in str(refused.value) or "pulumi stack rm" in str(refused.value)
    found = lab.get("ConfigMap", "a")
    assert found
    assert found["data"] == {"theirs": "1"}
    assert actions(lab.up(take_over=True))["ConfigMap a"] == "update"


def test_an_object_of_another_stack_is_refused(lab: Lab) -> None:
    lab.up(lab.config_map("other"))
    labels = {"fwb.filewallball.io/stack": "shop.prd"}
    lab.kube.create({**lab.meta("ConfigMap", "a", labels=labels), "data": {}})
    with pytest.raises(UserError, match=r"belongs to the stack shop\.prd"):
        lab.up(lab.config_map("a"))


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the Pulumi CLI that writes down how it was called; returns what it wrote."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    code = f"$(cat {tmp_path}/code 2>/dev/null || echo 0)"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "called"


def test_a_stack_under_the_pulumi_cli_is_recorded_as_its_own(lab: Lab, pulumi: Path) -> None:
    assert native.choose("auto") == "pulumi"
    lab.declare(lab.config_map("a"))
    assert execute("up", lab.folder, lab.stack, Flags(0, yes=True)) == 0
    assert pulumi.read_text(encoding="utf-8") == f"up --cwd {lab.folder} --stack {lab.stack} --yes\n"
    with pytest.raises(UserError, match="owned by the Pulumi CLI"):
        lab.up()
    (pulumi.parent / "code").write_text("255")
    assert execute("destroy", lab.folder, lab.stack, Flags(0, yes=True)) == 255
    (pulumi.parent / "code").unlink()
    assert execute("destroy", lab.folder, lab.stack, Flags(0, yes=True)) == 0
    lab.up()


def test_a_stack_of_the_embedded_engine_is_refused_to_the_cli(lab: Lab, pulumi: Path) -> None:
    lab.up(lab.config_map("a"))
    with pytest.raises(UserError, match="owned by the embedded engine"):
        execute("up", lab.folder, lab.stack, Flags(0, yes=True))
    assert not pulumi.exists()


def test_without_a_cli_auto_means_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert native.choose("auto") == "embedded"
    with pytest.raises(UserError, match="not on PATH"):
        native.choose("pulumi")
