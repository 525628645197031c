"""What the program declares: everything renders without a cluster, safely, and keeps its data."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from program_run import DEV, PRD, Rendered, merged

Render = Callable[..., Rendered]

KEPT = {
    ("Namespace", "filewallball"),
    ("PersistentVolumeClaim", "mariadb-data"),
    ("PersistentVolumeClaim", "store-data"),
    *(("PersistentVolumeClaim", f"data-valkey-{ordinal}") for ordinal in range(3)),
    *(("PersistentVolumeClaim", f"data-valkey-sentinel-{ordinal}") for ordinal in range(5)),
}


@pytest.fixture(params=["dev", "prd", "encrypted"])
def stack(request: pytest.FixtureRequest) -> Rendered:
    return request.getfixturevalue(request.param)


def names(rendered: Rendered) -> set[tuple[str, str]]:
    return {(each.kind, each.inputs["metadata"]["name"]) for each in rendered.objects}


def test_no_object_needs_a_value_that_only_a_cluster_can_give(stack: Rendered) -> None:
    for each in stack.objects:
        assert each.inputs["metadata"]["name"], each.name
        text = json.dumps(each.inputs)  # an output that never resolves is no JSON
        assert "04da6b54-80e4-46f7-96ec-b56ff0331ba9" not in text, f"{each.name} holds an unknown value"


def test_the_dev_stack_has_what_the_contract_names(dev: Rendered) -> None:
    expected = {
        "StatefulSet": {"mariadb", "valkey", "valkey-sentinel"},
        "Deployment": {"redis", "store"},
        "Service": {"mariadb", "mariadb-pods", "redis", "store", "valkey", "valkey-read", "valkey-sentinel"},
        "ConfigMap": {
            "mariadb-config",
            "redis-advanced-configmap",
            "valkey-config",
            "filewallball-checks",
        },
        "Secret": {"mariadb-credentials", "redis-credentials", "store-credentials", "valkey-credentials"},
        "PodDisruptionBudget": {"mariadb", "valkey", "valkey-sentinel"},
        "CronJob": {"filewallball-backup-cronjob"},
        "ServiceAccount": {"filewallball-backup", "filewallball-checks"},
        "PodTemplate": {"filewallball-checks"},
        "NetworkPolicy": {"default-deny"},
    }
    found = names(dev)
    assert found >= KEPT
    for kind, wanted in expected.items():
        assert wanted <= {name for each, name in found if each == kind}


def test_production_has_no_store_of_its_own(prd: Rendered) -> None:
    assert not {name for _, name in names(prd) if name in {"store-data", "store-credentials"}}
    environment = _environment(prd)
    assert "FWB_STORE_ENDPOINT" not in environment
    assert "FWB_STORE_ACCESS_KEY_FILE" not in environment
    for name, role in (("filewallball-backup", "role/backup"), ("filewallball-checks", "role/check")):
        account = prd.object("ServiceAccount", name).inputs
        assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].endswith(role)


def _environment(rendered: Rendered) -> dict[str, Any]:
    job = rendered.object("CronJob", "filewallball-backup-cronjob").inputs["spec"]["jobTemplate"]["spec"]
    return {each["name"]: each.get("value") for each in job["template"]["spec"]["containers"][0]["env"]}


def test_what_holds_data_outlives_destroy_and_can_be_taken_over_again(stack: Rendered) -> None:
    kept = {(each.kind, each.inputs["metadata"]["name"]) for each in stack.objects if each.retain_on_delete}
    assert kept == KEPT & names(stack)
    adopting = next(each for each in stack.resources if each.name == "cluster-kept")
    assert adopting.inputs["upsertExistingObjects"] == "true"
    for each in stack.objects:
        assert ("cluster-kept" in each.provider) == each.retain_on_delete, each.name
        forced = each.inputs["metadata"].get("annotations", {}).get("pulumi.com/patchForce") == "true"
        assert forced == each.retain_on_delete, "whoever applied a kept object before still owns its fields"


def test_production_protects_its_data(prd: Rendered, dev: Rendered) -> None:
    assert {each.name for each in prd.objects if each.protect} == {"namespace", "mariadb-data"}
    assert not [each for each in dev.objects if each.protect]


def test_a_static_volume_is_kept_too(render: Render) -> None:
    rendered = render(merged(PRD, {"mariadb": {"storage": {"hostPath": "/srv/mariadb", "node": "node-1"}}}))
    volume = rendered.object("PersistentVolume", "filewallball-mariadb-data")
    assert volume.inputs["metadata"]["annotations"] == {"pulumi.com/patchForce": "true"}
    assert volume.retain_on_delete
    assert volume.protect
    assert volume.inputs["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    [term] = volume.inputs["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term == {
        "matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1"]}]
    }
    claim = rendered.object("PersistentVolumeClaim", "mariadb-data").inputs["spec"]
    assert (claim["storageClassName"], claim["volumeName"]) == ("", "filewallball-mariadb-data")


def test_providers_change_config_maps_and_secrets_in_place(stack: Rendered) -> None:
    providers = [each for each in stack.resources if each.type == "pulumi:providers:kubernetes"]
    assert len(providers) == 2
    for each in providers:
        assert each.inputs["enableConfigMapMutable"] == each.inputs["enableSecretMutable"] == "true"
        assert each.inputs["enablePatchForce"] == "true"
        assert {"kubeconfig", "context"} & set(each.inputs), "the shell's context must not decide"


def test_several_kubeconfigs_of_the_shell_are_left_to_the_search(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/one:/two")
    for settings, expected in ((PRD, None), (merged(PRD, {"cluster": {"kubeconfig": "/three"}}), "/three")):
        found = render(settings).resources
        providers = [each for each in found if each.type == "pulumi:providers:kubernetes"]
        assert [each.inputs.get("kubeconfig") for each in providers] == [expected] * 2


def test_passwords_are_random_secret_and_stay(dev: Rendered, render: Render) -> None:
    second = render(DEV)
    for each in (found for found in dev.objects if found.kind == "Secret"):
        assert each.secret, "the values must be marked as secret"
        assert each.ignore_changes == ["data"]
        assert each.secret_outputs == ["data", "stringData"]
        again = second.object("Secret", each.inputs["metadata"]["name"]).inputs["data"]
        for key, value in each.inputs["data"].items():
            assert len(base64.b64decode(value)) == 32
            assert value != again[key]


def test_no_secret_value_stands_anywhere_else(dev: Rendered) -> None:
    values = {
        value for each in dev.objects if each.kind == "Secret" for value in each.inputs["data"].values()
    }
    values |= {base64.b64decode(value).decode() for value in values}
    others = json.dumps([each.inputs for each in dev.resources if each.kind != "Secret"])
    assert not [value for value in values if value in others]
    assert not [each.name for each in dev.objects if each.secret and each.kind != "Secret"]


def test_every_pod_is_restricted(stack: Rendered) -> None:
    templates = list(stack.pod_templates())
    assert templates
    for name, template in templates:
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] == 999, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        # The environment grows with the namespace's Services: only who reads it gets it.
        assert spec["enableServiceLinks"] is name.startswith("valkey-"), name
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert set(container["resources"]["limits"]) == {"memory"}, f"{name}: a CPU limit throttles"
            assert container["imagePullPolicy"] == "IfNotPresent", name
        assert not [volume for volume in spec["volumes"] if "hostPath" in volume], name


def test_only_who_asks_the_cluster_carries_a_token(stack: Rendered) -> None:
    with_token = {
        name for name, template in stack.pod_templates() if template["spec"]["automountServiceAccountToken"]
    }
    assert all(name.startswith(("checks-", "certificates-")) for name in with_token)


def test_servers_are_probed_and_stop_gracefully(dev: Rendered) -> None:
    for name in ("mariadb-server", "redis-server", "store-server"):
        spec = next(template for found, template in dev.pod_templates() if found == name)["spec"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(spec["containers"][0]), name
        assert spec["terminationGracePeriodSeconds"] >= 15


def test_the_namespace_admits_restricted_pods_only_and_no_traffic(stack: Rendered) -> None:
    labels = stack.object("Namespace", "filewallball").inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    deny = stack.object("NetworkPolicy", "default-deny").inputs["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize(
    ("policy", "port", "pods"),
    [
        ("mariadb", 3306, {"checks-template"}),
        (
            "mariadb-reserved",
            3307,
            {"backup-restore", "backup-schedule", "binlogs-server", "checks-template"},
        ),
        ("redis", 6379, {"checks-template"}),
        ("valkey", 6379, {"checks-template", "snapshots-schedule", "valkey-members", "valkey-sentinels"}),
        (
            "store",
            7070,
            {"backup-restore", "backup-schedule", "binlogs-server", "checks-template", "snapshots-schedule"},
        ),
    ],
)
def test_a_server_lets_in_those_that_carry_its_label(
    dev: Rendered, policy: str, port: int, pods: set[str]
) -> None:
    label = f"filewallball.io/access-{policy}"
    inward = dev.object("NetworkPolicy", policy).inputs["spec"]
    assert inward["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port}]
    assert all(peer["podSelector"]["matchLabels"] == {label: "true"} for peer in inward["ingress"][0]["from"])
    outward = dev.object("NetworkPolicy", f"{policy}-clients").inputs["spec"]
    assert outward["podSelector"]["matchLabels"] == {label: "true"}
    labelled = {name for name, template in dev.pod_templates() if label in template["metadata"]["labels"]}
    assert {name for name in labelled if not re.fullmatch(r"checks-[0-9a-f]{8}", name)} == pods


def test_selectors_find_their_own_pods_and_no_others(dev: Rendered) -> None:
    templates = dict(dev.pod_templates())
    for name in ("mariadb", "redis", "store"):
        select = dev.object("Service", name).inputs["spec"]["selector"]
        matching = {
            found for found, each in templates.items() if select.items() <= each["metadata"]["labels"].items()
        }
        assert matching == {f"{name}-server"}


def test_recommended_labels_are_everywhere(stack: Rendered) -> None:
    for each in stack.objects:
        labels = each.inputs["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "filewallball", each.name
        assert {"name", "instance", "component", "managed-by"} <= {key.partition("/")[2] for key in labels}


def test_children_carry_their_component_in_name_and_place(stack: Rendered) -> None:
    for each in stack.objects:
        assert "filewallball:index:" in each.parent, each.name
        component = each.parent.rpartition("::")[2]
        assert each.name == component or each.name.startswith(f"{component}-"), each.name


def test_the_reserve_is_beside_the_applications_connections(render: Render) -> None:
    numbers = {"maxConnections": 150, "reservedConnections": 50}
    rendered = render(merged(DEV, {"mariadb": numbers, "redis": numbers, "valkey": numbers}))
    for name, file in (
        ("redis-advanced-configmap", "redis.conf"),
        ("valkey-config", "valkey.conf"),
        ("valkey-config", "sentinel.conf"),
    ):
        assert "maxclients 200" in rendered.object("ConfigMap", name).inputs["data"][file].splitlines()
    containers = {
        each["name"]: {one["name"]: one.get("value") for one in each["env"]}
        for _, template in rendered.pod_templates()
        for each in template["spec"]["containers"]
    }
    for name in ("guard", "agent", "mariadb"):
        assert containers[name]["FWB_MAX_CONNECTIONS"] == "150", name
    assert containers["mariadb"]["FWB_RESERVED_CONNECTIONS"] == "50"
    checks = json.loads(rendered.object("ConfigMap", "filewallball-checks").inputs["data"]["checks.json"])
    assert [checks[part]["max_connections"] for part in ("mariadb", "redis", "valkey")] == [150] * 3


def test_backups_and_checks_come_in_by_the_reserve(dev: Rendered) -> None:
    assert _environment(dev)["FWB_DB_PORT"] == "3307"
    checks = json.loads(dev.object("ConfigMap", "filewallball-checks").inputs["data"]["checks.json"])
    assert (checks["mariadb"]["port"], checks["mariadb"]["application_port"]) == (3307, 3306)


def test_redis_has_what_the_requirements_ask(dev: Rendered) -> None:
    lines = dev.object("ConfigMap", "redis-advanced-configmap").inputs["data"]["redis.conf"].splitlines()
    asked = {
        "maxmemory 256mb",
        "maxmemory-policy allkeys-lru",
        "tcp-keepalive 300",
        "lazyfree-lazy-eviction yes",
    }
    assert asked <= set(lines)
    assert "${" not in "\n".join(lines)


def test_the_backup_runs_as_the_requirements_ask(dev: Rendered) -> None:
    spec = dev.object("CronJob", "filewallball-backup-cronjob").inputs["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == (
        "0 2 * * *",
        "Asia/Seoul",
        "Forbid",
    )
    job = spec["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] == 7200
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["serviceAccountName"] == "filewallball-backup"
    work = next(volume for volume in pod["volumes"] if volume["name"] == "work")
    assert work["emptyDir"]["sizeLimit"] == _environment(dev)["FWB_WORK_SIZE"] == "2Gi"


def test_the_file_of_every_credential_is_mounted(stack: Rendered) -> None:
    for name, template in stack.pod_templates():
        for container in template["spec"]["containers"]:
            mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
            for each in container["env"]:
                path = each.get("value") or ""
                if path.startswith("/secrets/"):
                    assert path.rpartition("/")[0] in mounted, f"{name}: {each['name']}"


def test_a_changed_file_rolls_the_pods(dev: Rendered, render: Render) -> None:
    def mark(rendered: Rendered) -> str:
        template = dict(rendered.pod_templates())["redis-server"]
        return template["metadata"]["annotations"]["filewallball.io/config"]

    assert mark(dev) != mark(render(merged(DEV, {"redis": {"maxmemory": "128mb"}})))


def test_another_namespace_moves_everything(render: Render) -> None:
    rendered = render({**DEV, "namespace": "other"})
    inside = [each for each in rendered.objects if each.kind != "Namespace"]
    assert {each.inputs["metadata"]["namespace"] for each in inside} == {"other"}


def test_outputs_tell_how_to_connect_and_hold_no_secret(dev: Rendered) -> None:
    assert dev.outputs["hosts"]["mariadb"] == "mariadb.filewallball.svc:3306"
    assert dev.outputs["versions"]["redis"] == "docker.io/library/redis:7.2-bookworm"
    assert "mariadb-credentials" in dev.outputs["passwords"]["mariadb"]
    assert dev.outputs["hosts"]["valkey-sentinel"][4] == "valkey-sentinel-4.filewallball.svc:26379"
    assert dev.outputs["masters"] == {"valkey": "valkey-session-master"}
    assert "sentinel-password" in dev.outputs["passwords"]["valkey-sentinel"]
    assert "exec -it valkey-0 -c valkey -- valkey-cli" in dev.outputs["connect"]["valkey"]
    assert dev.outputs["namespace"] == "filewallball"


def test_claims_are_not_awaited_for_themselves(stack: Rendered) -> None:
    for each in (found for found in stack.objects if found.kind == "PersistentVolumeClaim"):
        assert each.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"
