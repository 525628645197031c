"""Accounts of the namespace, and what they may do in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pulumi

from components.kube import metadata

if TYPE_CHECKING:
    from components import kinds

_GROUP = "rbac.authorization.k8s.io"


def service_account(
    name: str, namespace: pulumi.Input[str], labels: Mapping[str, str], annotations: Mapping[str, str]
) -> kinds.ServiceAccount:
    """A ServiceAccount. A pod that needs its token asks for it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(name, namespace, labels, annotations),
        "automountServiceAccountToken": False,
    }


def role(
    name: str, namespace: pulumi.Input[str], labels: Mapping[str, str], rules: Iterable[kinds.PolicyRule]
) -> kinds.Role:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata(name, namespace, labels),
        "rules": list(rules),
    }


def binding(
    name: str, namespace: pulumi.Input[str], labels: Mapping[str, str], accounts: Iterable[str]
) -> kinds.RoleBinding:
    """Gives the role of the same name to the accounts."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(name, namespace, labels),
        "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": name},
        "subjects": [_subject(account, namespace) for account in accounts],
    }


def _subject(account: str, namespace: pulumi.Input[str]) -> kinds.Subject:
    return {"kind": "ServiceAccount", "name": account, "namespace": namespace}
