"""A claim for a server's data: by a StorageClass, on an existing volume, or in a folder of the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from components.kube import Keeping, Object, labels, metadata
from components.schema import Storage
from facts.policy import UNPROTECTED

if TYPE_CHECKING:
    from components import kinds

_SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""Pulumi must not wait for a claim. Waiting for the server is enough, as its pod can't run before the claim
is bound.

Waiting for the claim itself fails with a StorageClass that binds when a pod comes: the provider (4.34) waits
for the phase Pending, and a claim that was taken over, or that was bound at once, is never seen in it.
"""


def claim(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    storage: Storage,
    keeping: Keeping,
    parent: pulumi.Resource,
    resource: str | None = None,
) -> Object:
    """The claim, and the static volume when the data lies in a node's folder. Both outlive `destroy`.

    `resource`: the name in the stack, where the claim's own doesn't begin with its component's.
    """
    resource = resource or name
    spec: kinds.PersistentVolumeClaimSpec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.host_path and storage.node:  # one without the other is refused
        volume_name = pulumi.Output.concat(namespace, "-", name)
        Object(
            f"{resource}-volume",
            _static(
                name,
                volume_name,
                namespace,
                component,
                storage.size,
                {"path": storage.host_path, "type": "Directory"},
                storage.node,
            ),
            keeping.options(parent),
        )
        spec["storageClassName"] = ""
        spec["volumeName"] = volume_name
    else:
        if storage.storage_class:
            spec["storageClassName"] = storage.storage_class
        if storage.volume_name:
            spec["volumeName"] = storage.volume_name
    annotations = keeping.annotations | _SKIP_AWAIT
    if keeping.unprotected:
        annotations[UNPROTECTED] = keeping.unprotected
    manifest: kinds.PersistentVolumeClaim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(name, namespace, labels(name, component), annotations),
        "spec": spec,
    }
    return Object(resource, manifest, keeping.options(parent))


def _static(
    name: str,
    volume_name: pulumi.Input[str],
    namespace: pulumi.Input[str],
    component: str,
    size: str,
    folder: kinds.HostPathVolumeSource,
    node: str,
) -> kinds.PersistentVolume:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": volume_name,
            "labels": labels(name, component),
            "annotations": Keeping.annotations,
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": size},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": namespace,
                "name": name,
            },
            "hostPath": folder,
            # On any other node the folder of that name is missing, or another one and empty.
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [_on(node)]}]}},
        },
    }


def _on(node: str) -> kinds.NodeSelectorRequirement:
    return {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
