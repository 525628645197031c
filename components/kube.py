"""Kubernetes objects for components: plain manifests, registered under the provider's own type tokens.

The generated classes of pulumi_kubernetes cost 2 to 4 seconds to import (core/v1 alone is 4.5 MB of source);
a `CustomResource` with the same token and camelCase properties is the same resource to either engine.
A misspelt field is found by pyright, through the types of components/kinds.py, where a literal stands in the
place of its type: behind `return`, as an argument, in a variable with an annotation.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, ClassVar

import pulumi

if TYPE_CHECKING:
    from typing import Unpack

    from components import kinds

FILES = Path(__file__).parent / "files"
AGAIN = {"pulumi.com/replaceUnready": "true"}
"""Of a Job: `up` makes one that failed anew. Else Pulumi finds the failed one, and fails each time."""


class Object(pulumi.CustomResource):
    """One object of the cluster. `metadata` is an output; wait on it to run after the object is there."""

    metadata: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, manifest: kinds.Manifest, opts: pulumi.ResourceOptions) -> None:
        api, kind = manifest["apiVersion"], manifest["kind"]
        group = f"core/{api}" if "/" not in api else api
        super().__init__(f"kubernetes:{group}:{kind}", name, dict(manifest), opts)


@dataclass
class Keeping:
    """How objects that hold data are declared: they outlive `destroy`, and the next `up` takes them over."""

    # Each deployment applies as a new field manager, and earlier ones still own the fields of a kept object:
    # without force, the first change after a take-over (a larger volume) ends in a conflict.
    annotations: ClassVar[dict[str, str]] = {"pulumi.com/patchForce": "true"}

    provider: pulumi.ProviderResource
    protect: bool = False
    unprotected: str = ""
    """Why an object that holds data isn't protected in a stack that is."""

    def options(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=parent, provider=self.provider, retain_on_delete=True, protect=self.protect
        )


def metadata(
    name: str,
    namespace: pulumi.Input[str] | None,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
) -> kinds.ObjectMeta:
    """The metadata of an object with a fixed name."""
    result: kinds.ObjectMeta = {"name": name, "labels": dict(labels)}
    if namespace is not None:
        result["namespace"] = namespace
    if annotations:
        result["annotations"] = dict(annotations)
    return result


def labels(name: str, component: str) -> dict[str, str]:
    """The recommended labels."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": "filewallball",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "filewallball",
        "app.kubernetes.io/managed-by": "pulumi",
    }


def selector(name: str) -> dict[str, str]:
    """The labels that tell one server's pods from all others; they can never change."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "filewallball"}


def files(folder: str, **values: str) -> dict[str, str]:
    """The files of a folder below components/files; `${name}` is replaced for the names given alone."""
    return {
        path.name: Template(path.read_text(encoding="utf-8")).safe_substitute(values)
        for path in sorted((FILES / folder).iterdir())
    }


def fingerprint(*parts: object) -> str:
    """Eight hex digits that change when any of the parts does. Parts are plain data: no outputs."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


def config_map(
    name: str, namespace: pulumi.Input[str], labels: Mapping[str, str], data: Mapping[str, str]
) -> kinds.ConfigMap:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, namespace, labels),
        "data": dict(data),
    }


def lone_disruption_budget(
    name: str, namespace: pulumi.Input[str], labels: Mapping[str, str]
) -> kinds.PodDisruptionBudget:
    """Makes stopping the only server a decision: draining its node waits until someone deletes the pod."""
    return _disruption_budget(name, namespace, labels, {"minAvailable": 1})


def disruption_budget(
    name: str, namespace: pulumi.Input[str], labels: Mapping[str, str]
) -> kinds.PodDisruptionBudget:
    """Lets drained nodes stop one of several servers at a time."""
    return _disruption_budget(name, namespace, labels, {"maxUnavailable": 1})


def _disruption_budget(
    name: str,
    namespace: pulumi.Input[str],
    labels: Mapping[str, str],
    limit: kinds.PodDisruptionBudgetSpec,
) -> kinds.PodDisruptionBudget:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name, namespace, labels),
        "spec": {
            **limit,
            "selector": {"matchLabels": selector(name)},
            # A server that isn't ready serves nobody: then nothing is lost by moving it.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def generated_secret(
    name: str,
    namespace: pulumi.Input[str],
    labels: Mapping[str, str],
    keys: Sequence[str],
    parent: pulumi.Resource,
) -> Object:
    """A Secret with a random value of 192 bits per key. The first value stays: later ones are ignored."""
    values = {key: base64.b64encode(secrets.token_urlsafe(24).encode()).decode() for key in keys}
    manifest: kinds.Secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(name, namespace, labels),
        "type": "Opaque",
        "data": pulumi.Output.secret(values),
    }
    options = pulumi.ResourceOptions(
        parent=parent, ignore_changes=["data"], additional_secret_outputs=["data", "stringData"]
    )
    return Object(name, manifest, options)


def service(
    name: str,
    namespace: pulumi.Input[str],
    labels: Mapping[str, str],
    select: Mapping[str, str],
    ports: Mapping[str, int],
    **spec: Unpack[kinds.ServiceSpecMore],
) -> kinds.Service:
    """A Service. `ports`: name of a container's port → the number that it has here as well."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, labels),
        "spec": {
            "selector": dict(select),
            "ports": [
                {"name": target, "port": port, "targetPort": target, "protocol": "TCP"}
                for target, port in ports.items()
            ],
            **spec,
        },
    }
