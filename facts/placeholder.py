"""What stands in a stack's file where only its owner knows the value."""

from __future__ import annotations

from typing import Final

PLACEHOLDER: Final = "SET-ME"
