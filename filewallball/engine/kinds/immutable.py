"""Which fields can't be changed in place: a change of one of them makes the object anew.

Two judges decide, and both are asked: the provider of the Pulumi CLI by a list of its own (`forceNew` in
provider/pkg/provider/diff.go of pulumi-kubernetes 4.22), and the API server by its validation (of Kubernetes
1.36), which is what the embedded engine goes by. What either refuses to change in place is in this table.
Where there is a cluster, its own answer counts, and this table isn't asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from filewallball.engine.kinds.table import group_of

Object = dict[str, Any]
Path = tuple[str | int, ...]

IDENTITY: tuple[Path, ...] = (("metadata", "name"), ("metadata", "namespace"))
SOURCES = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume",
    "flocker", "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk",
    "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
)  # fmt: skip
"""What a volume may lie on."""

FIXED: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("apps", "StatefulSet"): ("spec.revisionHistoryLimit",),
    ("batch", "Job"): (
        "spec.completions", "spec.parallelism", "spec.selector", "spec.template", "spec.completionMode",
        "spec.podFailurePolicy", "spec.backoffLimitPerIndex", "spec.managedBy", "spec.successPolicy",
    ),
    ("", "PersistentVolume"): (*(f"spec.{each}" for each in SOURCES), "spec.nodeAffinity", "spec.volumeMode"),
    ("", "ResourceQuota"): ("spec.scopes", "spec.scopeSelector"),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("scheduling.k8s.io", "PriorityClass"): ("value", "preemptionPolicy"),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
}  # fmt: skip
"""By group and kind: the fields that can't change, with all that is below them."""

ONLY: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "StatefulSet"): (
        "spec.replicas", "spec.ordinals", "spec.template", "spec.updateStrategy", "spec.revisionHistoryLimit",
        "spec.persistentVolumeClaimRetentionPolicy", "spec.minReadySeconds",
    ),
    ("", "PersistentVolumeClaim"): ("spec.resources", "spec.volumeAttributesClassName"),
    ("", "Pod"): ("spec.activeDeadlineSeconds", "spec.tolerations", "spec.schedulingGates"),
}  # fmt: skip
"""By group and kind: the only fields below `spec` that can change."""

FROZEN = {("", "ConfigMap"): ("data", "binaryData"), ("", "Secret"): ("data", "stringData")}
"""What `immutable: true` fixes; for the Pulumi CLI's provider always, unless it is told otherwise."""
DEFAULTS: dict[str, Any] = {
    "immutable": False,
    "reclaimPolicy": "Delete",
    "spec.completionMode": "NonIndexed",
    "spec.completions": 1,
    "spec.parallelism": 1,
    "spec.podManagementPolicy": "OrderedReady",
    "spec.revisionHistoryLimit": 10,
    "spec.volumeMode": "Filesystem",
    "type": "Opaque",
    "volumeBindingMode": "Immediate",
}
"""What the server sets where one of these fields is left out: to write it down changes nothing."""
SIZE: Path = ("spec", "resources", "requests", "storage")
DECIMAL = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "m": -3, "u": -6, "n": -9}
UNITS = {unit: Decimal(10) ** power for unit, power in DECIMAL.items()} | {
    f"{unit}i": Decimal(1024) ** (power + 1) for power, unit in enumerate("KMGTPE")
}


def forced(before: Object, after: Object, changed: Iterable[Path], *, mutable: bool) -> list[Path]:
    """Those of the `changed` paths that make the object anew, in the order given.

    `mutable`: whether the Pulumi CLI's provider is told to change ConfigMaps and Secrets in place.
    """
    kind = (group_of(after["apiVersion"]), after["kind"])
    fixed = [_steps(each) for each in FIXED.get(kind, ())]
    if kind in FROZEN and (not mutable or (before.get("immutable") and after.get("immutable"))):
        fixed += [_steps(each) for each in FROZEN[kind]]
    if kind in FROZEN and before.get("immutable"):
        fixed.append(("immutable",))
    free = [_steps(each) for each in ONLY.get(kind, ())]

    def fixes(path: Path) -> bool:
        default = DEFAULTS.get(".".join(map(str, path)))
        if default is not None and all(_at(each, path) in (None, default) for each in (before, after)):
            return False
        if any(_below(path, each) or _below(each, path) for each in (*IDENTITY, *fixed)):
            return True
        if kind == ("", "PersistentVolumeClaim") and path == SIZE:
            return _shrinks(before, after)
        return bool(free) and path[0] == "spec" and not any(_below(path, each) for each in free)

    return [path for path in changed if fixes(path)]


def amount(quantity: Any) -> Decimal | None:
    """A quantity of Kubernetes as a number: `8Gi`, `0.5`, `1e3`; None for what is none."""
    found = re.fullmatch(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)(n|u|m|k|[KMGTPE]i|[MGTPE]|)", str(quantity).strip())
    if not found or found[2] not in UNITS:
        return None
    try:
        return Decimal(found[1]) * UNITS[found[2]]
    except InvalidOperation:
        return None


def _shrinks(before: Object, after: Object) -> bool:
    old, new = (amount(_at(each, SIZE)) for each in (before, after))
    return old is not None and new is not None and new < old


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = cast("Object", value).get(str(step)) if isinstance(value, dict) else None
    return value


def _steps(dotted: str) -> Path:
    return tuple(dotted.split("."))


def _below(path: Path, above: Path) -> bool:
    """Whether a path is another one, or lies below it."""
    return path[: len(above)] == above
