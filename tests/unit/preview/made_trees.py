"""Small projects in repositories of git, and resources made by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from filewallball.engine.program.resources import Options, Resource
from tests.unit.small_program import HEAD

PROJECT = "name: shop\nruntime: python\nconfig:\n  word: {type: string, default: none, secret: true}\n"


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    call = ["git", *own, "-C", str(folder), *arguments]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()


class Repo:
    """A repository with a project in it."""

    def __init__(self, top: Path, below: str = "") -> None:
        self.top = top
        self.folder = top / below
        self.folder.mkdir(parents=True, exist_ok=True)
        git(top, "init", "--quiet")
        self.write(".gitignore", "__pycache__/\n")
        self.write("Pulumi.yaml", PROJECT)
        self.write("Pulumi.dev.yaml", "config: {}\n")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def program(self, text: str) -> None:
        self.write("__main__.py", HEAD + text)

    def commit(self, text: str | None = None) -> str:
        if text is not None:
            self.program(text)
        git(self.top, "add", "--all")
        git(self.top, "commit", "--quiet", "--allow-empty", "--message", "a change")
        return git(self.top, "rev-parse", "HEAD")


def resource(kind: str, name: str, body: dict[str, Any] | None = None, **options: Any) -> Resource:
    """An object of Kubernetes as a program registers it. `kind`: `apps/v1/StatefulSet`, `v1/Secret`."""
    version, _, plain = kind.rpartition("/")
    token = f"kubernetes:{version if '/' in version else f'core/{version}'}:{plain}"
    metadata = {"name": name, "namespace": "n", **(body or {}).pop("metadata", {})}
    return Resource(
        urn=f"urn:pulumi:dev::shop::{token}::{name}",
        type=token,
        name=name,
        props={"apiVersion": version, "kind": plain, "metadata": metadata, **(body or {})},
        options=Options(**options),
    )


def workload(kind: str, name: str, component: str = "", image: str = "x/y:1", **spec: Any) -> Resource:
    """A StatefulSet or Deployment with one container. `component`: the role that its label says."""
    labels = {"app.kubernetes.io/component": component} if component else {}
    template = {"metadata": {}, "spec": {"containers": [{"name": "main", "image": image}]}}
    body: dict[str, Any] = {"metadata": {"labels": labels}, "spec": {"template": template, **spec}}
    return resource(f"apps/v1/{kind}", name, body)
