"""The program under the real Pulumi CLI and Kubernetes provider, as `pulumi up` runs it; in this order."""

from __future__ import annotations

import base64
import json

import pytest
from real_engine import RealStack

pytestmark = pytest.mark.timeout(600)
TEXT = "kept"
RUNS_ANEW = "filewallball-checks"
"""The Job of the checks is made again when what it depends on has changed."""


def passwords(real: RealStack) -> list[str]:
    """Every generated value of the stack, plain and as Kubernetes writes it."""
    secrets = real.sandbox.kube.list("v1", "Secret", real.name)
    encoded = {value for secret in secrets for value in secret.get("data", {}).values()}
    assert len(encoded) > 8
    return [*encoded, *(base64.b64decode(each).decode() for each in encoded)]


def test_a_preview_makes_nothing(real: RealStack) -> None:
    planned = real.changes()
    assert set(planned.values()) == {"create"}
    assert len(planned) > 50
    assert real.sandbox.kube.get("v1", "Namespace", real.name) is None


def test_up_brings_up_the_stack_and_checks_it_and_says_no_secret(real: RealStack) -> None:
    said = real.fwb("up", real.name, "--engine", "pulumi", "--yes")
    assert "redis-config: OK" in said
    state = json.dumps(real.state())
    for value in passwords(real):
        assert value not in said
        assert value not in state
    real.sql("CREATE TABLE kept (text VARCHAR(40)); INSERT INTO kept VALUES ('kept')")


def test_without_a_change_nothing_is_done(real: RealStack) -> None:
    assert real.changes() == {}


@pytest.mark.parametrize("command", ["up", "destroy"])
def test_the_embedded_engine_keeps_its_hands_off(real: RealStack, command: str) -> None:
    said = real.fwb(command, real.name, "--engine", "embedded", "--yes", exit_code=1)
    assert "Pulumi CLI" in said
    assert real.changes() == {}


@pytest.mark.nightly
def test_a_changed_setting_rolls_its_pods_and_deletes_nothing(real: RealStack) -> None:
    before = real.sandbox.kube.get("v1", "Pod", "mariadb-0", real.name)
    real.write(redis={"maxmemory": "80mb"}, valkey={"sentinels": 3})
    planned = real.changes()
    others = {name: op for name, op in planned.items() if not name.startswith(RUNS_ANEW)}
    assert set(others.values()) == {"update"}, planned
    assert "redis" in others
    real.fwb("up", real.name, "--engine", "pulumi", "--yes")
    conf = real.sandbox.kubectl("-n", real.name, "exec", "deploy/redis", "--", "cat", "/etc/redis/redis.conf")
    assert "maxmemory 80mb" in conf.stdout
    after = real.sandbox.kube.get("v1", "Pod", "mariadb-0", real.name)
    assert before
    assert after
    assert before["metadata"]["uid"] == after["metadata"]["uid"]


@pytest.mark.nightly
def test_drift_is_seen_by_a_refresh_and_mended_by_up(real: RealStack) -> None:
    real.sandbox.kubectl("-n", real.name, "delete", "configmap", "redis-advanced-configmap")
    real.pulumi("refresh", "--yes", "--stack", real.name)
    assert real.changes() != {}
    real.fwb("up", real.name, "--engine", "pulumi", "--yes")
    assert real.sandbox.kube.get("v1", "ConfigMap", "redis-advanced-configmap", real.name)
    assert real.changes() == {}


@pytest.mark.nightly
def test_a_check_that_fails_fails_the_up(real: RealStack) -> None:
    real.sandbox.kubectl("-n", real.name, "scale", "deployment", "redis", "--replicas=0")
    said = real.fwb("check", real.name, "redis-config", exit_code=1)
    assert "redis-config: FAILED" in said
    real.pulumi("refresh", "--yes", "--stack", real.name)
    real.fwb("up", real.name, "--engine", "pulumi", "--yes")


def test_destroy_keeps_the_data_and_up_takes_it_back(real: RealStack) -> None:
    real.fwb("destroy", real.name, "--engine", "pulumi", "--yes")
    kube = real.sandbox.kube
    assert kube.get("apps/v1", "StatefulSet", "mariadb", real.name) is None
    assert kube.get("v1", "PersistentVolumeClaim", "mariadb-data", real.name)
    real.fwb("up", real.name, "--engine", "pulumi", "--yes")
    assert real.sql("SELECT text FROM kept") == TEXT
