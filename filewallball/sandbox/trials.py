"""What a sandbox asks of the kernel, tried before one is made: a fault is named here, not met later."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filewallball.sandbox import mounts, trial
from filewallball.sandbox.machine import PRIVILEGED, Fault, Machine

NAMESPACES = ("--pid", "--fork", "--mount", "--net", "--ipc", "--uts", "--propagation", "private")
"""Options of `unshare` for the namespaces of a sandbox."""

OVERLAY, NATIVE = "overlayfs", "native"
"""containerd's ways to put the layers of an image together: by the kernel, or by copying them."""
_TIMEOUT = 60.0
"""Seconds. The trials take a fraction of one."""

_PROBLEMS = {
    "mounts": "A sandbox can't mount what it needs: {problem}.",
    "settings": "The kernel's settings can't be written in a sandbox: {problem}.",
    "devices": "Containers can't get devices: {problem}.",
    "root": "Containers can't get a root directory of their own (pivot_root): {problem}.",
    "execute": "Programs below {state} can't be run: {problem}.",
    "veth": "The kernel makes no veth pair, which a sandbox needs for its network: {problem}.",
    "nft": "The kernel refuses the nftables rules that Services and network policies need: {problem}.",
    "kmsg": "The kubelet can't read /dev/kmsg: {problem}.",
}


@dataclass(frozen=True)
class Verdict:
    """What the trials have found: faults, and the snapshotter that containerd can use."""

    faults: list[Fault]
    snapshotter: str
    note: str = ""


def run(state: Path, machine: Machine) -> Verdict:
    """Try everything, with scratch files in the directory `state`, of which nothing stays."""
    above = next(each for each in (state, *state.parents) if each.exists())
    try:
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=state, prefix=".trial-") as scratch:
            done = subprocess.run(
                ["unshare", *NAMESPACES, sys.executable, "-I", "-S", trial.__file__, scratch],
                check=False,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=_TIMEOUT,
            )
    except OSError as error:
        advice = "Set FWB_STATE to a folder that can be written to."
        return Verdict([Fault(f"The sandboxes' state can't be written to {state}: {error}.", advice)], "")
    except subprocess.TimeoutExpired:
        problem = f"What a sandbox needs of the kernel could not be tried within {_TIMEOUT:.0f} s."
        return Verdict([Fault(problem, "End what keeps the machine busy, and run the command again.")], "")
    finally:
        _remove_empty(state, above)
    failed = done.stderr.strip() or f"exit code {done.returncode}"
    return judge(done.stdout, failed if done.returncode else "", state, machine)


def _remove_empty(folder: Path, above: Path) -> None:
    """Remove the folders that were made for the trials, from `folder` up to what was there before."""
    with contextlib.suppress(OSError):
        while folder != above:
            folder.rmdir()
            folder = folder.parent


def judge(output: str, errors: str, state: Path, machine: Machine) -> Verdict:
    """The verdict on what the trials printed; `errors` is what they said if they did not end well."""
    results = {found["name"]: found["problem"] for found in map(json.loads, output.splitlines())}
    last = errors.strip().rpartition("\n")[2].rstrip(".") or "no reason is given"
    if not results:
        return Verdict([Fault(f"A sandbox can't get namespaces of its own: {last}.", _permit(machine))], "")
    if errors:
        return Verdict([Fault(f"What a sandbox needs could not be tried: {last}.", _permit(machine))], "")
    snapshotter, note = OVERLAY, ""
    if results.get("overlay"):
        snapshotter, note = NATIVE, _overlay_note(results["overlay"], state, machine)
    elif "overlay" in results:
        # What forbids programs in a folder doesn't reach through an overlay, which is what containers get.
        results["execute"] = ""
    faults = [
        Fault(_PROBLEMS[name].format(problem=_tidy(problem), state=state), _advice(name, machine))
        for name, problem in results.items()
        if problem and name in _PROBLEMS
    ]
    return Verdict(faults, snapshotter, note)


def _tidy(problem: str) -> str:
    """One line, without a full stop; of what nft says that names the fault, not the rule."""
    lines = [each.strip() for each in problem.splitlines() if each.strip(" ^~")]
    return (lines[0] if lines else "no reason is given").rstrip(".")


def _overlay_note(problem: str, state: Path, machine: Machine) -> str:
    mount = mounts.holding(state, machine.mounts())
    kind = "overlayfs, as in a container" if mount and mount.kind == "overlay" else mount and mount.kind
    why = f"{state} lies on {kind}" if kind else _tidy(problem)
    return (
        f"The kernel makes no overlay here ({why}): images are copied instead, which takes more disk. "
        "To avoid it, set FWB_STATE to a folder on ext4, xfs or btrfs (in a container: a volume)."
    )


def _advice(name: str, machine: Machine) -> str:
    if name in ("mounts", "settings", "devices", "root"):
        return _permit(machine)
    if name == "execute":
        return "Set FWB_STATE to a folder on a file system that isn't mounted noexec."
    if name == "kmsg":
        return "Start the container with `--privileged`, or with `--device /dev/kmsg`."
    modules = (
        "veth" if name == "veth" else "nf_tables nft_fib_ipv4 nft_fib_inet nft_masq nft_nat nft_ct nft_reject"
    )
    if machine.wsl:
        return "Run `wsl --update` and `wsl --shutdown` in Windows: newer kernels of WSL have it."
    if machine.contained:
        return f"On the machine that runs this container, run `modprobe --all {modules}`."
    if not machine.exists(f"/lib/modules/{machine.release}"):
        return (
            f"If the kernel was updated, restart the machine: the modules of the running {machine.release} "
            "are gone. If not, start a kernel that has it."
        )
    return f"Run `modprobe --all {modules}`; if that fails, start a kernel that has them."


def _permit(machine: Machine) -> str:
    if machine.contained or machine.guards():
        return f"{PRIVILEGED[:-1]}, which lifts seccomp and AppArmor as well{machine.guards()}."
    return "Run as root of the machine itself, outside of a chroot and of a user namespace."
