"""The cgroups of a sandbox: one root per hierarchy, of which version 1 has several and version 2 one."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from filewallball.errors import UserError

MOUNTS = Path("/proc/self/mountinfo")

# What the kubelet insists on, in each version's own names.
_NEEDED_V1 = {"cpu", "cpuacct", "cpuset", "memory", "pids"}
_NEEDED_V2 = ("cpuset", "cpu", "io", "memory", "pids")


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup file system."""

    path: Path
    version: int
    controllers: frozenset[str]


def hierarchies(mountinfo: str) -> list[Hierarchy]:
    """The cgroup mounts in the text of /proc/self/mountinfo."""
    found: dict[Path, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        path = Path(before.split()[4])
        if kind == "cgroup":
            found[path] = Hierarchy(path, 1, frozenset(options.split(",")))
        elif kind == "cgroup2":
            found[path] = Hierarchy(path, 2, frozenset())
    return list(found.values())


def governing(found: list[Hierarchy]) -> list[Hierarchy]:
    """Those with controllers: version 2 beside version 1 has none."""
    return [each for each in found if each.version == 1] or found


def mounted() -> list[Hierarchy]:
    """All of this machine; runc makes groups in each, with controllers or without."""
    return hierarchies(MOUNTS.read_text(encoding="utf-8"))


def missing(found: list[Hierarchy]) -> set[str]:
    """Controllers that the kubelet needs and this machine doesn't offer."""
    if any(each.version == 2 for each in found):
        offered = set((found[0].path / "cgroup.controllers").read_text(encoding="utf-8").split())
        return {each for each in _NEEDED_V2 if each != "io"} - offered
    return _NEEDED_V1 - {name for each in found for name in each.controllers}


def create(name: str, found: list[Hierarchy]) -> list[Path]:
    """Make `/<name>` in each hierarchy; returns the groups below it, for the sandbox's own programs."""
    groups: list[Path] = []
    for hierarchy in found:
        root = hierarchy.path / name
        system = root / "system"
        system.mkdir(parents=True, exist_ok=True)
        if hierarchy.version == 2:
            for parent in (hierarchy.path, root):
                _delegate(parent)
        for group in (root, system):
            if "cpuset" in hierarchy.controllers:
                _inherit_cpuset(group)
        groups.append(system)
    return groups


def _delegate(parent: Path) -> None:
    for controller in _NEEDED_V2:
        # One that is missing is reported by `missing`; one that is on already may refuse.
        with contextlib.suppress(OSError):
            (parent / "cgroup.subtree_control").write_text(f"+{controller}", encoding="utf-8")


def _inherit_cpuset(group: Path) -> None:
    """A new version 1 cpuset is empty and takes no process until it is filled."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        if not (group / file).read_text(encoding="utf-8").strip():
            (group / file).write_text((group.parent / file).read_text(encoding="utf-8"), encoding="utf-8")


def remove(name: str, found: list[Hierarchy]) -> list[Path]:
    """Remove `/<name>` in each hierarchy; returns what a process is still in and so could not go."""
    left: list[Path] = []
    for hierarchy in found:
        root = hierarchy.path / name
        for directory, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(FileNotFoundError):
                try:
                    Path(directory).rmdir()
                except OSError:
                    left.append(Path(directory))
    return left


def kill_all(name: str, found: list[Hierarchy]) -> None:
    """End every process that is still in the sandbox's groups: one that PID 1's end has not ended."""
    for hierarchy in found:
        for directory, _, _ in os.walk(hierarchy.path / name):
            with contextlib.suppress(OSError):
                for pid in (Path(directory) / "cgroup.procs").read_text(encoding="utf-8").split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)


def clear(name: str, found: list[Hierarchy]) -> None:
    """End what is still in the sandbox's groups, and remove them; raises UserError if that can't be done."""
    deadline = time.monotonic() + 10
    while left := remove(name, found):
        if time.monotonic() > deadline:
            raise UserError(
                f"cgroups that can't be removed: {', '.join(map(str, left))}", "see which process holds them"
            )
        kill_all(name, found)
        time.sleep(0.02)
