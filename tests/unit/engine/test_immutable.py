"""Which fields make an object anew, as the released provider and the API server have it."""

from __future__ import annotations

from typing import Any

import pytest

from filewallball.engine.kinds.immutable import amount, forced

FORCE_NEW = {
    "apps/v1/StatefulSet": ["podManagementPolicy", "revisionHistoryLimit", "selector", "serviceName",
                            "volumeClaimTemplates"],
    "apps/v1/Deployment": ["selector"],
    "apps/v1/DaemonSet": ["selector"],
    "batch/v1/Job": ["completions", "parallelism", "selector", "template"],
    "v1/PersistentVolumeClaim": ["accessModes", "selector", "storageClassName", "volumeName"],
    "v1/PersistentVolume": ["csi", "hostPath", "local", "nfs"],
    "v1/Pod": ["affinity", "nodeName", "restartPolicy", "securityContext", "volumes", "containers"],
    "v1/ResourceQuota": ["scopes"],
    "v1/Service": ["clusterIP"],
}  # fmt: skip
"""What the released provider replaces for: forceNew in provider/pkg/provider/diff.go of pulumi-kubernetes."""
IN_PLACE = {
    "apps/v1/StatefulSet": ["replicas", "template", "updateStrategy", "minReadySeconds"],
    "apps/v1/Deployment": ["replicas", "template", "strategy"],
    "batch/v1/CronJob": ["schedule", "jobTemplate", "suspend"],
    "batch/v1/Job": ["ttlSecondsAfterFinished"],
    "v1/PersistentVolumeClaim": ["volumeAttributesClassName"],
    "v1/Service": ["ports", "selector", "type"],
    "policy/v1/PodDisruptionBudget": ["minAvailable", "selector"],
}


@pytest.mark.parametrize(
    ("kind", "field", "expected"),
    [(kind, field, True) for kind, fields in FORCE_NEW.items() for field in fields]
    + [(kind, field, False) for kind, fields in IN_PLACE.items() for field in fields],
)
def test_the_table_replaces_for_what_the_provider_and_the_server_refuse(
    kind: str, field: str, expected: bool
) -> None:
    version, _, plain = kind.rpartition("/")
    old: dict[str, Any] = {"apiVersion": version, "kind": plain, "metadata": {}, "spec": {field: "a"}}
    assert bool(forced(old, {**old, "spec": {field: "b"}}, [("spec", field)], mutable=True)) is expected


@pytest.mark.parametrize(
    ("text", "bytes_"), [("5Gi", 5 * 1024**3), ("1G", 10**9), ("512", 512), ("1e3", 1000), ("0.5Ki", 512)]
)
def test_quantities(text: str, bytes_: int) -> None:
    assert amount(text) == bytes_


def test_what_is_no_quantity() -> None:
    assert amount("much") is amount("5Qi") is amount("") is None


@pytest.mark.parametrize(
    ("kind", "field", "given", "expected"),
    [
        ("apps/v1/StatefulSet", "podManagementPolicy", "OrderedReady", False),
        ("apps/v1/StatefulSet", "podManagementPolicy", "Parallel", True),
        ("batch/v1/Job", "parallelism", 1, False),
        ("batch/v1/Job", "parallelism", 2, True),
        ("v1/PersistentVolumeClaim", "volumeMode", "Filesystem", False),
        ("v1/PersistentVolumeClaim", "storageClassName", "", True),
    ],
)
def test_a_default_may_be_written_down_or_left_out(kind: str, field: str, given: Any, expected: bool) -> None:
    version, _, plain = kind.rpartition("/")
    bare: dict[str, Any] = {"apiVersion": version, "kind": plain, "metadata": {}, "spec": {"a": 1}}
    told = {**bare, "spec": {"a": 1, field: given}}
    for old, new in ((bare, told), (told, bare)):
        assert bool(forced(old, new, [("spec", field)], mutable=True)) is expected
