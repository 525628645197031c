#!/usr/bin/env python3
"""Writes the list of checks into docs/runbook.md; with --check, says whether it is current."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "runbook.md"
sys.path.insert(0, str(ROOT))

from generated_page import write_or_check  # noqa: E402

from filewallball.checks.runner import Check  # noqa: E402
from filewallball.checks.suites import ALL  # noqa: E402

START = "<!-- The list is made by scripts/runbook_list.py. -->\n"
END = "<!-- /The list -->\n"


def main() -> int:
    return write_or_check(document(TARGET.read_text(encoding="utf-8")), TARGET, ROOT, Path(__file__).name)


def document(page: str) -> str:
    """The page with the list as it must be."""
    rows = "".join(f"| [{each.name}](#{each.name}) | {_when(each)} | {_about(each)} |\n" for each in ALL)
    head = "| check | runs | what it does, or what is so when it is OK |\n| --- | --- | --- |\n"
    table = f"{START}\n{head}{rows}\n{END}"
    return re.sub(f"{re.escape(START)}.*?{re.escape(END)}", lambda _: table, page, flags=re.DOTALL)


def _when(check: Check) -> str:
    if check.deep:
        return "with `--deep` or by name"
    return "always" if check.quick else "after a change, and without `--quick`"


def _about(check: Check) -> str:
    return (inspect.getdoc(check.run) or "").splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
