"""Pulumi.prd.yaml: shown as it is, with what is still to be set; refused by what deploys; right once set."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from filled_prd import committed, filled, link_program, write
from program_run import AWS, ROOT, Rendered, merged, run_program
from pydantic import BaseModel

import settings
from components.reasons import inner_model
from facts.placeholder import PLACEHOLDER
from filewallball.engine import commands, native, run
from filewallball.errors import ConfigError, UserError

UNSET = {
    "cluster.context",
    "mariadb.image",
    "mariadb.storage.storageClass",
    "redis.image",
    "valkey.image",
    "valkey.storage.storageClass",
    "valkey.sentinelStorage.storageClass",
    "backup.store.aws.bucket",
    "backup.store.aws.region",
    "backup.store.aws.account",
    "backup.store.aws.oidcProvider",
    "toolkit.image",
    "agent.image",
}


@pytest.fixture(scope="module")
def production() -> Rendered:
    return run_program(filled())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of its own with the committed program and stack."""
    link_program(tmp_path)
    (tmp_path / "Pulumi.prd.yaml").write_text((ROOT / "Pulumi.prd.yaml").read_text(encoding="utf-8"))
    return tmp_path


# What is still to be set.


def test_what_shows_it_lists_what_is_still_to_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    commands.render(ROOT, "prd", None, as_json=False)
    text = capsys.readouterr().out
    told = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    assert {line.partition(" = ")[0] for line in told} == UNSET
    for line in told:
        assert "has not been set yet; " in line
        assert "write " in line or "`fwb images pin STACK` writes it" in line
    assert f"{len(UNSET)} values are still to be set" in text
    assert "StatefulSet filewallball/mariadb" in text
    assert "Bucket bucket" in text


def test_as_data_too(capsys: pytest.CaptureFixture[str]) -> None:
    commands.render(ROOT, "prd", None, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    [warning] = shown["warnings"]
    assert all(f"  {path} = " in warning for path in UNSET)
    assert PLACEHOLDER not in json.dumps(
        [each["props"] for each in shown["resources"] if each["type"].startswith("aws")]
    )


@pytest.mark.parametrize("engine", ["embedded", "pulumi"])
def test_a_preview_needs_no_cluster_until_one_is_named(
    engine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native.shutil, "which", lambda name: f"/bin/{name}")
    flags = commands.Flags(began=0, engine=engine)
    assert commands.execute("preview", ROOT, "prd", flags) == 0
    text = capsys.readouterr().out
    assert all(f"  {path} = " in text for path in UNSET)
    assert "StatefulSet filewallball/mariadb" in text
    assert "  ? ├─ aws:s3/bucket:Bucket bucket" in text
    assert "to look at with the Pulumi CLI" in text


@pytest.mark.parametrize("engine", ["embedded", "pulumi"])
def test_up_refuses_it_before_anything_is_asked(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(run, "connect", None)
    monkeypatch.setattr(native, "connect", None)
    with pytest.raises(ConfigError) as raised:
        commands.execute("up", ROOT, "prd", commands.Flags(began=0, engine=engine, yes=True, as_json=True))
    assert all(f"  {path} = " in raised.value.message for path in UNSET)
    assert raised.value.exit_code == 2


def test_destroy_asks_for_the_cluster_first() -> None:
    with pytest.raises(ConfigError, match="The cluster of this stack is still to be set") as raised:
        run.destroy(ROOT, "prd")
    assert raised.value.exit_code == 2


def test_the_program_itself_refuses_it_unless_it_is_a_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pulumi.RunError, match="13 values are still to be set") as raised:
        run_program(committed(), "prd")
    assert raised.value.exit_code == 2  # type: ignore[attr-defined]
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    assert run_program(committed(), "prd", preview=True).objects
    assert len(said) == 1
    monkeypatch.setenv("FWB_DEPLOYING", "1")
    with pytest.raises(pulumi.RunError, match="still to be set"):
        run_program(committed(), "prd", preview=True)


def test_half_of_it_set_lists_the_other_half() -> None:
    values = filled()
    values["backup"]["store"]["aws"]["account"] = PLACEHOLDER
    values["backup"]["store"]["aws"]["kmsKey"] = f"arn:aws:kms:eu-central-1:{'1' * 12}:key/1"
    values["backup"]["store"]["aws"]["region"] = PLACEHOLDER
    _, unset = settings.draft(values, "prd")
    assert {path for path, _, _ in unset} == {"backup.store.aws.account", "backup.store.aws.region"}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"namespace": PLACEHOLDER}, "namespace"),
        ({"mariadb": {"bufferPool": PLACEHOLDER}}, "mariadb.bufferPool"),
        (
            {"backup": {"serviceAccountAnnotations": {"a/b": PLACEHOLDER}}},
            "backup.serviceAccountAnnotations.a/b",
        ),
        (
            {"backup": json.dumps({"store": {"aws": {**AWS, "bucket": PLACEHOLDER}}})},
            "backup.store.aws.bucket",
        ),
    ],
)
def test_any_setting_may_wait_for_its_value(change: dict[str, Any], path: str) -> None:
    _, unset = settings.draft(merged(filled(), change), "prd")
    assert [found for found, _, _ in unset] == [path]
    with pytest.raises(settings.SettingsError, match="is still to be set; nothing has been changed"):
        settings.load(merged(filled(), change), "prd")


