"""Create, update, no-op, remove; preview; drift; the order of removal."""

from __future__ import annotations

import json
import threading

import pytest
from cluster_objects import wait_until
from lab import Lab, actions

from filewallball.errors import UserError
from filewallball.kube import UnknownKind


def test_create_then_nothing_to_do_then_update_then_remove(lab: Lab) -> None:
    first = lab.up(lab.config_map("a", {"x": "1", "y": "2"}, export="data"), lab.config_map("b"))
    assert actions(first) == {
        f"Namespace {lab.namespace}": "create",
        "ConfigMap a": "create",
        "ConfigMap b": "create",
    }
    assert first.outputs == {"data": '{"x": "1", "y": "2"}'}
    uid = lab.uid("ConfigMap", "a")

    again = lab.up(lab.config_map("a", {"x": "1", "y": "2"}), lab.config_map("b"))
    assert set(actions(again).values()) == {"same"}

    changed = lab.up(lab.config_map("a", {"x": "9"}), lab.config_map("b"))
    assert actions(changed)["ConfigMap a"] == "update"
    assert [(each.label, each.before, each.after) for step in changed.steps for each in step.changes] == [
        ("data.x", "1", "9"),
        ("data.y", "2", None),
    ]
    found = lab.get("ConfigMap", "a")
    assert found
    assert found["data"] == {"x": "9"}, "a key that the program dropped is dropped from the object"
    assert found["metadata"]["uid"] == uid

    removed = lab.up(lab.config_map("a", {"x": "9"}))
    assert actions(removed)["ConfigMap b"] == "delete"
    assert lab.get("ConfigMap", "b") is None
    assert lab.get("ConfigMap", "a") is not None


def test_preview_of_an_empty_cluster_creates_nothing(lab: Lab) -> None:
    result = lab.preview(lab.config_map("a"), lab.workload("Deployment", "web", "exec busybox sleep 3600"))
    assert set(actions(result).values()) == {"create"}
    assert result.exit_code == 0
    assert f" + Namespace {lab.namespace}" in lab.said
    assert lab.kube.get("v1", "Namespace", lab.namespace) is None
    assert lab.kube.get("v1", "ConfigMap", lab.record, "default") is None


def test_preview_finds_a_misspelt_field_before_the_namespace_exists(lab: Lab) -> None:
    web = lab.workload("Deployment", "web", "exec busybox sleep 3600")
    web["object"]["spec"]["replica"] = 2
    result = lab.preview(web)
    assert result.exit_code == 1
    assert "replica" in "".join(result.failures)


def test_a_misspelt_kind_is_said_to_be_unknown(lab: Lab) -> None:
    odd = lab.config_map("a")
    odd["object"]["kind"] = "ConfMap"
    result = lab.preview(odd)
    assert result.failures == ["ConfMap a: The cluster serves no ConfMap of v1"]


def test_preview_shows_what_changes_and_what_goes(lab: Lab) -> None:
    lab.up(lab.config_map("a", {"x": "1"}, group="web"), lab.config_map("b"))
    result = lab.preview(lab.config_map("a", {"x": "2"}, group="web"), lab.config_map("c"))
    assert actions(result) == {
        f"Namespace {lab.namespace}": "same",
        "ConfigMap a": "update",
        "ConfigMap b": "delete",
        "ConfigMap c": "create",
    }
    assert f"  ~ └─ ConfigMap {lab.namespace}/a" in lab.said
    assert 'data.x: "1" → "2"' in lab.said
    assert f"  - ConfigMap {lab.namespace}/b" in lab.said
    as_data = json.loads(json.dumps(result.as_json()))
    assert as_data["summary"] == {"create": 1, "update": 1, "delete": 1, "same": 1}
    [changed] = [each for each in as_data["resources"] if each["action"] == "update"]
    assert changed["diff"] == [{"path": "data.x", "before": "1", "after": "2"}]
    found = lab.get("ConfigMap", "a")
    assert found
    assert found["data"] == {"x": "1"}, "a preview changes nothing"


