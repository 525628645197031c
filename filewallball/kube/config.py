"""Which cluster is meant: a kubeconfig's path or content, a context in it, or the pod that we run in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import yaml
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError as LightkubeError

from filewallball.errors import ConfigError

EXEC_API = "client.authentication.k8s.io"


def load(kubeconfig: str | Path | None, context: str | None) -> SingleConfig:
    """Find server and credentials. Raises ConfigError that names the file and the contexts that there are."""
    if isinstance(kubeconfig, str) and ("\n" in kubeconfig or kubeconfig.lstrip().startswith("{")):
        return _select(_parse(kubeconfig, None), context, "the given kubeconfig")
    if kubeconfig:
        return _from_file(Path(kubeconfig).expanduser(), context)
    listed = [Path(name) for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    files = [path for path in listed or [Path("~/.kube/config").expanduser()] if path.is_file()]
    for path in files:
        config = _parse(path.read_text(), path)
        if (context or config.current_context) in config.contexts:
            return _select(config, context, str(path))
    if files:
        return _from_file(files[0], context)
    if context is None and (Path(SERVICE_ACCOUNT) / "token").is_file():
        return _select(KubeConfig.from_service_account(), None, SERVICE_ACCOUNT)
    raise ConfigError(
        "no cluster is configured: KUBECONFIG names no file and ~/.kube/config does not exist",
        "Give a kubeconfig, or start a sandbox with `fwb sandbox up`.",
    )


def _from_file(path: Path, context: str | None) -> SingleConfig:
    if not path.is_file():
        raise ConfigError(
            f"the kubeconfig {path} does not exist",
            "Start the cluster that writes it (`fwb sandbox up` for a sandbox), or correct the path.",
        )
    return _select(_parse(path.read_text(), path), context, str(path))


def _parse(text: str, path: Path | None) -> KubeConfig:
    where = str(path) if path else "the given kubeconfig"
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError:  # its message would quote lines of the file, and those may be keys
        raise ConfigError(f"{where} is not valid YAML") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{where} is not a kubeconfig")
    fields = cast("dict[str, Any]", content)
    for part in ("clusters", "contexts", "users"):
        fields[part] = fields.get(part) or []
    users: list[dict[str, Any]] = fields["users"]
    for user in users:
        details: dict[str, Any] = user.get("user") or {}
        _accept_exec_v1(details.get("exec"))
    try:
        return KubeConfig.from_dict(fields, fname=path)  # pyright: ignore[reportUnknownMemberType]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{where} is not a kubeconfig: {type(error).__name__}") from None


def _accept_exec_v1(plugin: dict[str, Any] | None) -> None:
    # lightkube knows the beta version only; the answer's fields that it reads are the same in v1
    if plugin and plugin.get("apiVersion") == f"{EXEC_API}/v1":
        info = {"apiVersion": f"{EXEC_API}/v1", "kind": "ExecCredential", "spec": {"interactive": False}}
        plugin["apiVersion"] = f"{EXEC_API}/v1beta1"
        plugin["env"] = [
            *(plugin.get("env") or []),
            {"name": "KUBERNETES_EXEC_INFO", "value": json.dumps(info)},
        ]


def _select(config: KubeConfig, context: str | None, where: str) -> SingleConfig:
    name = context or config.current_context
    known = ", ".join(sorted(config.contexts)) or "none"
    if not name:
        raise ConfigError(f"{where} has no current context", f"Name one of: {known}.")
    if name not in config.contexts:
        raise ConfigError(f"{where} has no context {name!r}", f"It has: {known}.")
    try:
        selected = config.get(name)
    except (KeyError, LightkubeError) as error:
        raise ConfigError(
            f"context {name!r} of {where} names a cluster or user that it lacks: {error}"
        ) from None
    if selected is None:
        raise ConfigError(f"{where} has no context {name!r}")
    return selected
