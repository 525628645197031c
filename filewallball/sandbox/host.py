"""What the machine itself must bring along: Linux, root, and a few of Debian's packages."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filewallball.errors import UserError
from filewallball.sandbox import cgroups
from filewallball.sandbox.progress import Progress

ALTERNATIVE = (
    "use any other cluster instead: set `filewallball:cluster: {context: NAME}` in Pulumi.<stack>.yaml "
    "to a context of your kubeconfig"
)

# Program: the Debian package that brings it.
PROGRAMS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "unshare": "util-linux",
}
# Kernel limits that several kubelets side by side exceed ("too many open files"); kind asks for the same.
LIMITS = {
    Path("/proc/sys/fs/inotify/max_user_instances"): 1024,
    Path("/proc/sys/fs/inotify/max_user_watches"): 524288,
}
_PATH = os.pathsep.join(["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


def missing_packages() -> list[str]:
    return sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=_PATH)})


def check() -> None:
    """Raise UserError where a sandbox can't run, naming the alternative."""
    if sys.platform != "linux":
        raise UserError("a sandbox needs Linux", ALTERNATIVE)
    if os.geteuid() != 0:
        raise UserError(
            "a sandbox needs root: it makes namespaces and cgroups", f"run as root (sudo), or {ALTERNATIVE}"
        )
    found = cgroups.governing(cgroups.mounted())
    if lost := cgroups.missing(found) if found else {"any"}:
        raise UserError(f"the kernel offers no cgroup controller for {', '.join(sorted(lost))}", ALTERNATIVE)


def prepare(progress: Progress) -> None:
    """Check the machine, install the packages that it lacks, and widen limits that a cluster soon meets."""
    check()
    for limit, least in LIMITS.items():
        _raise_limit(limit, least, progress)
    packages = missing_packages()
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise UserError(
            f"this machine lacks {', '.join(packages)} and has no apt-get", f"install them, or {ALTERNATIVE}"
        )
    with progress.step(f"installing {', '.join(packages)} with apt"):
        update_package_lists()
        _apt("install", "--yes", "--no-install-recommends", *packages)
    if still := missing_packages():
        raise UserError(f"apt installed {', '.join(still)} but not their programs", ALTERNATIVE)


def _raise_limit(limit: Path, least: int, progress: Progress) -> None:
    if int(limit.read_text(encoding="utf-8")) >= least:
        return
    try:
        limit.write_text(str(least), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{limit} must be {least} or more: {error.strerror}", ALTERNATIVE) from error
    progress.say(f"raised {limit} to {least}, for as long as this machine runs")


def update_package_lists() -> None:
    """Fetch apt's lists; a source that can't be reached is left to the installation that would need it."""
    with contextlib.suppress(UserError):
        _apt("update")


def upgrade(package: str) -> None:
    """Install the newest version of a package that the machine's own archive has."""
    update_package_lists()
    _apt("install", "--yes", "--no-install-recommends", package)


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": _PATH}
    # Waits for another apt; starts no service of what it installs.
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, encoding="utf-8", errors="replace", env=environment
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise UserError(
            f"apt-get {arguments[0]} failed:\n{tail}", "mend apt's sources or its proxy, and run again"
        )
