"""What this machine is, as its /proc says, and what of it rules a sandbox out.

Nothing is tried and nothing changed here: see `trials` for what has to be tried. Everything is read below a
root directory, so that tests can bring the files of other machines.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from filewallball.sandbox import cgroups, mounts
from filewallball.sandbox.mounts import Mount

PRIVILEGED = "Start the container with `--privileged`."
GIB = 1024**3
LEAST_MEMORY = 2 * GIB
"""Bytes of the whole machine or container: the sandbox takes one GiB, the dev stack most of another."""
LEAST_KERNEL = (5, 13)
"""What kube-proxy needs for nftables."""

CAPABILITIES = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_ADMIN": 12,
    "SYS_CHROOT": 18,
    "SYS_PTRACE": 19,
    "SYS_ADMIN": 21,
    "MKNOD": 27,
}
"""Numbers of the capabilities (capability.h) that runc, the kubelet or we ourselves use."""
UNFIT = frozenset(
    {
        "9p",
        "cifs",
        "drvfs",
        "exfat",
        "fuse.sshfs",
        "fuseblk",
        "nfs",
        "nfs4",
        "ntfs3",
        "smb3",
        "vboxsf",
        "vfat",
    }
)
"""File systems that lack what the cluster's database or containers need: locks, shared memory maps, owners or
devices.
"""


@dataclass(frozen=True)
class Fault:
    """Something that rules a sandbox out, and what to do about it: a sentence each."""

    problem: str
    advice: str


class Machine:
    """The machine whose /proc, /sys and /dev lie below `root`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def path(self, path: str | Path) -> Path:
        return self._root / str(path).lstrip("/")

    def read(self, path: str) -> str:
        """The text of a file, empty where there is none."""
        try:
            return self.path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.path(path))

    @property
    def release(self) -> str:
        """The kernel's version, such as `6.1.0-13-amd64`."""
        return self.read("/proc/sys/kernel/osrelease").strip()

    @property
    def wsl(self) -> bool:
        return "microsoft" in self.release.lower()

    @property
    def contained(self) -> bool:
        """Whether this is a container, as far as a container can tell."""
        marks = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
        return any(map(self.exists, marks)) or "container=" in self.read("/proc/1/environ")

    def status(self, key: str) -> str:
        found = re.search(rf"^{key}:\s*(\S+)", self.read("/proc/self/status"), re.MULTILINE)
        return found[1] if found else ""

    def guards(self) -> str:
        """What may refuse a system call though the capabilities allow it, for the end of a sentence."""
        profile = self.read("/proc/self/attr/current").strip("\0\n ")
        found = ["a seccomp filter"] if self.status("Seccomp") == "2" else []
        if profile.endswith("(enforce)"):
            found.append(f"the AppArmor profile {profile.split()[0]}")
        return f" ({' and '.join(found)} may be what refuses it)" if found else ""

    def memory(self) -> int:
        """Bytes: what the machine has, or what the container may use of it."""
        total = re.search(r"^MemTotal:\s*(\d+) kB", self.read("/proc/meminfo"), re.MULTILINE)
        limits = [int(total[1]) * 1024] if total else []
        files = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
        limits += [int(limit) for file in files if (limit := self.read(file).strip()).isdigit()]
        return min(limits, default=LEAST_MEMORY)

    def mounts(self) -> list[Mount]:
        return mounts.parse(self.read("/proc/self/mountinfo"))


def faults(machine: Machine, state: Path, cache: Path) -> list[Fault]:
    """What rules a sandbox out that keeps its files in the directory `state` and its programs in `cache`."""
    if fault := _user_namespace(machine):
        return [fault]  # of which all else would be a consequence
    found = [_kernel(machine), _capabilities(machine), _kmsg(machine), _memory(machine)]
    found += [_cgroups(machine)]
    table = machine.mounts()
    found += [_state(state, mounts.holding(state, table)), _cache(cache, mounts.holding(cache, table))]
    return [each for each in found if each]


def disk_faults(needs: Iterable[tuple[Path, int, str]]) -> list[Fault]:
    """What of `needs` (a folder, bytes, what for) there is no room for; needs of one disk add up."""
    wanted: dict[int, list[tuple[Path, int, str]]] = {}
    for path, size, purpose in needs:
        there = next(each for each in (path, *path.parents) if each.exists())
        wanted.setdefault(there.stat().st_dev, []).append((there, size, purpose))
    found: list[Fault] = []
    for shares in wanted.values():
        folder, total = shares[0][0], sum(size for _, size, _ in shares)
        if (free := shutil.disk_usage(folder).free) < total:
            purposes = ", ".join(f"{size / GIB:.0f} GiB for {purpose}" for _, size, purpose in shares)
            problem = f"{free / GIB:.1f} GiB are free on the disk of {folder}, too little: {purposes}."
            advice = (
                "Make room, or set FWB_STATE (state), FWB_CACHE (programs, images) or GOCACHE to a "
                "folder on another disk."
            )
            found.append(Fault(problem, advice))
    return found


def _user_namespace(machine: Machine) -> Fault | None:
    mapping = machine.read("/proc/self/uid_map").split()
    if not mapping or mapping == ["0", "0", "4294967295"]:
        return None
    return Fault(
        "Root here is root of a user namespace only (a rootless or unprivileged container): it can't make "
        "what a sandbox is made of.",
        "Run as root of the machine itself, or in a privileged container whose engine runs as root.",
    )


