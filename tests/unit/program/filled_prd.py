"""Pulumi.prd.yaml as it is committed, and as its owner leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from facts.placeholder import PLACEHOLDER
from tests.unit.program.program_run import AWS, DIGEST, ROOT

REGISTRY = "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/filewallball"
PROGRAM = ("components", "facts", "__main__.py", "settings.py", "Pulumi.yaml", "images", "filewallball")


def committed() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "Pulumi.prd.yaml").read_text(encoding="utf-8"))["config"]
    return {key.partition(":")[2]: value for key, value in document.items()}


def filled() -> dict[str, Any]:
    """A copy as its owner leaves it: only what reads SET-ME is another."""
    values = committed()
    values["cluster"]["context"] = "production"
    for name in ("mariadb", "redis", "valkey"):
        values[name]["image"] = values[name]["image"].replace(f"@sha256:{PLACEHOLDER}", DIGEST)
    for place in (
        values["mariadb"]["storage"],
        values["valkey"]["storage"],
        values["valkey"]["sentinelStorage"],
    ):
        place["storageClass"] = "gp3-retain"
    values["backup"]["store"]["aws"] |= AWS
    for name in ("toolkit", "agent"):
        values[name]["image"] = f"{REGISTRY}/{name}:1{DIGEST}"
    assert PLACEHOLDER not in json.dumps(values)
    return values


def link_program(folder: Path) -> None:
    """Make the folder a project of its own with the committed program, which needs stacks yet."""
    for name in PROGRAM:
        (folder / name).symlink_to(ROOT / name)


def write(folder: Path, values: dict[str, Any]) -> Path:
    """Write these settings into the project's Pulumi.prd.yaml."""
    config = {f"filewallball:{key}": value for key, value in values.items()}
    (folder / "Pulumi.prd.yaml").write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    return folder
