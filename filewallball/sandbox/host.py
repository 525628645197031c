"""What the machine itself must bring along: Linux, root, and a few of Debian's packages."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from filewallball import paths
from filewallball.errors import ConfigError, UserError
from filewallball.sandbox import machine, trials
from filewallball.sandbox.machine import Fault, Machine
from filewallball.sandbox.progress import Progress

_OTHER_CLUSTER = (
    "any other cluster: set `filewallball:cluster: {context: NAME}` in Pulumi.STACK.yaml to a context of "
    "your kubeconfig."
)
ALTERNATIVE = f"Use {_OTHER_CLUSTER}"

PROGRAMS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "runc": "runc",
    "unshare": "util-linux",
}
"""Each program that is needed, with the Debian package that brings it."""
LIMITS = {
    Path("/proc/sys/fs/inotify/max_user_instances"): 1024,
    Path("/proc/sys/fs/inotify/max_user_watches"): 524288,
}
"""Limits of the kernel that several kubelets on one machine exceed ("too many open files"). kind asks for the
same.
"""
_PATH = os.pathsep.join(["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])


def missing_packages() -> list[str]:
    return sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=_PATH)})


def check() -> None:
    """Raise ConfigError where a sandbox can't run as the machine is, naming the alternative."""
    if sys.platform != "linux":
        raise ConfigError("A sandbox needs Linux", ALTERNATIVE)
    if os.geteuid() != 0:
        raise ConfigError(
            "A sandbox needs root: it makes namespaces and cgroups",
            f"Run as root (sudo), or use {_OTHER_CLUSTER}",
        )
    _refuse(machine.faults(Machine(), paths.state_dir(), paths.cache_dir()))


def try_out(state: Path, progress: Progress) -> str:
    """Try what a sandbox with its state in this folder needs, then widen limits that a cluster soon meets.

    Returns how containerd is to put images together. Raises ConfigError with each thing that was refused.
    """
    _refuse(machine.disk_faults(_disk_needs()))
    verdict = trials.run(state, Machine())
    _refuse(verdict.faults)
    if verdict.note:
        progress.say(verdict.note)
    for limit, least in LIMITS.items():
        _raise_limit(limit, least, progress)
    return verdict.snapshotter


def _disk_needs() -> list[tuple[Path, int, str]]:
    needs = [(paths.state_dir(), machine.GIB, "a sandbox's data")]
    if not list((paths.cache_dir() / "bin").glob("programs-*")):
        needs += [(paths.cache_dir(), 2 * machine.GIB, "programs and images")]
        go_cache = Path(os.environ.get("GOCACHE") or Path.home() / ".cache" / "go-build")
        needs += [(go_cache, 6 * machine.GIB, "building the programs once")]
    return needs


def _refuse(faults: list[Fault]) -> None:
    if not faults:
        return
    *others, last = faults
    told = [f"{each.problem}\n  {each.advice}" for each in others]
    raise ConfigError("\n".join([*told, last.problem]), f"{last.advice}\n  Or use {_OTHER_CLUSTER}")


def prepare(progress: Progress) -> None:
    """Check the machine, and install the packages that it lacks."""
    check()
    packages = missing_packages()
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise UserError(
            f"This machine lacks {', '.join(packages)} and has no apt-get",
            f"Install them, or use {_OTHER_CLUSTER}",
        )
    with progress.step(f"installing {', '.join(packages)} with apt"):
        update_package_lists()
        _apt("install", "--yes", "--no-install-recommends", *packages)
    if still := missing_packages():
        raise UserError(f"apt installed {', '.join(still)}, but their programs aren't there", ALTERNATIVE)


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
            f"apt-get {arguments[0]} failed:\n{tail}",
            "Correct apt's sources or its proxy, and run the command again.",
        )
