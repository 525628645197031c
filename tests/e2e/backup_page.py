"""The commands of docs/backup-recovery.md, as its blocks have them."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "backup-recovery.md"
PAGES_NAME = "filewallball_backup_20261121_010000.sql.gz"
PAGES_MOMENT = "2026-11-21 10:15:00"


def commands(heading: str = "") -> list[str]:
    """The lines of all blocks, or of those below a heading up to the next one, as they are typed."""
    text = PAGE.read_text(encoding="utf-8")
    if heading:
        [text] = re.findall(
            rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, flags=re.MULTILINE | re.DOTALL
        )
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]