def test_what_is_wrong_is_refused_even_in_a_preview() -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.draft(merged(committed(), {"redis": {"maxmemory": "9gb"}}), "prd")
    assert {path for path, _, _ in raised.value.faults} == {"redis.maxmemory", *UNSET}


def test_a_tag_alone_is_refused_even_in_a_preview() -> None:
    with pytest.raises(settings.SettingsError, match="a tag can change"):
        settings.draft(merged(committed(), {"redis": {"image": "docker.io/library/redis:7.2"}}), "prd")


def test_backups_in_the_cluster_itself_are_refused() -> None:
    values = filled()
    values["backup"]["store"] = {"inCluster": True}
    with pytest.raises(settings.SettingsError, match="lost with it") as raised:
        settings.load(values, "prd")
    assert "backup.store.inCluster" in [path for path, _, _ in raised.value.faults]


def test_a_secret_that_holds_it_is_not_shown() -> None:
    _, unset = settings.draft(committed(), "prd", {"cluster"})
    [fault] = [each for each in unset if each[0] == "cluster.context"]
    assert fault[1] == "[secret]"


# What is set.


def test_with_every_value_set_it_is_right_and_needs_no_cluster(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.render(write(folder, filled()), "prd", None, as_json=False)
    assert "still to be set" not in capsys.readouterr().out


def test_the_embedded_engine_leaves_it_to_the_cli(folder: Path) -> None:
    with pytest.raises(UserError, match="aws:s3/bucket:Bucket bucket") as raised:
        run.up(write(folder, filled()), "prd")
    assert "Install the Pulumi CLI" in raised.value.hint


def test_its_data_is_protected_and_its_images_are_pinned(production: Rendered) -> None:
    for each in production.resources:
        if each.retain_on_delete:
            assert each.protect == (each.type.startswith("aws:") or "data-valkey" not in each.name), each.name
    images = [
        container["image"]
        for _, template in production.pod_templates()
        for container in [*template["spec"]["containers"], *template["spec"].get("initContainers", [])]
    ]
    assert len(images) > 8
    assert all("@sha256:" in image for image in images)


def test_its_servers_spread_over_zones_and_survive_a_drain(production: Rendered) -> None:
    for server in ("valkey", "valkey-sentinel"):
        spec = production.object("StatefulSet", server).inputs["spec"]["template"]["spec"]
        [constraint] = spec["topologySpreadConstraints"]
        assert constraint["topologyKey"] == "topology.kubernetes.io/zone"
        assert constraint["whenUnsatisfiable"] == "DoNotSchedule"
        assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/name"] == server
    budgets = {
        each.inputs["metadata"]["name"] for each in production.objects if each.kind == "PodDisruptionBudget"
    }
    assert budgets == {"mariadb", "valkey", "valkey-sentinel"}


def test_every_volume_names_its_storage_class(production: Rendered) -> None:
    claims = [each for each in production.objects if each.kind == "PersistentVolumeClaim"]
    assert len(claims) == 9
    assert {each.inputs["spec"]["storageClassName"] for each in claims} == {"gp3-retain"}


# Each default of docs/configuration.md that production keeps, judged: right for any stack, or of no
# meaning there. The rest is set in the stack.
KEPT_DEFAULTS = {
    "namespace", "disposable", "cluster.sandbox", "cluster.kubeconfig", "cluster.apiServerPorts",
    "cluster.dns.namespaces", "cluster.dns.ports", "cluster.dns.addresses",
    "mariadb.storage.volumeName", "mariadb.storage.hostPath", "mariadb.storage.node",
    "mariadb.reservedConnections", "mariadb.binlogDays",
    "redis.maxConnections", "redis.reservedConnections", "redis.guardResources",
    "valkey.replicas", "valkey.sentinels", "valkey.quorum", "valkey.downAfterMs", "valkey.failoverTimeoutMs",
    "valkey.minReplicasMaxLag", "valkey.readsFromReplicas", "valkey.logLevel", "valkey.savePoints",
    "valkey.maxConnections", "valkey.reservedConnections", "valkey.agentResources",
    "valkey.sentinelResources", "valkey.snapshots.schedule", "valkey.snapshots.maxAgeHours",
    "valkey.snapshots.keep",
    "valkey.snapshots.deadlineMinutes", "valkey.snapshots.serviceAccountAnnotations",
    "backup.schedule", "backup.maxAgeHours", "backup.deadlineMinutes", "backup.serviceAccountAnnotations",
    "backup.keepDays",
    "backup.compression", "backup.encryption", "backup.rate",
    "backup.pointInTime",
    "backup.store.inCluster", "backup.store.bucket", "backup.store.endpoint", "backup.store.region",
    "backup.store.credentialsSecret", "backup.store.sessionTokenKey", "backup.store.ca",
    "backup.store.addressing", "backup.store.image", "backup.store.storage", "backup.store.resources",
    "backup.store.aws.eksCluster", "backup.store.aws.profile", "backup.store.aws.kmsKey",
    "backup.store.aws.noncurrentDays", "backup.store.aws.unfinishedDays", "backup.store.aws.objectLock",
    "checks", "tls.resources", "tls.certManager", "app", "balancer",
}  # fmt: skip


def unwritten(model: type[BaseModel], values: dict[str, Any], above: str = "") -> Iterator[str]:
    """Settings that the stack leaves at their defaults; a whole part of them by its own name."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        inner = inner_model(field.annotation)
        if key not in values and (not inner or f"{above}{key}" != "cluster.dns"):
            yield f"{above}{key}"
        elif inner:
            yield from unwritten(inner, values.get(key, {}), f"{above}{key}.")


def test_each_default_that_production_keeps_has_been_judged() -> None:
    found = {path for path in unwritten(settings.Settings, committed()) if ".resources." not in path}
    assert found == KEPT_DEFAULTS


def test_stand_ins_fit_wherever_a_value_may_wait() -> None:
    """SET-ME in any place that knows what to write gives a stack that can be shown."""
    values = copy.deepcopy(filled())
    values["backup"]["store"] = {"bucket": PLACEHOLDER, "region": PLACEHOLDER}
    shown, unset = settings.draft(values, "prd")
    assert shown.backup.store.bucket == "set-me"
    assert len(unset) == 2
    values["backup"]["store"] = {
        "aws": {
            "bucket": "b-b",
            "region": "cn-north-1",
            "account": "1" * 12,
            "eksCluster": PLACEHOLDER,
            "kmsKey": PLACEHOLDER,
        }
    }
    shown, unset = settings.draft(values, "prd")
    assert len(unset) == 2


def test_the_command_line_ends_with_the_right_codes() -> None:
    for command, code in (("render", 0), ("preview", 0), ("up", 2)):
        call = [sys.executable, "-m", "filewallball.cli", command, "prd", "--engine", "embedded"]
        done = subprocess.run(
            call[:5] if command == "render" else call, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "13 values are still to be set" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
