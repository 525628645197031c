"""Project folders for stacks of the tests on the shared sandbox."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
PROGRAM = ("Pulumi.yaml", "__main__.py", "settings.py", "components", "facts")
LITTLE_CPU = Path(__file__).with_name("little_cpu.yaml")


def write_stack(project: Path, name: str, sandbox: str, **config: Any) -> None:
    """Put the program of this repository and the file of one stack into the folder.

    The namespace has the stack's name. `config` is laid over what all stacks of the tests have.
    """
    for part in PROGRAM:
        link = project / part
        if not link.is_symlink():
            link.symlink_to(REPOSITORY / part)
    shared: dict[str, Any] = {
        "cluster": {"sandbox": sandbox},
        "namespace": name,
        "disposable": True,
        "backup": {"store": {"inCluster": True}},
        # Never while a test runs, which counts pods, and copies in the store: half a month from today.
        "valkey": {"snapshots": {"schedule": f"0 0 {_far_day()} * *", "maxAgeHours": 768}},
        # The machine is shared with other tests: that it is slow says nothing about a server.
        "checks": {"cacheLatencyMs": 500, "databaseLatencyMs": 1000},
    }
    values = _laid_over(_laid_over(yaml.safe_load(LITTLE_CPU.read_text(encoding="utf-8")), shared), config)
    text = yaml.safe_dump({"config": {f"filewallball:{key}": value for key, value in values.items()}})
    (project / f"Pulumi.{name}.yaml").write_text(text, encoding="utf-8")


def _far_day() -> int:
    return (datetime.now().day + 13) % 28 + 1


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _laid_over(below[key], above[key])
        for key in below.keys() & above.keys()
        if isinstance(below[key], dict) and isinstance(above[key], dict)
    }
    return below | above | both