def test_drift_is_shown_and_mended(lab: Lab) -> None:
    lab.up(lab.config_map("a", {"x": "1"}))
    lab.kube.patch("v1", "ConfigMap", "a", lab.namespace, {"data": {"x": "by hand", "z": "extra"}})
    shown = lab.preview(lab.config_map("a", {"x": "1"}))
    assert actions(shown)["ConfigMap a"] == "update"
    assert 'data.x: "by hand" → "1"' in lab.said
    lab.up(lab.config_map("a", {"x": "1"}))
    found = lab.get("ConfigMap", "a")
    assert found
    assert found["data"] == {"x": "1", "z": "extra"}, "what the program never declared is left alone"


def test_an_object_deleted_by_hand_comes_back(lab: Lab) -> None:
    lab.up(lab.config_map("a"))
    lab.kube.delete("v1", "ConfigMap", "a", lab.namespace)
    assert actions(lab.up(lab.config_map("a")))["ConfigMap a"] == "create"


def test_removal_goes_against_the_dependencies(lab: Lab) -> None:
    lab.up(lab.config_map("base"), lab.config_map("top", dependsOn=["base"]))
    lab.kube.patch("v1", "ConfigMap", "top", lab.namespace, {"metadata": {"finalizers": ["test.local/hold"]}})
    lab.declare(lab.config_map("other"))
    run = threading.Thread(target=lab.up)
    run.start()

    def top_is_going() -> bool:
        found = lab.get("ConfigMap", "top")
        return bool(found and found["metadata"].get("deletionTimestamp"))

    wait_until(top_is_going, "the removal of top to begin")
    base = lab.get("ConfigMap", "base")
    assert base
    assert "deletionTimestamp" not in base["metadata"]
    lab.kube.patch("v1", "ConfigMap", "top", lab.namespace, {"metadata": {"finalizers": None}})
    run.join(60)
    assert lab.get("ConfigMap", "base") is None


def test_destroy_that_is_not_confirmed_deletes_nothing(lab: Lab) -> None:
    lab.up(lab.config_map("a"))
    asked: list[str] = []

    def refuse(names: list[str]) -> bool:
        asked.extend(names)
        return False

    with pytest.raises(UserError, match="Nothing was deleted"):
        lab.destroy(confirm=refuse)
    assert f"ConfigMap {lab.namespace}/a" in asked
    assert lab.get("ConfigMap", "a") is not None


def test_outputs_of_one_object_reach_another(lab: Lab) -> None:
    lab.up(lab.config_map("a"), lab.config_map("b", copies=["a", "uid"]))
    found = lab.get("ConfigMap", "b")
    assert found
    assert found["data"] == {"copied": lab.uid("ConfigMap", "a")}


def test_a_kind_that_the_stack_defines_can_be_used_in_the_same_run_and_destroy_forgets_all(lab: Lab) -> None:
    plural = f"gadgets-{lab.namespace}"
    group = f"{lab.namespace}.test.local"
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": "Gadget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                    },
                }
            ],
        },
    }
    gadget = {
        "apiVersion": f"{group}/v1",
        "kind": "Gadget",
        "metadata": {"name": "g", "namespace": lab.namespace},
        "spec": {"size": 3},
    }
    entries = ({"name": "crd", "object": definition}, {"object": gadget, "dependsOn": ["crd"]})
    assert actions(lab.preview(*entries))[f"CustomResourceDefinition {plural}.{group}"] == "create"
    lab.up(*entries)
    assert lab.kube.get(f"{group}/v1", "Gadget", "g", lab.namespace)
    assert set(actions(lab.up(*entries)).values()) == {"same"}
    result = lab.destroy()
    assert result.exit_code == 0, lab.said
    assert set(actions(result).values()) == {"delete"}
    assert lab.kube.get("v1", "Namespace", lab.namespace) is None
    assert lab.kube.get("v1", "ConfigMap", lab.record, "default") is None
    assert lab.kube.get("coordination.k8s.io/v1", "Lease", lab.record, "default") is None
    with pytest.raises(UnknownKind):
        type(lab.kube)(lab.kube._http).get(f"{group}/v1", "Gadget", "g", lab.namespace)
