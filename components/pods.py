"""Pods as Pod Security *restricted* wants them: numeric non-root user, read-only root, no capabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.schema import Resources
from facts.pods import UID, config_file


def container(
    name: str,
    image: str,
    resources: Resources,
    command: Sequence[str],
    mounts: Mapping[str, str],
    *,
    env: Mapping[str, object] | None = None,
    writable: Sequence[str] = (),
    **more: object,
) -> dict[str, Any]:
    """A container. `mounts`: volume name → path, read-only unless the volume is named in `writable`.

    `env` values are strings, or a mapping that becomes `valueFrom`.
    """
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": [
            {"name": key, **({"valueFrom": value} if isinstance(value, Mapping) else {"value": value})}
            for key, value in (env or {}).items()
        ],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory},
            "limits": {"memory": resources.memory_limit},
        },
        "volumeMounts": [
            {"name": volume, "mountPath": path} | ({} if volume in writable else {"readOnly": True})
            for volume, path in mounts.items()
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # A container that dies says why in the pod's status, where whoever waits for it finds it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **more,
    }


def template(
    labels: Mapping[str, str],
    containers: Sequence[Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
    *,
    annotations: Mapping[str, str] | None = None,
    service_account: str | None = None,
    token: bool = False,
    service_links: bool = False,
    grace_seconds: int = 30,
    **more: object,
) -> dict[str, Any]:
    """A pod template. Without a `service_account` the namespace's default one is used, without its token.

    With `service_links` the containers find the addresses of the namespace's Services in their environment.
    """
    metadata: dict[str, Any] = {"labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    spec: dict[str, Any] = {
        "automountServiceAccountToken": token,
        "enableServiceLinks": service_links,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UID,
            "runAsGroup": UID,
            "fsGroup": UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": grace_seconds,
        "containers": list(containers),
        "volumes": list(volumes),
        **more,
    }
    if service_account:
        spec["serviceAccountName"] = service_account
    return {"metadata": metadata, "spec": spec}


def config_volume(name: str, config_map: str) -> dict[str, Any]:
    return {"name": name, "configMap": {"name": config_map, "defaultMode": 0o444}}


def secret_volume(name: str, secret: str, keys: Sequence[str] = ()) -> dict[str, Any]:
    """A Secret's files, readable by the pod's group alone; with `keys`, only those of them."""
    source: dict[str, Any] = {"secretName": secret, "defaultMode": 0o440}
    if keys:
        source["items"] = [{"key": key, "path": key} for key in keys]
    return {"name": name, "secret": source}


def scratch_volume(name: str, size: str, *, memory: bool = False) -> dict[str, Any]:
    """Room that lives as long as the pod; in memory it counts against the container's limit."""
    return {"name": name, "emptyDir": {"sizeLimit": size} | ({"medium": "Memory"} if memory else {})}


def claim_volume(name: str, claim: str) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def script_probe(
    script: str, *arguments: str, period: int, failures: int, timeout: int = 10
) -> dict[str, Any]:
    """A probe by a script of the pod's configuration; times in seconds."""
    return {
        "exec": {"command": ["/bin/sh", config_file(script), *arguments]},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }


def port_probe(port: str, *, period: int, failures: int) -> dict[str, Any]:
    """A probe that only connects: it costs nearly nothing, where a script costs a process each time."""
    return {"tcpSocket": {"port": port}, "periodSeconds": period, "failureThreshold": failures}
