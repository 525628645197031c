"""What is in a cluster from the start: cluster DNS and the default StorageClass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from filewallball import paths
from filewallball.kube import Kube
from filewallball.sandbox.programs import Node

MANIFESTS = Path(__file__).parent / "addons.yaml"
MANAGER = "fwb-sandbox"


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFESTS.read_text()))


def apply(node: Node) -> None:
    """Apply the add-ons; what is as it should be stays untouched."""
    with Kube.connect(paths.sandbox_kubeconfig(node.name), None) as kube:
        for manifest in manifests():
            kube.apply(manifest, manager=MANAGER, force=True)
