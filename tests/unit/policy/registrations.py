"""Recorded registrations for the policy pack: what a program would hand to the engine, as plain data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from policy import judging

NAMESPACE = "shop"
RESTRICTED_POD: dict[str, Any] = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "web",
            "image": "registry.example.org/web:1.2@sha256:" + "0" * 64,
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "readinessProbe": {"tcpSocket": {"port": 80}},
            "livenessProbe": {"tcpSocket": {"port": 80}},
        }
    ],
}
LABELS = {
    "app.kubernetes.io/name": "web",
    "app.kubernetes.io/instance": "shop",
    "app.kubernetes.io/part-of": "shop",
    "app.kubernetes.io/managed-by": "pulumi",
}
API = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    **dict.fromkeys(("Role", "RoleBinding", "ClusterRole"), "rbac.authorization.k8s.io/v1"),
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
}
TEMPLATE_KINDS = ("Pod", "PodTemplate", "ReplicationController", "ReplicaSet", "Deployment", "StatefulSet",
                  "DaemonSet", "Job", "CronJob")  # fmt: skip
"""Every kind that is a pod or makes pods."""

Registration = dict[str, Any]


def registered(
    type_: str, name: str, props: Mapping[str, Any], stack: str = "dev", **more: Any
) -> Registration:
    """One registration."""
    urn = f"urn:pulumi:{stack}::shop::{type_}::{name}"
    return {"urn": urn, "type": type_, "name": name, "props": copy.deepcopy(dict(props)), **more}


def kube(
    kind: str,
    name: str = "web",
    body: Mapping[str, Any] | None = None,
    *,
    annotations: Mapping[str, str] | None = None,
    **more: Any,
) -> Registration:
    """An object of Kubernetes."""
    api = API.get(kind, "v1")
    meta: dict[str, Any] = {"name": name, "namespace": NAMESPACE, "labels": dict(LABELS)}
    if annotations:
        meta["annotations"] = dict(annotations)
    props = {"apiVersion": api, "kind": kind, "metadata": meta, **(body or {})}
    token = api if "/" in api else f"core/{api}"
    return registered(f"kubernetes:{token}:{kind}", name, props, **more)


def aws(kind: str, name: str, props: Mapping[str, Any], **more: Any) -> Registration:
    """A resource of pulumi-aws: `s3.BucketVersioning`."""
    module, _, type_ = kind.partition(".")
    return registered(f"aws:{module}/{type_[0].lower()}{type_[1:]}:{type_}", name, props, **more)


def with_pod(
    kind: str, pod: Mapping[str, Any], name: str = "web", meta: Mapping[str, Any] | None = None, **more: Any
) -> Registration:
    """An object of a kind that is or makes pods, around a pod's spec. `meta`: the pod's metadata."""
    template = {"metadata": {"labels": dict(LABELS), **(meta or {})}, "spec": copy.deepcopy(dict(pod))}
    bodies: dict[str, dict[str, Any]] = {
        "Pod": {"spec": template["spec"]},
        "PodTemplate": {"template": template},
        "Job": {"spec": {"template": template, "activeDeadlineSeconds": 60}},
        "CronJob": {"spec": {"jobTemplate": {"spec": {"template": template}}}},
    }
    body = bodies.get(kind, {"spec": {"template": template}})
    found = kube(kind, name, body, **more)
    if kind == "Pod":
        found["props"]["metadata"] |= copy.deepcopy(dict(meta or {}))
    return found


def changed(value: Any, path: Sequence[str | int], new: Any) -> Any:
    """A copy with another value at a path; None takes it out."""
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-1]:
        inner = inner[step] if isinstance(inner, list) else inner.setdefault(step, {})
    if new is None:
        inner.pop(path[-1])
    else:
        inner[path[-1]] = new
    return value


def violations(
    rule: str, *stack: Registration, settings: Mapping[str, Any] | None = None, protected: bool = False
) -> list[tuple[str, str]]:
    """What one rule finds: the names of the resources, and the paths."""
    outcome = judging.judge(
        stack, {rule: {"enforcementLevel": "mandatory", **(settings or {})}}, protected=protected
    )
    return sorted(
        (each["urn"].rpartition("::")[2], each["path"])
        for each in outcome["violations"]
        if each["rule"] == rule
    )
