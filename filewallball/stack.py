"""Where a stack lives: its cluster and namespace, by its own settings."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filewallball import paths
from filewallball.errors import ConfigError
from filewallball.kube import Kube
from filewallball.project import load_project, load_stack


@dataclass(frozen=True, slots=True)
class Place:
    """A stack's namespace on its cluster."""

    stack: str
    namespace: str
    kube: Kube
    disposable: bool = False
    sandbox: str | None = None
    """The sandbox that is its cluster, if one is."""

    def __str__(self) -> str:
        return f"namespace {self.namespace} of {self.kube.context}"


def find(project: Path, stack: str) -> Place:
    """Read the stack's settings and open its cluster. Raises ConfigError (exit 2) for wrong settings."""
    settings = _settings(project, stack)
    cluster = settings.cluster
    context = paths.sandbox_context(cluster.sandbox) if cluster.sandbox else cluster.context
    kubeconfig = cluster.kubeconfig_path()
    return Place(
        stack,
        settings.namespace,
        # a relative path starts from the project's folder, as for the engine and the Pulumi CLI
        Kube.connect(str(project.resolve() / kubeconfig) if kubeconfig else None, context),
        settings.disposable,
        cluster.sandbox,
    )


def images(root: Path, stack: str) -> dict[str, str | None]:
    """Every image that the stack runs, by the dotted path of its setting, as its file or a default names it.

    None: built from this checkout, and named by it. One without a digest is no fault here.
    """
    return dict(_settings(root, stack, lambda module: module.images))


def _settings(
    root: Path, stack: str, wanted: Callable[[Any], Callable[..., Any]] = lambda module: module.load
) -> Any:
    """The stack's values by the one reader, as a function of its own program's settings sees them."""
    project = load_project(root)
    config = load_stack(project, stack)
    folder = project.main.parent
    if not (folder / "settings.py").is_file():
        raise ConfigError(
            f"{folder} holds no Pulumi program with settings.py",
            "Run fwb in the project's folder, or name the folder with --cwd.",
        )
    sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module("settings")
        return wanted(module)(config.values, stack, secret=config.secret_keys)
    except Exception as error:
        if getattr(error, "exit_code", 1) == ConfigError.exit_code:
            raise ConfigError(str(error)) from None
        raise
    finally:
        sys.path.remove(str(folder))
