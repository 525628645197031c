"""Pods as Pod Security *restricted* wants them: numeric non-root user, read-only root, no capabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from components.schema import Resources
from facts.pods import UID, config_file

if TYPE_CHECKING:
    from typing import Unpack

    from components import kinds

_ZONE = "topology.kubernetes.io/zone"


def container(
    name: str,
    image: str,
    resources: Resources,
    command: Sequence[str],
    mounts: Mapping[str, str],
    *,
    env: Mapping[str, str | kinds.EnvVarSource] | None = None,
    writable: Sequence[str] = (),
    **more: Unpack[kinds.ContainerMore],
) -> kinds.Container:
    """A container. `mounts`: volume name → path, read-only unless the volume is named in `writable`.

    `env` values are strings, or what becomes `valueFrom`.
    """
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": [_variable(key, value) for key, value in (env or {}).items()],
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory},
            "limits": {"memory": resources.memory_limit},
        },
        "volumeMounts": [_mount(volume, path, volume in writable) for volume, path in mounts.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # A container that dies says why in the pod's status, where whoever waits for it finds it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **more,
    }


def _variable(name: str, value: str | kinds.EnvVarSource) -> kinds.EnvVar:
    if isinstance(value, str):
        return {"name": name, "value": value}
    return {"name": name, "valueFrom": value}


def _mount(volume: str, path: str, writable: bool) -> kinds.VolumeMount:
    if writable:
        return {"name": volume, "mountPath": path}
    return {"name": volume, "mountPath": path, "readOnly": True}


def template(
    labels: Mapping[str, str],
    containers: Sequence[kinds.Container],
    volumes: Sequence[kinds.Volume],
    *,
    annotations: Mapping[str, str] | None = None,
    service_account: str | None = None,
    token: bool = False,
    service_links: bool = False,
    grace_seconds: int = 30,
    **more: Unpack[kinds.PodSpecMore],
) -> kinds.PodTemplateSpec:
    """A pod template. Without a `service_account` the namespace's default one is used, without its token.

    With `service_links` the containers find the addresses of the namespace's Services in their environment.
    """
    metadata: kinds.ObjectMeta = {"labels": dict(labels)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    spec: kinds.PodSpec = {
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


def config_volume(name: str, config_map: str, *, optional: bool = False) -> kinds.Volume:
    """A ConfigMap's files. `optional`: the pod starts without it, and gets the files when it is there."""
    source: kinds.ConfigMapVolumeSource = {"name": config_map, "defaultMode": 0o444}
    if optional:
        source["optional"] = True
    return {"name": name, "configMap": source}


def secret_volume(
    name: str,
    secret: str,
    keys: Sequence[str] = (),
    *,
    at_times: Sequence[str] = (),
    optional: bool = False,
) -> kinds.Volume:
    """A Secret's files, readable by the pod's group alone; with `keys`, only those of them.

    `at_times`: keys beside these that the Secret may lack. `optional`: the Secret may be missing when the
    pod starts; the pod gets the files when it is there.
    """
    source: kinds.SecretVolumeSource = {"secretName": secret, "defaultMode": 0o440}
    if keys:
        source["items"] = [{"key": key, "path": key} for key in (*keys, *at_times)]
    if at_times or optional:
        source["optional"] = True
    return {"name": name, "secret": source}


def scratch_volume(name: str, size: str, *, memory: bool = False) -> kinds.Volume:
    """Room that lives as long as the pod; in memory it counts against the container's limit."""
    room: kinds.EmptyDirVolumeSource = {"sizeLimit": size}
    if memory:
        room["medium"] = "Memory"
    return {"name": name, "emptyDir": room}


def claim_volume(name: str, claim: str) -> kinds.Volume:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def script_probe(script: str, *arguments: str, period: int, failures: int, timeout: int = 10) -> kinds.Probe:
    """A probe by a script of the pod's configuration; times in seconds."""
    return {
        "exec": {"command": ["/bin/sh", config_file(script), *arguments]},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }


def apart(where: Mapping[str, str], *, zones: bool) -> kinds.PodSpecMore:
    """Away from pods with the labels `where`: on other nodes, and in other zones where there are any.

    Only with `zones` by a topology spread constraint: a node without a zone could take no pod.
    """
    terms = [_away("kubernetes.io/hostname", 100, where), _away(_ZONE, 50, where)]
    spread: kinds.PodSpecMore = {
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}
    }
    if zones:
        spread["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": _ZONE,
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": dict(where)},
            }
        ]
    return spread


def _away(key: str, weight: int, where: Mapping[str, str]) -> kinds.WeightedPodAffinityTerm:
    return {
        "weight": weight,
        "podAffinityTerm": {"topologyKey": key, "labelSelector": {"matchLabels": dict(where)}},
    }
