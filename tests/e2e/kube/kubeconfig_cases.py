"""Kubeconfigs of all kinds, and what kubectl makes of each: it works, or is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

EXEC = "client.authentication.k8s.io"


@dataclass
class Cluster:
    """A real API server, the ways to it, and who is known there."""

    server: str
    authority: bytes
    certificate: bytes
    key: bytes
    token: str
    plain: str
    """The same server over plain HTTP (`kubectl proxy`), where everybody is the administrator."""
    below: str
    """The same, below a path."""
    http_proxy: str
    https_proxy: str
    socks_proxy: str


@dataclass
class Case:
    """`files` by name. KUBECONFIG names `listed`, a colon between; else --kubeconfig names `config`."""

    files: dict[str, str | dict[str, Any]]
    listed: str = ""
    context: str | None = None
    environment: dict[str, str] = field(default_factory=dict[str, str])


Make = Callable[[Cluster], Case | dict[str, Any] | str]
WORKS: dict[str, Make] = {}
REFUSED: dict[str, Make] = {}


def works(make: Make) -> Make:
    WORKS[make.__name__] = make
    return make


def refused(make: Make) -> Make:
    REFUSED[make.__name__] = make
    return make


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def config(at: Cluster, *, user: dict[str, Any] | None = None, **cluster: Any) -> dict[str, Any]:
    """A kubeconfig with one context; what is given replaces the token, or adds to the cluster."""
    there: dict[str, Any] = {"server": at.server, "certificate-authority-data": b64(at.authority), **cluster}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [
            {"name": "there", "cluster": {key: value for key, value in there.items() if value is not None}}
        ],
        "contexts": [{"name": "here", "context": {"cluster": "there", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": at.token} if user is None else user}],
    }


def certificate(at: Cluster) -> dict[str, str]:
    return {"client-certificate-data": b64(at.certificate), "client-key-data": b64(at.key)}


def plugin(version: str = "v1", command: str = "./plugin", **more: Any) -> dict[str, Any]:
    return {
        "exec": {"apiVersion": f"{EXEC}/{version}", "command": command, "interactiveMode": "Never", **more}
    }


def answer(version: str = "v1", **status: str) -> str:
    """A program that prints this credential."""
    text = json.dumps({"kind": "ExecCredential", "apiVersion": f"{EXEC}/{version}", "status": status})
    return f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n"


def write(case: Case, folder: Path) -> None:
    """Write the files; what begins with #! may be run."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(0o700)
