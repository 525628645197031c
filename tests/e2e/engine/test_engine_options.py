"""The resource options: each does what Pulumi says it does."""

from __future__ import annotations

import base64

import pytest
from lab import Entry, Lab, actions

from filewallball.errors import UserError

FOREVER = "exec busybox sleep 3600"


def secret(lab: Lab, password: str, **entry: object) -> Entry:
    data = {"password": base64.b64encode(password.encode()).decode()}
    return {"object": {**lab.meta("Secret", "s"), "data": data}, "secret": ["data"], **entry}


def test_protect_refuses_removal_and_destroy_and_says_how_to_go_on(lab: Lab) -> None:
    lab.up(lab.config_map("a", protect=True), lab.config_map("b"))
    shown = lab.preview(lab.config_map("b"))
    assert shown.exit_code == 1
    assert "protect=False" in shown.failures[0]
    with pytest.raises(UserError, match="protect=False"):
        lab.up()
    with pytest.raises(UserError, match=f"ConfigMap {lab.namespace}/a"):
        lab.destroy(purge=True)
    assert lab.get("ConfigMap", "a")
    assert lab.get("ConfigMap", "b")
    lab.up(lab.config_map("a"), lab.config_map("b"))
    lab.up(lab.config_map("b"))
    assert lab.get("ConfigMap", "a") is None


def test_depends_on_waits_for_readiness(lab: Lab) -> None:
    lab.up(lab.job("first", "busybox sleep 1"), lab.config_map("second", dependsOn=["first"]))
    job, second = lab.get("Job", "first"), lab.get("ConfigMap", "second")
    assert job
    assert second
    assert second["metadata"]["creationTimestamp"] >= job["status"]["completionTime"]


def test_ignore_changes_keeps_the_first_secret(lab: Lab) -> None:
    lab.up(secret(lab, "first-value", ignoreChanges=["data"]))
    again = lab.up(secret(lab, "second-value", ignoreChanges=["data"]))
    assert actions(again)["Secret s"] == "same"
    found = lab.get("Secret", "s")
    assert found
    assert base64.b64decode(found["data"]["password"]) == b"first-value"
    # as a change of passwords does it; then another field of the Secret changes
    changed = {"password": base64.b64encode(b"rotated").decode(), "other": base64.b64encode(b"too").decode()}
    lab.kube.patch("v1", "Secret", "s", lab.namespace, {"data": changed})
    entry = secret(lab, "second-value", ignoreChanges=["data"])
    entry["object"]["metadata"]["labels"] = {"new": "label"}
    labelled = lab.up(entry)
    assert actions(labelled)["Secret s"] == "update"
    found = lab.get("Secret", "s")
    assert found
    assert (found["data"], found["metadata"]["labels"]["new"]) == (changed, "label")
    lab.kube.patch("v1", "Secret", "s", lab.namespace, {"data": {"other": None}})
    lab.up(secret(lab, "second-value", ignoreChanges=["data"]))
    found = lab.get("Secret", "s")
    assert found
    assert found["data"] == {"password": changed["password"]}, "what was dropped stays away"
    lab.up(secret(lab, "third-value"))
    assert 'data.password: "[secret]" → "[secret]"' in lab.said
    assert "third-value" not in lab.said


def test_ignore_changes_leaves_an_autoscalers_field_alone(lab: Lab) -> None:
    web = lab.workload("Deployment", "web", FOREVER, spec={"replicas": 1}, ignoreChanges=["spec.replicas"])
    lab.up(web)
    lab.kube.patch("apps/v1", "Deployment", "web", lab.namespace, {"spec": {"replicas": 2}})
    assert actions(lab.up(web))["Deployment web"] == "same"
    found = lab.get("Deployment", "web")
    assert found
    assert found["spec"]["replicas"] == 2


