"""The program under the real Pulumi CLI and Kubernetes provider, as `pulumi up` runs it; in this order."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import same_program
from real_engine import CONFIG, FAILS, RealStack
from stack_project import REPOSITORY

from filewallball.engine.showing.diff import normalised

pytestmark = pytest.mark.timeout(600)
TEXT = "kept"
CHECKS = re.compile(r"checks-[0-9a-f]{8}")
"""The Job of the checks. It is made again, under another name, when what it depends on has changed."""
BACKUPS = "filewallball-backup-cronjob"
TOO_MUCH = "PROCESS"
"""A right that the application must not have: a check looks."""


def passwords(real: RealStack) -> list[str]:
    """Every generated value of the stack, plain and as Kubernetes writes it."""
    secrets = real.sandbox.kube.list("v1", "Secret", real.name)
    encoded = {value for secret in secrets for value in secret.get("data", {}).values()}
    assert len(encoded) > 8
    return [*encoded, *(base64.b64decode(each).decode() for each in encoded)]


def uids(real: RealStack, kind: str, api: str = "v1") -> dict[str, str]:
    """The objects of a kind in the stack's namespace, and what tells one from another of its name."""
    found = real.sandbox.kube.list(api, kind, real.name)
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}


def servers(real: RealStack) -> dict[str, str]:
    """The pods that aren't a Job's."""
    pods = real.sandbox.kube.list("v1", "Pod", real.name, "!batch.kubernetes.io/job-name")
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in pods}


