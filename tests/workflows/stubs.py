"""Programs of the cloud as stubs on PATH: they write down how they are called, and answer as told."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

STUB = """#!/bin/sh
for each in "$@"; do printf '%s\\0' "$each"; done >>"{log}"
printf '\\n' >>"{log}"
for each in "$@"; do
	case $each in body=@*) cat "${{each#body=@}}" >>"{bodies}" ;; esac
	if [ "$last" = --body-file ]; then cat "$each" >>"{bodies}"; fi
	last=$each
done
{script}
"""


class Stubs:
    """A folder for PATH, and what was asked of the programs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.bodies = folder / "bodies.txt"

    def add(self, program: str, script: str = "exit 0") -> None:
        """Make a stub. `script`: what it does after it has written down its arguments."""
        path = self.folder / program
        text = STUB.format(log=self.folder / f"{program}.log", bodies=self.bodies, script=script)
        path.write_text(text, encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def calls(self, program: str) -> list[list[str]]:
        """The arguments of each call."""
        log = self.folder / f"{program}.log"
        lines = log.read_text(encoding="utf-8").split("\0\n") if log.exists() else []
        return [line.split("\0") for line in lines if line]

    def written(self) -> str:
        """All bodies of comments and issues that were sent."""
        return self.bodies.read_text(encoding="utf-8") if self.bodies.exists() else ""

    @property
    def path(self) -> str:
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"


def answering(listing: object, jq: str = "") -> str:
    """A stub script of `gh` that answers a question (`--jq`) about `listing`, and takes everything else."""
    data = json.dumps(listing)
    return f"""
case "$*" in *--jq*) python3 - <<'END'
import json, os
for each in json.loads({data!r}):
    if {jq or "True"}:
        print(each.get("id") or each.get("number"))
END
;; esac"""
