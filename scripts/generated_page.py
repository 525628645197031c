"""What the scripts that make a page of docs/ share: they write it, or say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(text: str, target: Path, root: Path, script: str) -> int:
    """Write `text` to `target`. With --check, nothing is written, and 1 means that the page is stale."""
    if "--check" in sys.argv:
        current = target.exists() and target.read_text(encoding="utf-8") == text
        print("current" if current else f"{target.relative_to(root)} is stale: run {script}")
        return 0 if current else 1
    target.write_text(text, encoding="utf-8")
    return 0
