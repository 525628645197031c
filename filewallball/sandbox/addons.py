"""What is in a cluster from the start: cluster DNS and the default StorageClass."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml

from filewallball import paths
from filewallball.sandbox.programs import Node

MANIFESTS = Path(__file__).parent / "addons.yaml"
MANAGER = "fwb-sandbox"


def manifests() -> list[dict[str, Any]]:
    """The objects; pods are stamped with the text that all come from, so that a change of it rolls them."""
    text = MANIFESTS.read_text(encoding="utf-8")
    found = list(yaml.safe_load_all(text))
    stamp = {"filewallball.io/checksum": hashlib.sha256(text.encode()).hexdigest()[:12]}
    for manifest in found:
        if manifest["kind"] == "Deployment":
            manifest["spec"]["template"]["metadata"]["annotations"] = stamp
    return found


def apply(node: Node) -> None:
    """Apply the add-ons; what is as it should be stays untouched."""
    from filewallball.kube import Kube  # costs what a second `up` has no use for

    with Kube.connect(paths.sandbox_kubeconfig(node.name), None) as kube:
        for manifest in manifests():
            kube.apply(manifest, manager=MANAGER, force=True)
