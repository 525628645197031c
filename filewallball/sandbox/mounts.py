"""The mount table: which file system a path lies on, and how it is mounted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Mount:
    """One line of the table. `options` are those of the mount and those of its file system."""

    path: Path
    kind: str
    options: frozenset[str]

    @property
    def read_only(self) -> bool:
        return "ro" in self.options


def parse(mountinfo: str) -> list[Mount]:
    """The mounts in the text of /proc/self/mountinfo, in its order."""
    found: list[Mount] = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        kind, _, of_file_system = after.split(" ", 2)
        options = {*fields[5].split(","), *of_file_system.split(",")}
        found.append(Mount(Path(_unescape(fields[4])), kind, frozenset(options)))
    return found


def holding(path: Path, table: list[Mount]) -> Mount | None:
    """The mount that `path` lies on: the deepest, and of several at one place the last."""
    above = [each for each in table if path.is_relative_to(each.path)]
    return max(enumerate(above), key=lambda pair: (len(pair[1].path.parts), pair[0]))[1] if above else None


def _unescape(text: str) -> str:
    """A space in a path is written `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
