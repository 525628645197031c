"""Jobs made from what the stack holds: the pod of a CronJob or of a PodTemplate, told to do something else.

What the pod can reach and may do is then as declared, and no credential leaves the cluster.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any

from facts.pods import UID

Object = dict[str, Any]


def unique(prefix: str) -> str:
    """A name that no other Job has."""
    return f"{prefix}{secrets.token_hex(3)}"


def job(
    name: str, namespace: str, template: Object, *, labels: Object | None = None, **spec: object
) -> Object:
    """A Job that runs a pod of this template once: what went wrong in the first try is what is told."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
        "spec": {**spec, "backoffLimit": 0, "template": template},
    }


def restricted(labels: Object, container: Object, volumes: list[Object]) -> Object:
    """The template of a pod that asks the cluster for nothing, and that Pod Security `restricted` admits."""
    return {
        "metadata": {"labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 5,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "runAsGroup": UID,
                "fsGroup": UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    **container,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
            "volumes": volumes,
        },
    }


def of_cron_job(cron_job: Object, name: str, namespace: str, **spec: object) -> Object:
    """A Job as the CronJob makes it, with a name of its own and these fields in place of the CronJob's."""
    made: Object = cron_job["spec"]["jobTemplate"]
    fields: Object = {**made["spec"], **spec}
    labels = made.get("metadata", {}).get("labels", {})
    return job(name, namespace, fields.pop("template"), labels=labels, **fields)


def counted(manifest: Object, cron_job: Object) -> Object:
    """The Job as one of the CronJob's own: the CronJob then starts no second one beside it."""
    meta = cron_job["metadata"]
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }
    # as `kubectl create job --from` does it
    more = {"annotations": {"cronjob.kubernetes.io/instantiate": "manual"}, "ownerReferences": [owner]}
    return {**manifest, "metadata": {**manifest["metadata"], **more}}


def told(template: Object, **words: Sequence[str]) -> Object:
    """The pod's template with another `command` or other `args` for its first container."""
    first, *others = template["spec"]["containers"]
    given = {field: list(value) for field, value in words.items()}
    return {**template, "spec": {**template["spec"], "containers": [{**first, **given}, *others]}}


def with_secret(template: Object, name: str, folder: str, key: str, variable: str) -> Object:
    """The pod's template whose first container finds a key of the Secret in `folder`; a variable says so."""
    spec = template["spec"]
    first, *others = spec["containers"]
    volume = {"name": "given", "secret": {"secretName": name, "items": [{"key": key, "path": key}]}}
    mount = {"name": "given", "mountPath": folder, "readOnly": True}
    told_so = {"name": variable, "value": f"{folder}/{key}"}
    container = {
        **first,
        "env": [*first.get("env", []), told_so],
        "volumeMounts": [*first.get("volumeMounts", []), mount],
    }
    volumes = [*spec.get("volumes", []), volume]
    return {**template, "spec": {**spec, "containers": [container, *others], "volumes": volumes}}


def secret_of(job: Object, key: str, data: bytes) -> Object:
    """A Secret with the Job's name, which the cluster removes together with the Job."""
    meta = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "ownerReferences": [owner]},
        "data": {key: base64.b64encode(data).decode()},
        "immutable": True,
    }