def _kernel(machine: Machine) -> Fault | None:
    found = re.match(r"(\d+)\.(\d+)", machine.release)
    if not found or (int(found[1]), int(found[2])) >= LEAST_KERNEL:
        return None
    needed = ".".join(map(str, LEAST_KERNEL))
    if machine.wsl:
        advice = "In Windows, run `wsl --update`, `wsl --set-version DISTRIBUTION 2` and `wsl --shutdown`."
    else:
        advice = "Start a newer kernel."
    return Fault(
        f"Linux {machine.release} is too old: kube-proxy needs {needed} or newer for nftables.", advice
    )


def _capabilities(machine: Machine) -> Fault | None:
    effective = machine.status("CapEff")
    if not effective:
        return None
    lacking = [name for name, bit in CAPABILITIES.items() if not int(effective, 16) >> bit & 1]
    if not lacking:
        return None
    names = ", ".join(f"CAP_{each}" for each in lacking)
    return Fault(f"Root lacks the capabilities {names}, as in a container that isn't privileged.", PRIVILEGED)


def _kmsg(machine: Machine) -> Fault | None:
    if machine.exists("/dev/kmsg"):
        return None
    return Fault(
        "There is no /dev/kmsg, and the kubelet doesn't start without it.",
        "Start the container with `--device /dev/kmsg`, or run `ln -s /dev/null /dev/kmsg`.",
    )


def _memory(machine: Machine) -> Fault | None:
    if (found := machine.memory()) >= LEAST_MEMORY * 0.9:  # the kernel keeps a part for itself
        return None
    return Fault(
        f"{found / GIB:.1f} GiB of memory are too little: a sandbox with the dev stack needs "
        f"{LEAST_MEMORY / GIB:.0f} GiB.",
        "Give the machine more memory, or raise the container's limit (`--memory`).",
    )


def _cgroups(machine: Machine) -> Fault | None:
    found = cgroups.hierarchies(machine.read("/proc/self/mountinfo"))
    if not found:
        return Fault(
            "No cgroups are mounted.",
            f"{PRIVILEGED} On a machine of its own, run `mount -t cgroup2 none /sys/fs/cgroup`.",
        )
    governing = cgroups.governing(found)
    if closed := [str(each.path) for each in governing if each.read_only]:
        return Fault(f"The cgroups at {', '.join(closed)} are mounted read-only.", PRIVILEGED)
    below = [replace(each, path=machine.path(each.path)) for each in found]
    return _controllers(machine, cgroups.governing(below), below)


def _controllers(
    machine: Machine, governing: list[cgroups.Hierarchy], found: list[cgroups.Hierarchy]
) -> Fault | None:
    lost = cgroups.missing(governing)
    if not lost:
        return _threaded(governing[0])
    names = ", ".join(sorted(lost))
    beside = [each for each in found if each.version == 2 and each not in governing]
    if any(lost & cgroups.offered(each) for each in beside):
        return Fault(
            f"The cgroup controllers {names} belong to version 2 here, and all others to version 1.",
            "Start the kernel with `systemd.unified_cgroup_hierarchy=1`, so that version 2 has them all.",
        )
    off = re.findall(r"^(\S+)\s+\d+\s+\d+\s+0$", machine.read("/proc/cgroups"), re.MULTILINE)
    if lost & set(off):
        advice = "Start the kernel without `cgroup_disable=`; for memory, with `cgroup_enable=memory`."
    elif machine.contained:
        advice = f"{PRIVILEGED} If it is a service of systemd, set `Delegate=yes` there."
    else:
        advice = "Start a kernel that has them."
    return Fault(f"The kernel offers no cgroup controller for {names} here.", advice)


def _threaded(group: cgroups.Hierarchy) -> Fault | None:
    try:
        kind = (group.path / "cgroup.type").read_text(encoding="utf-8").strip()
    except OSError:
        return None  # the true root has no type, and version 1 knows none
    if kind == "domain":
        return None
    return Fault(
        f"The cgroup at /sys/fs/cgroup is of type `{kind}`, in which no memory can be counted.",
        "Start the container with `--cgroupns=private`, so that it gets a cgroup of its own.",
    )


def _state(path: Path, mount: Mount | None) -> Fault | None:
    if mount is None:
        return None
    elsewhere = "Put it elsewhere: set FWB_STATE to a folder on a local disk that can be written to."
    if mount.kind in UNFIT:
        return Fault(f"The sandboxes' state at {path} lies on {mount.kind}, which can't hold it.", elsewhere)
    if mount.read_only:
        return Fault(f"The sandboxes' state at {path} lies on a read-only file system.", elsewhere)
    return None


def _cache(path: Path, mount: Mount | None) -> Fault | None:
    if mount is None:
        return None
    elsewhere = "Put it elsewhere: set FWB_CACHE to a folder on a local disk from which programs may be run."
    for option, problem in {
        "ro": "a read-only file system",
        "noexec": "a file system mounted noexec",
    }.items():
        if option in mount.options:
            return Fault(f"The cache of programs at {path} lies on {problem}.", elsewhere)
    return None
