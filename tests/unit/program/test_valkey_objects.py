"""The session set as declared: addresses before pods, data that stays, passwords only where they belong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from program_run import DEV, PRD, Registered, Rendered, merged
from rendered_set import SETS, container, environment, pod

Render = Callable[..., Rendered]


def names(rendered: Rendered, kind: str) -> set[str]:
    found = (each.inputs["metadata"]["name"] for each in rendered.objects if each.kind == kind)
    return {name for name in found if "valkey" in name}


@pytest.mark.parametrize(
    ("change", "members", "sentinels"),
    [
        ({}, 3, 5),
        ({"replicas": 1, "sentinels": 3}, 2, 3),
        ({"replicas": 6, "sentinels": 9}, 7, 9),
    ],
)
def test_each_pod_has_its_service_and_its_claim(
    render: Render, change: dict[str, Any], members: int, sentinels: int
) -> None:
    rendered = render(merged(DEV, {"valkey": change}))
    pods = [f"valkey-{n}" for n in range(members)] + [f"valkey-sentinel-{n}" for n in range(sentinels)]
    assert names(rendered, "Service") == {*pods, "valkey", "valkey-sentinel", "valkey-read"}
    assert names(rendered, "PersistentVolumeClaim") == {f"data-{pod}" for pod in pods}
    for name, count in {"valkey": members, "valkey-sentinel": sentinels}.items():
        assert rendered.object("StatefulSet", name).inputs["spec"]["replicas"] == count
    for name in ("valkey", "agent", "sentinel"):
        found = environment(container(rendered, name))
        assert (found["FWB_MEMBERS"], found["FWB_SENTINELS"]) == (str(members), str(sentinels))


@pytest.mark.parametrize("name", list(SETS))
def test_claims_have_the_names_that_the_controller_looks_for(dev: Rendered, name: str) -> None:
    spec = dev.object("StatefulSet", name).inputs["spec"]
    [template] = spec["volumeClaimTemplates"]
    looked_for = {f"{template['metadata']['name']}-{name}-{ordinal}" for ordinal in range(spec["replicas"])}
    assert looked_for <= names(dev, "PersistentVolumeClaim")
    mounted = {mount["name"] for mount in spec["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert template["metadata"]["name"] in mounted


def test_a_volume_grows_by_its_claim_alone(dev: Rendered, render: Render) -> None:
    larger = render(
        merged(DEV, {"valkey": {"storage": {"size": "4Gi"}, "sentinelStorage": {"storageClass": "fast"}}})
    )
    claim = larger.object("PersistentVolumeClaim", "data-valkey-1").inputs["spec"]
    assert claim["resources"]["requests"]["storage"] == "4Gi"
    assert "storageClassName" not in claim
    voter = larger.object("PersistentVolumeClaim", "data-valkey-sentinel-1").inputs["spec"]
    assert voter["storageClassName"] == "fast"
    for name in SETS:
        assert dev.object("StatefulSet", name).inputs == larger.object("StatefulSet", name).inputs


def test_addresses_and_claims_come_before_the_pods_and_sentinels_before_the_members(dev: Rendered) -> None:
    voting, members = (dev.object("StatefulSet", name) for name in ("valkey-sentinel", "valkey"))

    def needed(*kinds: str) -> set[str]:
        return {
            each.urn
            for each in dev.objects
            if each.kind in kinds and each.inputs["metadata"]["name"].startswith("valkey")
        }

    common = needed("Service", "ConfigMap", "Secret", "NetworkPolicy")
    for found in (voting, members):
        assert common <= found.depends_on
    assert needed("PersistentVolumeClaim") <= voting.depends_on | members.depends_on
    assert voting.urn in members.depends_on, "both sets must never roll at once"


def test_the_service_of_a_pod_selects_it_alone_and_before_it_is_ready(dev: Rendered) -> None:
    for name, count in SETS.items():
        labels = pod(dev, name)["metadata"]["labels"]
        for ordinal in range(count):
            spec = dev.object("Service", f"{name}-{ordinal}").inputs["spec"]
            select = dict(spec["selector"])  # the stack is shared with other tests
            assert select.pop("statefulset.kubernetes.io/pod-name") == f"{name}-{ordinal}"
            assert select.items() <= labels.items()
            assert spec["publishNotReadyAddresses"] is True
            assert "clusterIP" not in spec
    ports = {each["name"]: each["port"] for each in dev.object("Service", "valkey-0").inputs["spec"]["ports"]}
    assert ports == {"valkey": 6379, "agent": 8080}


def test_services_for_clients_have_ready_pods_only(dev: Rendered, render: Render) -> None:
    for name in ("valkey-read", "valkey-sentinel"):
        assert "publishNotReadyAddresses" not in dev.object("Service", name).inputs["spec"]
    assert dev.object("Service", "valkey").inputs["spec"]["clusterIP"] == "None"
    assert "valkey-read" not in names(
        render(merged(DEV, {"valkey": {"readsFromReplicas": False}})), "Service"
    )


def test_nobody_waits_for_the_pods_of_a_service_that_the_pods_wait_for(dev: Rendered) -> None:
    # With pulumi-kubernetes each Service with a selector takes 10 s otherwise.
    for name in names(dev, "Service"):
        found = dev.object("Service", name).inputs
        if found["spec"].get("clusterIP") != "None":
            assert found["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}, name


def test_pods_start_together_stop_one_by_one_and_live_apart(dev: Rendered) -> None:
    for name in SETS:
        spec = dev.object("StatefulSet", name).inputs["spec"]
        assert (spec["podManagementPolicy"], spec["updateStrategy"]) == (
            "Parallel",
            {"type": "RollingUpdate"},
        )
        assert spec["minReadySeconds"] >= 1
        assert spec["serviceName"] == name
        budget = dev.object("PodDisruptionBudget", name).inputs["spec"]
        assert budget["maxUnavailable"] == 1
        assert budget["selector"] == spec["selector"]
        affinity = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
        terms = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
        assert [each["podAffinityTerm"]["topologyKey"] for each in terms] == [
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        ]
        assert all(each["podAffinityTerm"]["labelSelector"] == spec["selector"] for each in terms)


def policy(rendered: Rendered, name: str) -> dict[str, Any]:
    return rendered.object("NetworkPolicy", name).inputs["spec"]


def test_one_label_opens_servers_and_sentinels(dev: Rendered) -> None:
    label = {"filewallball.io/access-valkey": "true"}
    for name, port in (("valkey", 6379), ("valkey-sentinel", 26379)):
        inward, outward = policy(dev, name), policy(dev, f"{name}-clients")
        assert inward["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == name
        assert all(peer["podSelector"]["matchLabels"] == label for peer in inward["ingress"][0]["from"])
        assert outward["podSelector"]["matchLabels"] == label
        [way] = outward["egress"]
        assert way["to"] == [{"podSelector": inward["podSelector"]}]
        assert way["ports"] == inward["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port}]
        assert label.items() <= pod(dev, name)["metadata"]["labels"].items()


def test_agents_talk_among_themselves_only(dev: Rendered) -> None:
    spec = policy(dev, "valkey-agents")
    own = {"podSelector": spec["podSelector"]}
    assert own["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "valkey"
    assert spec["ingress"] == [{"from": [own], "ports": [{"protocol": "TCP", "port": 8080}]}]
    assert spec["egress"] == [{"to": [own], "ports": [{"protocol": "TCP", "port": 8080}]}]
    others = [each for each in dev.objects if each.kind == "NetworkPolicy" and each.inputs["spec"] != spec]
    assert not [each.name for each in others if "8080" in json.dumps(each.inputs)]


def _kept(rendered: Rendered) -> list[Registered]:
    return [
        rendered.object("PersistentVolumeClaim", name) for name in names(rendered, "PersistentVolumeClaim")
    ]


def test_production_keeps_the_claims_but_lets_the_set_shrink() -> None:
    from program_run import run_program

    for each in _kept(run_program(PRD)):
        assert each.retain_on_delete
        assert not each.protect, "what is protected can't be left out, so the set could never shrink"


def test_the_checks_know_the_whole_set(dev: Rendered, render: Render) -> None:
    found = _checks(dev)
    assert found["members"] == ["valkey-0:6379", "valkey-1:6379", "valkey-2:6379"]
    assert found["sentinels"][-1] == "valkey-sentinel-4:26379"
    assert (found["quorum"], found["reads"]) == (3, "valkey-read:6379")
    smaller = _checks(
        render(merged(DEV, {"valkey": {"replicas": 1, "sentinels": 3, "readsFromReplicas": False}}))
    )
    assert (len(smaller["members"]), len(smaller["sentinels"])) == (2, 3)
    assert (smaller["quorum"], smaller["reads"]) == (2, None)


def _checks(rendered: Rendered) -> dict[str, Any]:
    data = rendered.object("ConfigMap", "filewallball-checks").inputs["data"]
    config = rendered.object("ConfigMap", "valkey-config").inputs["data"]
    assert data["valkey.conf"] == config["valkey.conf"]
    return json.loads(data["checks.json"])["valkey"]


def test_the_checks_get_three_of_the_passwords(dev: Rendered) -> None:
    spec = dev.object("PodTemplate", "filewallball-checks").inputs["template"]["spec"]
    [secret] = [
        each["secret"]
        for each in spec["volumes"]
        if each.get("secret", {}).get("secretName") == "valkey-credentials"
    ]
    files = {f"/secrets/valkey-credentials/{item['path']}" for item in secret["items"]}
    config = _checks(dev)
    assert files == {config[f"{user}_password_file"] for user in ("app", "sentinel", "checks")}
