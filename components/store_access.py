"""How pods reach the store of backups: what they are told, and what they mount."""

from __future__ import annotations

from typing import Any

import pulumi

from components import pods, schema
from components.kube import labels, metadata
from facts import backup, snapshots, store
from facts.checks.backups import StoreTarget
from facts.pods import secret_file, secret_folder

_LABELS = labels(store.LEASE, "backup")
_CA_VOLUME = "store-ca"


def secret(settings: schema.Store) -> str | None:
    """The Secret with the store's keys; None where the ServiceAccount's own role is used."""
    return store.CREDENTIALS if settings.in_cluster else settings.credentials_secret


def endpoint(settings: schema.Store) -> str | None:
    """The URL of the store as pods see it; None for AWS."""
    return store.ENDPOINT if settings.in_cluster else settings.endpoint


def target(settings: schema.Store, folder: str = "") -> StoreTarget:
    """The store as a pod sees it; `folder` comes after its own prefix."""
    keys = secret(settings)
    token = settings.session_token_key
    return StoreTarget(
        endpoint=endpoint(settings),
        region=settings.region,
        bucket=settings.bucket_name,
        prefix=settings.prefix + folder,
        access_key_file=secret_file(keys, store.ACCESS_KEY) if keys else None,
        secret_key_file=secret_file(keys, store.SECRET_KEY) if keys else None,
        session_token_file=secret_file(keys, token) if keys and token else None,
        ca_file=f"{store.CA_PATH}/{settings.ca.key}" if settings.ca else None,
        addressing=settings.addressing,
    )


def environment(settings: schema.Store, folder: str = "") -> dict[str, str]:
    """What tells a pod of the store."""
    told = target(settings, folder)
    names = store.Variables
    values = {
        names.BUCKET: told.bucket,
        names.PREFIX: told.prefix,
        names.REGION: told.region,
        names.ENDPOINT: told.endpoint,
        names.ACCESS_KEY_FILE: told.access_key_file,
        names.SECRET_KEY_FILE: told.secret_key_file,
        names.SESSION_TOKEN_FILE: told.session_token_file,
        names.CA_FILE: told.ca_file,
        names.ADDRESSING: told.addressing,
        names.LEASE: store.LEASE if may_lack_guard(settings) else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def mounts(settings: schema.Store) -> dict[str, str]:
    """Volumes and the paths at which a pod needs them."""
    found: dict[str, str] = {}
    if keys := secret(settings):
        found["store"] = secret_folder(keys)
    if settings.ca:
        found[_CA_VOLUME] = store.CA_PATH
    return found


def volumes(settings: schema.Store) -> list[dict[str, Any]]:
    """The volumes of `mounts`."""
    found: list[dict[str, Any]] = []
    if keys := secret(settings):
        found.append(pods.secret_volume("store", keys))
    if settings.ca and settings.ca.secret:
        found.append(pods.secret_volume(_CA_VOLUME, settings.ca.secret, [settings.ca.key]))
    elif settings.ca and settings.ca.config_map:
        found.append(pods.config_volume(_CA_VOLUME, settings.ca.config_map))
    return found


def may_lack_guard(settings: schema.Store) -> bool:
    """Whether the store may be one that can't keep two writers apart: neither AWS nor the stack's own."""
    return settings.endpoint is not None


def lease_rights(namespace: pulumi.Input[str]) -> dict[str, dict[str, Any]]:
    """What lets the jobs that write into the store take turns, where it can't keep them apart itself."""
    group = "rbac.authorization.k8s.io"
    common = {"apiVersion": f"{group}/v1", "metadata": metadata(store.LEASE, namespace, _LABELS)}
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    return {
        "role": {
            **common,
            "kind": "Role",
            "rules": [
                {**leases, "verbs": ["create"]},  # a create can't be held to a name
                {**leases, "verbs": ["get", "update", "delete"], "resourceNames": [store.LEASE]},
            ],
        },
        "binding": {
            **common,
            "kind": "RoleBinding",
            "roleRef": {"apiGroup": group, "kind": "Role", "name": store.LEASE},
            "subjects": [
                {"kind": "ServiceAccount", "name": name, "namespace": namespace}
                for name in (backup.NAME, snapshots.NAME)
            ],
        },
    }