def test_retain_on_delete(lab: Lab) -> None:
    lab.up(lab.config_map("a", retainOnDelete=True), lab.config_map("b"))
    kept = lab.up(lab.config_map("b"))
    assert actions(kept)["ConfigMap a"] == "keep"
    assert lab.get("ConfigMap", "a")
    assert "ConfigMap a" not in actions(lab.up()), "said once; it is no longer the stack's"
    back = lab.up(lab.config_map("a", retainOnDelete=True), lab.config_map("b"))
    assert actions(back)["ConfigMap a"] == "same", "adopted again: it was ours"


def test_destroy_keeps_what_is_retained_and_the_namespace_around_it(lab: Lab) -> None:
    lab.up(lab.config_map("a", {"row": "1"}, retainOnDelete=True), lab.config_map("b"))
    uid = lab.uid("ConfigMap", "a")
    result = lab.destroy()
    assert actions(result) == {
        f"Namespace {lab.namespace}": "keep",
        "ConfigMap a": "keep",
        "ConfigMap b": "delete",
    }
    lab.up()
    assert lab.uid("ConfigMap", "a") == uid
    lab.destroy()
    assert set(actions(lab.destroy(purge=True)).values()) == {"delete"}
    assert lab.kube.get("v1", "Namespace", lab.namespace) is None


def test_a_new_logical_name_alone_touches_nothing(lab: Lab) -> None:
    lab.up(lab.config_map("a", name="old-name"))
    uid = lab.uid("ConfigMap", "a")
    renamed = lab.up(lab.config_map("a", name="new-name", aliases=["old-name"]))
    assert actions(renamed)["ConfigMap a"] == "same"
    assert lab.uid("ConfigMap", "a") == uid


def test_an_alias_finds_the_object_of_another_name(lab: Lab) -> None:
    lab.up(lab.config_map("before", name="old-name"))
    shown = lab.preview(lab.config_map("after", name="new-name", aliases=["old-name"]))
    assert actions(shown)["ConfigMap after"] == "replace"
    lab.up()
    assert lab.get("ConfigMap", "before") is None
    assert lab.get("ConfigMap", "after")


def test_an_alias_keeps_a_generated_name(lab: Lab) -> None:
    nameless = lab.config_map("unused", name="old-name")
    del nameless["object"]["metadata"]["name"]
    lab.up(nameless)
    [name] = [
        each["metadata"]["name"]
        for each in lab.kube.list("v1", "ConfigMap", lab.namespace)
        if each["data"] == {"a": "1"}
    ]
    assert name.startswith("old-name-")
    renamed = lab.up({**nameless, "name": "new-name", "aliases": ["old-name"]})
    assert actions(renamed)[f"ConfigMap {name}"] == "same"


def test_timeouts_bound_the_wait(lab: Lab) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    web = lab.workload(
        "Deployment", "web", FOREVER, container={"readinessProbe": probe}, timeouts={"create": "1s"}
    )
    result = lab.try_up(web)
    assert "not ready after 1 s: " in result.failures[0]


def test_delete_before_replace_frees_what_both_need(lab: Lab) -> None:
    def service(name: str, port: int, **entry: object) -> Entry:
        spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}
        return {"name": "entrance", "object": {**lab.meta("Service", name), "spec": spec}, **entry}

    lab.up(service("old", 0, deleteBeforeReplace=True))
    found = lab.get("Service", "old")
    assert found
    port = found["spec"]["ports"][0]["nodePort"]
    refused = lab.try_up(service("new", port))
    assert "provided port is already allocated" in refused.failures[0]
    result = lab.up(service("new", port, deleteBeforeReplace=True))
    assert actions(result)["Service new"] == "replace"
    assert lab.get("Service", "old") is None


def test_replace_on_changes(lab: Lab) -> None:
    lab.up(lab.config_map("a", {"x": "1"}, replaceOnChanges=["data.x"]))
    uid = lab.uid("ConfigMap", "a")
    lab.up(lab.config_map("a", {"x": "1", "y": "2"}, replaceOnChanges=["data.x"]))
    assert lab.uid("ConfigMap", "a") == uid
    result = lab.up(lab.config_map("a", {"x": "3", "y": "2"}, replaceOnChanges=["data.x"]))
    assert actions(result)["ConfigMap a"] == "replace"
    assert lab.uid("ConfigMap", "a") != uid
