"""Tries, in namespaces of its own, what a sandbox will do; prints one JSON line for each thing tried.

Runs as a script with nothing but the standard library, in the namespaces that `unshare` made for it, as the
supervisor does. Whatever it makes goes with the namespaces, but for its directory, which the caller removes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

RULES = """
table ip fwb-trial {
  map services { type ipv4_addr . inet_proto . inet_service : verdict; }
  chain mark-packet {
    meta mark set meta mark or 0x4000
  }
  chain pick {
    numgen random mod 2 vmap { 0 : goto mark-packet, 1 : goto mark-packet }
  }
  chain nat-out {
    type nat hook postrouting priority srcnat;
    masquerade fully-random
  }
  chain nat-in {
    type nat hook prerouting priority dstnat;
    fib daddr type local ip daddr . meta l4proto . th dport vmap @services
    ip daddr 192.0.2.1 dnat to 192.0.2.2
  }
  chain forwarded {
    type filter hook forward priority filter;
    ct state established accept
    reject with icmp admin-prohibited
  }
}
"""
"""A few lines of each kind that kube-proxy, the port mapper and our own network policies put into the kernel.
"""


def mounts(_: Path) -> None:
    _run("mount", "--make-rshared", "/")
    _run("mount", "-t", "proc", "proc", "/proc")
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    Path("/run/net").touch()
    _run("mount", "--bind", "/proc/self/ns/net", "/run/net")


def settings(_: Path) -> None:
    """The kubelet sets some of the kernel's settings, and we allow forwarding."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="utf-8")
    overcommit = Path("/proc/sys/vm/overcommit_memory")
    overcommit.write_text(overcommit.read_text(encoding="utf-8"), encoding="utf-8")


def devices(_: Path) -> None:
    os.mknod("/run/null", 0o020666, os.makedev(1, 3))
    os.close(os.open("/run/null", os.O_RDWR))


def root(_: Path) -> None:
    new = Path("/run/new")
    new.mkdir()
    _run("mount", "-t", "tmpfs", "tmpfs", str(new))
    (new / "old").mkdir()
    # In namespaces of its own once more: what is tried afterwards keeps its root.
    _run("unshare", "--mount", "pivot_root", str(new), str(new / "old"))


def execute(directory: Path) -> None:
    program = directory / "true"
    shutil.copy(shutil.which("true") or "/bin/true", program)
    _run(str(program))


def overlay(directory: Path) -> None:
    """As containerd tries it, and a program run from it."""
    for name in ("lower", "upper", "work", "merged"):
        (directory / name).mkdir()
    shutil.copy(shutil.which("true") or "/bin/true", directory / "lower" / "true")
    options = ",".join(f"{name}dir={directory / name}" for name in ("lower", "upper", "work"))
    _run("mount", "-t", "overlay", "-o", options, "overlay", str(directory / "merged"))
    _run(str(directory / "merged" / "true"))
    (directory / "merged" / "true").unlink()


def veth(_: Path) -> None:
    _run("ip", "link", "add", "fwbtrial0", "type", "veth", "peer", "name", "fwbtrial1")


def nft(_: Path) -> None:
    _run("nft", "--file", "-", given=RULES)


def kmsg(_: Path) -> None:
    os.close(os.open("/dev/kmsg", os.O_RDONLY))


TRIALS: tuple[Callable[[Path], None], ...] = (
    mounts,
    settings,
    devices,
    root,
    execute,
    overlay,
    veth,
    nft,
    kmsg,
)


def _run(*argv: str, given: str | None = None) -> None:
    done = subprocess.run(
        argv, input=given, encoding="utf-8", errors="replace", capture_output=True, check=False
    )
    if done.returncode:
        raise OSError(f"{argv[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def main(directory: Path) -> None:
    for trial in TRIALS:
        problem = ""
        try:
            trial(directory)
        except OSError as error:
            problem = str(error)
        print(json.dumps({"name": trial.__name__, "problem": problem}), flush=True)
        if problem and trial is mounts:
            return  # what follows would be tried on the machine's own /run


if __name__ == "__main__":
    main(Path(sys.argv[1]))
