"""What one tree declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from filewallball.engine.program.resources import Resource


@dataclass
class Rendered:
    """What one tree declares; `there` is False for a tree that doesn't have the stack."""

    there: bool = False
    project: str = ""
    resources: list[Resource] = field(default_factory=list[Resource])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
