"""The cgroups of a sandbox: one root per hierarchy, of which version 1 has several and version 2 one."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from filewallball.errors import UserError
from filewallball.sandbox import mounts

_NEEDED_V1 = ("cpu", "cpuacct", "cpuset", "memory", "pids")
"""The controllers that the kubelet needs, under the names of cgroups version 1."""
_REQUIRED_V2 = ("cpuset", "cpu", "memory", "pids")
"""The same under the names of version 2."""
_WELCOME_V2 = ("io",)

_SHARES = {1: (256, 1024), 2: (10, 100)}
"""Of the processor, by version: for a sandbox's own programs when they yield to its pods, and as usual.

The kubelet gives the pods of a machine with two processors 2048, and 79 by version 2.
"""
_SYSTEM = "system"
_LEAF = "init"
"""The group that processes are moved to when they stand in the way. Docker's own image, kind and k3s name it
so.
"""


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup file system."""

    path: Path
    version: int
    controllers: frozenset[str]
    read_only: bool = False


def hierarchies(mountinfo: str) -> list[Hierarchy]:
    """The cgroup mounts in the text of /proc/self/mountinfo."""
    found: dict[Path, Hierarchy] = {}
    for mount in mounts.parse(mountinfo):
        if mount.kind == "cgroup":
            found[mount.path] = Hierarchy(mount.path, 1, mount.options, mount.read_only)
        elif mount.kind == "cgroup2":
            found[mount.path] = Hierarchy(mount.path, 2, frozenset(), mount.read_only)
    return list(found.values())


def governing(found: list[Hierarchy]) -> list[Hierarchy]:
    """Those with controllers: version 2 beside version 1 has none."""
    return [each for each in found if each.version == 1] or found


def mounted() -> list[Hierarchy]:
    """All of this machine; runc makes groups in each, with controllers or without."""
    return hierarchies(mounts.TABLE.read_text(encoding="utf-8"))


def offered(hierarchy: Hierarchy) -> set[str]:
    """The controllers of a hierarchy; those of version 2 are read from its root."""
    if hierarchy.version == 1:
        return set(hierarchy.controllers)
    try:
        return set((hierarchy.path / "cgroup.controllers").read_text(encoding="utf-8").split())
    except OSError:
        return set()


def missing(found: list[Hierarchy]) -> set[str]:
    """Controllers that the kubelet needs and this machine doesn't offer."""
    needed = _REQUIRED_V2 if any(each.version == 2 for each in found) else _NEEDED_V1
    on_offer = {name for each in found for name in offered(each)}
    return {name for name in needed if name not in on_offer}


def create(name: str, found: list[Hierarchy]) -> list[Path]:
    """Make `/<name>` in each hierarchy; returns the groups below it, for the sandbox's own programs."""
    groups: list[Path] = []
    for hierarchy in found:
        root = hierarchy.path / name
        system = root / _SYSTEM
        system.mkdir(parents=True, exist_ok=True)
        if hierarchy.version == 2:
            for parent in (hierarchy.path, root):
                _delegate(parent)
        for group in (root, system):
            if "cpuset" in hierarchy.controllers:
                _inherit_cpuset(group)
        groups.append(system)
    return groups


@contextlib.contextmanager
def yielding(name: str, found: list[Hierarchy]) -> Generator[None]:
    """Meanwhile the sandbox's own programs get an eighth of a busy processor at most: its pods have the rest.

    Most of them would run on other machines than a cluster's pods. So it is for what measures pods. While
    many pods start, it makes everything slower.
    """
    _share(name, found, yields=True)
    try:
        yield
    finally:
        share_evenly(name, found)


def share_evenly(name: str, found: list[Hierarchy]) -> None:
    """As it is when a sandbox starts."""
    _share(name, found, yields=False)


def _share(name: str, found: list[Hierarchy], *, yields: bool) -> None:
    for hierarchy in found:
        file = "cpu.weight" if hierarchy.version == 2 else "cpu.shares"
        group = hierarchy.path / name / _SYSTEM / file
        if group.exists():
            group.write_text(str(_SHARES[hierarchy.version][0 if yields else 1]), encoding="utf-8")


def _delegate(parent: Path) -> None:
    """Let the groups below `parent` have the controllers that are needed; raises UserError if they can't."""
    for controller in _WELCOME_V2:
        with contextlib.suppress(OSError):
            turn_on(parent, [controller])
    try:
        turn_on(parent, _REQUIRED_V2)
    except OSError as error:
        raise UserError(
            f"The cgroup {parent} can't pass its controllers on: {error.strerror}.",
            "Start the container with `--privileged --cgroupns=private`. Elsewhere, end the process in  "
            f"{parent}/cgroup.procs can't be moved.",
        ) from error


def turn_on(parent: Path, controllers: Iterable[str]) -> None:
    """Turn controllers on for the groups below `parent`, where they aren't yet; raises OSError.

    Version 2 lets no group but the true root have both processes and children with controllers: the processes
    of a container are in the group that it sees as the root. They are moved into a group beside ours.
    """
    control = parent / "cgroup.subtree_control"
    on = (
        {each.lstrip("+") for each in control.read_text(encoding="utf-8").split()}
        if control.exists()
        else set[str]()
    )
    wanted = " ".join(f"+{each}" for each in controllers if each not in on)
    if not wanted:
        return
    try:
        control.write_text(wanted, encoding="utf-8")
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EOPNOTSUPP):
            raise
        _move_processes(parent, parent / _LEAF)
        control.write_text(wanted, encoding="utf-8")


def _move_processes(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for _ in range(10):  # a process may start another meanwhile
        # 0 stands for a process that this container doesn't see; written, it would mean ourselves.
        found = [
            each for each in (source / "cgroup.procs").read_text(encoding="utf-8").split() if each != "0"
        ]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(OSError):  # it may have ended; one that can't be moved is met again
                (target / "cgroup.procs").write_text(pid, encoding="utf-8")


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
                f"These cgroups can't be removed: {', '.join(map(str, left))}",
                "Look at their cgroup.procs, and end the processes that are listed there.",
            )
        kill_all(name, found)
        time.sleep(0.02)