def in_cluster(real: RealStack, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The objects as they are, without the marks that the embedded engine finds its own objects by."""
    kube, objects = real.sandbox.kube, []
    for each in inputs:
        meta = each["metadata"]
        found = kube.get(each["apiVersion"], each["kind"], meta["name"], meta.get("namespace"))
        assert found, meta
        objects.append(normalised(found))
    return objects


def test_a_preview_makes_nothing(real: RealStack) -> None:
    planned = real.changes()
    assert set(planned.values()) == {"create"}
    assert len(planned) > 50
    assert real.sandbox.kube.get("v1", "Namespace", real.name) is None


def test_up_brings_up_the_stack_and_says_no_secret(real: RealStack) -> None:
    said = real.up()
    state = json.dumps(real.state())
    for value in passwords(real):
        assert value not in said
        assert value not in state
    real.sql("CREATE TABLE kept (text VARCHAR(40)); INSERT INTO kept VALUES ('kept')")


def test_both_engines_declare_the_same(real: RealStack) -> None:
    rendered = json.loads(real.fwb("render", real.name, "--json"))["resources"]
    left, explained = same_program.differences(rendered, real.resources())
    assert left == []
    assert explained == set(same_program.EXPLAINED)


@pytest.mark.parametrize("command", ["up", pytest.param("destroy", marks=pytest.mark.nightly)])
def test_the_embedded_engine_keeps_its_hands_off(real: RealStack, command: str) -> None:
    said = real.fwb(command, real.name, "--engine", "embedded", "--yes", exit_code=1)
    assert "is owned by the Pulumi CLI" in said
    assert "pulumi stack rm --force --preserve-config" in said


def test_without_a_change_nothing_is_done(real: RealStack) -> None:
    assert real.changes() == {}


@pytest.mark.nightly
def test_the_checks_belong_to_the_up(real: RealStack) -> None:
    real.checked = True
    assert set(real.changes().values()) == {"create"}
    assert "redis-config: OK" in real.up()
    assert real.changes() == {}


@pytest.mark.nightly
def test_a_changed_setting_rolls_its_pods_deletes_nothing_and_tells_no_secret(
    real: RealStack, tmp_path: Path
) -> None:
    before, events = servers(real), tmp_path / "events"
    real.write(**{**CONFIG, "redis": {"maxmemory": "80mb"}})
    planned = real.changes()
    others = {name: op for name, op in planned.items() if not CHECKS.fullmatch(name)}
    assert set(others.values()) == {"update"}, planned
    said = real.pulumi("up", "--yes", "--diff", "--event-log", str(events))
    conf = real.sandbox.kubectl(
        "-n", real.name, "exec", "deploy/redis", "--", "cat", "/etc/filewallball/redis.conf"
    )
    assert "maxmemory 80mb" in conf.stdout
    rolled = {name.rsplit("-", 2)[0] for name in before.keys() - servers(real).keys()}
    assert rolled == {"redis"}
    told = events.read_text() + real.sandbox.kubectl("-n", real.name, "get", "events", "-o", "json").stdout
    assert '"resourcePreEvent"' in told
    for value in passwords(real):
        assert value not in said
        assert value not in told


@pytest.mark.nightly
def test_drift_is_seen_by_a_refresh_and_mended_by_up(real: RealStack) -> None:
    kubectl = real.sandbox.kubectl
    kubectl("-n", real.name, "delete", "configmap", "redis-advanced-configmap")
    kubectl("-n", real.name, "patch", "cronjob", BACKUPS, "--patch", '{"spec": {"schedule": "1 1 1 1 *"}}')
    assert real.changes() == {}, "the CLI compares with its state"
    real.pulumi("refresh", "--yes")
    assert set(real.changes().values()) == {"create", "update"}
    real.up()
    kube = real.sandbox.kube
    assert kube.get("v1", "ConfigMap", "redis-advanced-configmap", real.name)
    backups = kube.get("batch/v1", "CronJob", BACKUPS, real.name)
    assert backups
    assert backups["spec"]["schedule"] != "1 1 1 1 *"
    assert real.changes() == {}


@pytest.mark.nightly
def test_a_check_that_fails_fails_the_up_until_its_cause_is_gone(real: RealStack) -> None:
    real.sql(f"GRANT {TOO_MUCH} ON *.* TO filewallball_app@'%'")
    real.write(**{**CONFIG, "redis": {"maxmemory": "72mb"}})
    said = real.up(exit_code=FAILS)
    assert "mariadb-privileges: FAILED" in said
    real.sql(f"REVOKE {TOO_MUCH} ON *.* FROM filewallball_app@'%'")
    assert "mariadb-privileges: OK" in real.up()
    assert real.changes() == {}


IMMUTABLE = """
import runpy

import pulumi


def changed(given):
    if given.name == "mariadb-server":
        given.props["spec"] = {**given.props["spec"], "podManagementPolicy": "OrderedReady"}
    return pulumi.ResourceTransformationResult(given.props, given.opts)


pulumi.runtime.register_stack_transformation(changed)
runpy.run_path("%s", run_name="__main__")
"""


@pytest.fixture
def changed_program(real: RealStack) -> Iterator[None]:
    """The program with another value in a field that can't change; afterwards it is as before."""
    main = real.project / "__main__.py"
    main.unlink()
    main.write_text(IMMUTABLE % (REPOSITORY / "__main__.py"))
    yield
    main.unlink()
    real.write(**CONFIG)


@pytest.mark.nightly
@pytest.mark.usefixtures("changed_program")
def test_a_changed_immutable_field_makes_the_server_anew_on_its_data(real: RealStack) -> None:
    claims, before = uids(real, "PersistentVolumeClaim"), uids(real, "StatefulSet", "apps/v1")
    # A preview has the API server try the new object beside the old one of this name, and fails.
    assert "updates to statefulset spec" in real.pulumi("preview", exit_code=FAILS)
    real.pulumi("up", "--yes", "--skip-preview")
    after = uids(real, "StatefulSet", "apps/v1")
    assert {name for name in before if before[name] != after[name]} == {"mariadb"}
    assert uids(real, "PersistentVolumeClaim") == claims
    assert real.sql("SELECT text FROM kept") == TEXT


@pytest.mark.nightly
def test_it_can_be_changed_back(real: RealStack) -> None:
    real.pulumi("up", "--yes", "--skip-preview")
    assert real.sql("SELECT text FROM kept") == TEXT
    assert real.changes() == {}


@pytest.mark.nightly
def test_a_claim_that_cannot_become_what_is_asked_stays_with_its_data(real: RealStack) -> None:
    claims = uids(real, "PersistentVolumeClaim")
    real.write(**{**CONFIG, "mariadb": {"storage": {"storageClass": "another"}}})
    said = real.up(exit_code=FAILS)
    real.write(**CONFIG)
    assert "mariadb-data" in said
    assert "immutable" in said
    real.up()
    assert uids(real, "PersistentVolumeClaim") == claims
    assert real.sql("SELECT text FROM kept") == TEXT
    assert real.changes() == {}


@pytest.mark.nightly
def test_encryption_is_switched_on_and_off_by_making_the_session_servers_anew(real: RealStack) -> None:
    claims = uids(real, "PersistentVolumeClaim")
    for config in ({**CONFIG, "tls": {"enabled": True}}, CONFIG):
        before = uids(real, "StatefulSet", "apps/v1")
        real.write(**config)
        planned = real.changes()
        assert "update" not in {planned["valkey-members"], planned["valkey-sentinels"]}, planned
        real.up()
        after = uids(real, "StatefulSet", "apps/v1")
        assert {name for name in before if before[name] != after[name]} == {"valkey", "valkey-sentinel"}
        assert uids(real, "PersistentVolumeClaim") == claims
        assert real.sql("SELECT text FROM kept") == TEXT
        assert real.changes() == {}


@pytest.mark.nightly
def test_a_stack_moves_to_the_embedded_engine_and_back_with_its_data(real: RealStack) -> None:
    kube, claims, pods = real.sandbox.kube, uids(real, "PersistentVolumeClaim"), servers(real)
    resources = [each["inputs"] for each in real.resources() if each["type"].startswith("kubernetes:")]
    objects = in_cluster(real, resources)
    real.pulumi("stack", "rm", "--force", "--preserve-config", "--yes")
    embedded = ("--engine", "embedded", "--yes")
    real.fwb("up", real.name, *embedded, "--take-over")
    assert servers(real) == pods, "what runs already stays as it is"
    assert in_cluster(real, resources) == objects
    assert "is owned by the embedded engine" in real.up(exit_code=1)
    real.fwb("destroy", real.name, *embedded)
    real.sandbox.kubectl("-n", "default", "delete", "configmap", f"fwb-filewallball-{real.name}")
    real.init()
    real.up()
    assert kube.get("apps/v1", "StatefulSet", "mariadb", real.name)
    assert uids(real, "PersistentVolumeClaim") == claims
    assert real.sql("SELECT text FROM kept") == TEXT


def test_destroy_keeps_the_data(real: RealStack) -> None:
    real.fwb("destroy", real.name, "--engine", "pulumi", "--yes")
    kube = real.sandbox.kube
    assert kube.get("apps/v1", "StatefulSet", "mariadb", real.name) is None
    assert kube.get("v1", "PersistentVolumeClaim", "mariadb-data", real.name)


@pytest.mark.nightly
def test_up_takes_kept_data_back(real: RealStack) -> None:
    real.up()
    assert real.sql("SELECT text FROM kept") == TEXT
