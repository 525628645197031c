"""What a stack says about itself when it is up: where things are and how to reach them. No secret values."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components import schema
from components.described import Address, Description, Password


def outputs(stack: schema.Settings, parts: Sequence[Description]) -> dict[str, Any]:
    """The stack's outputs, as plain data: what each part says of itself, as this cluster calls it."""
    kubectl = _kubectl(stack)

    def host(address: Address) -> str:
        return f"{address.service}.{stack.namespace}.svc:{address.port}"

    def password(where: Password) -> str:
        template = f'{{{{index .data "{where.key}" | base64decode}}}}'
        return f"{kubectl} get secret {where.secret} -o go-template='{template}'"

    told: dict[str, Any] = {"namespace": stack.namespace}
    told |= {key: {} for key in ("hosts", "masters", "users", "passwords", "connect", "versions")}
    if any(part.outputs.buckets for part in parts):
        told["buckets"] = {}
    for part in parts:
        out = part.outputs
        for name, where in out.buckets.items():
            told["buckets"][name] = where
        told["hosts"] |= {
            name: host(where) if isinstance(where, Address) else [host(each) for each in where]
            for name, where in out.hosts.items()
        }
        told["masters"] |= out.masters
        told["users"] |= out.users
        told["passwords"] |= {name: password(where) for name, where in out.passwords.items()}
        told["connect"] |= {name: f"{kubectl} exec -it {rest}" for name, rest in out.connect.items()}
        told["versions"] |= {image.name: image.reference for image in part.images}
    return told


def _kubectl(stack: schema.Settings) -> str:
    """The command that reaches the stack's namespace."""
    kubectl = "kubectl"
    if config := stack.cluster.kubeconfig_path():
        if stack.cluster.sandbox:
            kubectl = str(Path(config).with_name("kubectl"))  # the sandbox's own stands beside its kubeconfig
        kubectl = f"{shlex.quote(kubectl)} --kubeconfig {shlex.quote(config)}"
    if stack.cluster.context:
        kubectl += f" --context {shlex.quote(stack.cluster.context)}"
    return f"{kubectl} -n {stack.namespace}"
