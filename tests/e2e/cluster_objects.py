"""Small objects for tests on a cluster, and waits that say what they waited for."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from filewallball.kube import Kube

BUSYBOX = "docker.io/library/busybox:1.35"
PATIENCE = 60.0  # seconds


def wait_until(holds: Callable[[], bool], what: str, last: Callable[[], object] | None = None) -> None:
    """Poll until it holds; a failure reports what was seen last."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {PATIENCE:.0f} s for {what}" + (f"; last seen: {last()}" if last else ""))
        time.sleep(0.1)


def pod(
    namespace: str,
    name: str,
    command: Sequence[str],
    *,
    labels: dict[str, str] | None = None,
    port: int | None = None,
    claim: str | None = None,
    user: int | None = None,
    group: int | None = 999,
) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": BUSYBOX, "command": list(command)}
    spec: dict[str, Any] = {
        "containers": [container],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
    }
    if port:
        container["ports"] = [{"name": "main", "containerPort": port}]
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    if user is not None:
        spec["securityContext"] = {"runAsUser": user, "runAsGroup": user, "runAsNonRoot": True}
        if group is not None:
            spec["securityContext"]["fsGroup"] = group
    if claim:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def create_pod(kube: Kube, namespace: str, name: str, command: Sequence[str], **more: Any) -> None:
    # A new namespace has no service account for a moment, and takes no pod before it has.
    wait_until(
        lambda: kube.get("v1", "ServiceAccount", "default", namespace) is not None,
        f"service accounts in {namespace}",
    )
    kube.create(pod(namespace, name, command, **more))


def create_service(
    kube: Kube, namespace: str, name: str, selector: dict[str, str], port: int, target: int
) -> None:
    spec = {"selector": selector, "ports": [{"port": port, "targetPort": target}]}
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )


def create_claim(kube: Kube, namespace: str, name: str, size: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )


def status_of(kube: Kube, namespace: str, name: str) -> dict[str, Any]:
    return (kube.get("v1", "Pod", name, namespace) or {}).get("status", {})


def is_ready(status: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))


def wait_ready(kube: Kube, namespace: str, name: str) -> None:
    wait_until(
        lambda: is_ready(status_of(kube, namespace, name)),
        f"pod {name} to be ready",
        lambda: status_of(kube, namespace, name),
    )


def wait_ended(kube: Kube, namespace: str, name: str) -> str:
    """Wait for a pod to end and return its phase, `Succeeded` or `Failed`."""
    over = ("Succeeded", "Failed")
    wait_until(
        lambda: status_of(kube, namespace, name).get("phase") in over,
        f"pod {name} to end",
        lambda: status_of(kube, namespace, name),
    )
    return status_of(kube, namespace, name)["phase"]


def run_to_end(kube: Kube, namespace: str, command: Sequence[str], **more: Any) -> str:
    """Run a command in a pod of its own and return what it printed; a failing command fails the test."""
    name = f"run-{uuid.uuid4().hex[:6]}"
    create_pod(kube, namespace, name, command, **more)
    phase = wait_ended(kube, namespace, name)
    output = kube.logs(name, namespace)
    if phase != "Succeeded":
        pytest.fail(f"{' '.join(command)} failed: {output}")
    return output
