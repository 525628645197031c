"""What one tree declares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from filewallball.engine.program.resources import Resource
from filewallball.preview.policies import Violation


@dataclass
class Rendered:
    """What one tree declares; `there` is False for a tree that doesn't have the stack.

    `sealed`: its secure values couldn't be opened, and stand-ins are in their place.
    `warnings`: what its program warned of. `violations`: of policies; None where there is no pack.
    """

    there: bool = False
    sealed: bool = False
    project: str = ""
    resources: list[Resource] = field(default_factory=list[Resource])
    warnings: list[str] = field(default_factory=list[str])
    violations: list[Violation] | None = None
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
