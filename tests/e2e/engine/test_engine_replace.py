"""Immutable fields: the object is made anew, and data is never lost by it."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_objects import wait_until
from lab import Entry, Lab, actions

KEEP = "test -f /data/born || echo $RANDOM$RANDOM > /data/born; cat /data/born; exec busybox sleep 3600"
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}


def database(lab: Lab, revision: str, **more: Any) -> Entry:
    spec = {
        "serviceName": "db",
        "podManagementPolicy": revision,
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": CLAIM}],
        **more,
    }
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    return lab.workload("StatefulSet", "db", KEEP, spec=spec, container=mount)


def birth(lab: Lab) -> str:
    """What the volume says of its first day. A pod without a probe is ready before it has said anything."""
    wait_until(lambda: lab.kube.logs("db-0", lab.namespace) != "", "what the pod says")
    return lab.kube.logs("db-0", lab.namespace)


def claim(lab: Lab, size: str, **entry: Any) -> Entry:
    spec = {**CLAIM, "resources": {"requests": {"storage": size}}}
    return {"object": {**lab.meta("PersistentVolumeClaim", "data"), "spec": spec}, **entry}


def test_a_stateful_set_is_replaced_and_its_data_stays(lab: Lab) -> None:
    lab.up(database(lab, "OrderedReady"))
    before, born = lab.uid("StatefulSet", "db"), birth(lab)
    shown = lab.preview(database(lab, "Parallel"))
    assert actions(shown)["StatefulSet db"] == "replace"
    assert 'spec.podManagementPolicy: "OrderedReady" → "Parallel"' in lab.said
    lab.up()
    assert lab.uid("StatefulSet", "db") != before
    assert birth(lab) == born


def test_a_stateful_set_that_would_take_its_claims_along_is_not_replaced(lab: Lab) -> None:
    retention = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"}}
    lab.up(database(lab, "OrderedReady", replicas=0, **retention))
    uid = lab.uid("StatefulSet", "db")
    result = lab.try_up(database(lab, "Parallel", replicas=0, **retention))
    assert "takes its volume claims with it" in result.failures[0]
    assert lab.uid("StatefulSet", "db") == uid


def test_a_job_with_another_template_is_replaced(lab: Lab) -> None:
    lab.up(lab.job("check", "echo one"))
    uid = lab.uid("Job", "check")
    assert actions(lab.up(lab.job("check", "echo two")))["Job check"] == "replace"
    assert lab.uid("Job", "check") != uid


def test_a_claim_is_refused_rather_than_made_anew(lab: Lab) -> None:
    lab.up(claim(lab, "4Mi"))
    uid = lab.uid("PersistentVolumeClaim", "data")
    shown = lab.preview(claim(lab, "2Mi"))
    assert shown.exit_code == 1
    result = lab.try_up()
    assert "would delete what it holds" in result.failures[0]
    assert f"kubectl -n {lab.namespace} delete persistentvolumeclaim data" in lab.said
    assert lab.uid("PersistentVolumeClaim", "data") == uid


def test_what_is_protected_is_refused(lab: Lab) -> None:
    lab.up(lab.job("check", "echo one", protect=True))
    result = lab.try_up(lab.job("check", "echo two", protect=True))
    assert "is protected" in result.failures[0]


def test_an_invalid_change_is_no_reason_to_replace(lab: Lab) -> None:
    lab.up(lab.config_map("a"))
    uid = lab.uid("ConfigMap", "a")
    result = lab.try_up(lab.config_map("a", {"no such key!": "1"}))
    assert "Invalid value" in result.failures[0]
    assert lab.uid("ConfigMap", "a") == uid


@pytest.mark.nightly
def test_a_new_claim_gets_the_volume_of_its_deleted_namesake(lab: Lab) -> None:
    name = f"{lab.namespace}-volume"
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/tmp/fwb-engine-test"},
            "claimRef": {"namespace": lab.namespace, "name": "data"},
        },
    }
    bound = {**CLAIM, "storageClassName": "", "volumeName": name}
    entries = (
        {"name": "volume", "object": volume},
        {"name": "claim", "object": {**lab.meta("PersistentVolumeClaim", "data"), "spec": bound}},
    )
    lab.up(*entries)
    lab.up(entries[0])
    assert lab.get("PersistentVolumeClaim", "data") is None
    lab.up(*entries)
    found = lab.get("PersistentVolumeClaim", "data")
    assert found
    assert found["status"]["phase"] == "Bound"
    lab.destroy()
    assert lab.kube.get("v1", "PersistentVolume", name) is None
