"""Faults made on purpose, from outside the pods of a sandbox: processes killed or frozen, networks cut.

From inside, a container's first process ignores SIGKILL and SIGSTOP, and a pod can't lose its network. Every
call takes effect within milliseconds and returns the moment (`time.time()`) at which it had. A fault never
outlives the sandbox. What a killed program left behind ends with `heal_all`, or with `fwb sandbox up` once no
program that makes faults is there any more; a cut also ends by itself after CUT_LIMIT.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from typing import Literal, TextIO

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox import cgroups, host, process
from filewallball.sandbox.containers import Container, Containers
from filewallball.sandbox.programs import SYSTEM_PATH

Direction = Literal["both", "in", "out", "closed"]

CUT_LIMIT = 900
"""The longest time for which a pod may be cut off, in seconds."""
FREEZE_LIMIT = 10
"""The longest time that a frozen container's processes may take to stop, in seconds."""
TABLE = "ip fwb-faults"

_RULES = f"""\
add table {TABLE}
add set {TABLE} deaf {{ type ipv4_addr; flags timeout; }}
add set {TABLE} mute {{ type ipv4_addr; flags timeout; }}
add set {TABLE} closed {{ type ipv4_addr; flags timeout; }}
add chain {TABLE} forward {{ type filter hook forward priority filter - 10; }}
add chain {TABLE} input {{ type filter hook input priority filter - 10; }}
add chain {TABLE} output {{ type filter hook output priority filter - 10; }}
flush table {TABLE}
add rule {TABLE} forward ip daddr @deaf drop
add rule {TABLE} forward ip saddr @mute drop
add rule {TABLE} forward ip daddr @closed ip protocol tcp reject with tcp reset
add rule {TABLE} input ct direction original ip saddr @mute drop
add rule {TABLE} output ct direction reply ip daddr @deaf drop
"""
"""What is cut when pods are cut off from the network.

All that passes between pods is forwarded, on open connections too; the addresses of Services are translated
by then. Between a pod and its node only what the pod began is cut (to the API server). A real cut doesn't
come between the kubelet and its probes either, and a failed probe would be another fault.
"""
_SETS = {"both": ("deaf", "mute"), "in": ("deaf",), "out": ("mute",), "closed": ("closed",)}
_ALL_SETS = ("deaf", "mute", "closed")


def cut_script(address: str, owner: str, direction: Direction) -> str:
    """The nftables script that cuts one address off in `direction`, and not in another one any more."""
    element = f"{address} timeout {CUT_LIMIT}s comment {json.dumps(owner)}"
    cuts = [f"add element {TABLE} {each} {{ {element} }}" for each in _SETS[direction]]
    return _RULES + "\n".join([_removal(address), *cuts, ""])


def _removal(address: str) -> str:
    """Deletes an element, of which nftables insists that it be there, by adding it first."""
    return "\n".join(
        f"{verb} element {TABLE} {each} {{ {address} }}" for each in _ALL_SETS for verb in ("add", "delete")
    )


def cuts_in(listing: str) -> dict[str, dict[str, set[str]]]:
    """Pod (`namespace/name`) → address → the sets that it is in, from nft's JSON listing of our table."""
    found: dict[str, dict[str, set[str]]] = {}
    for entry in json.loads(listing)["nftables"]:
        for element in entry.get("set", {}).get("elem", []):
            content = element["elem"]
            addresses = found.setdefault(content["comment"], {})
            addresses.setdefault(content["val"], set()).add(entry["set"]["name"])
    return found


class Faults:
    """The faults of one running sandbox. Every method raises UserError where there is nothing to act on."""

    def __init__(self, sandbox: str) -> None:
        host.check()
        self.sandbox = sandbox
        self._supervisor: process.Identity | None = None
        self._alive()
        self._lock = _presence(sandbox)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let `fwb sandbox up` heal what is left."""
        self._lock.close()

    def pid(self, namespace: str, pod: str, container: str = "valkey") -> int:
        """The number, on this machine, of the container's first process."""
        return self._running(namespace, pod, container)[0]

    def kill(self, namespace: str, pod: str, container: str = "valkey") -> float:
        """Send SIGKILL to the container's first process; all others in it die with it."""
        return _signal(self._running(namespace, pod, container)[:1], signal.SIGKILL)

    def kill_pods(self, namespace: str, pods: Iterable[str]) -> float:
        """Send SIGKILL to every process in the containers of many pods, within milliseconds.

        The pods keep their addresses and their emptyDirs, as with any containers that end.
        """
        containers = self._containers()
        found = [each for pod in pods for each in containers.of_pod(namespace, pod)]
        return _signal([pid for each in found for pid in each.processes()], signal.SIGKILL)

    def stop(self, namespace: str, pod: str, container: str = "valkey") -> float:
        """Freeze all processes of the container (SIGSTOP), also those that it starts meanwhile."""
        return freeze(self._containers().running(namespace, pod, container))

    def resume(self, namespace: str, pod: str, container: str = "valkey") -> float:
        """End a freeze (SIGCONT)."""
        return _signal(self._running(namespace, pod, container), signal.SIGCONT)

    def cut(self, namespace: str, pod: str, direction: Direction) -> float:
        """Drop what reaches the pod (`in`), what it sends (`out`) or both; replaces an earlier cut of it.

        `closed`: nothing is dropped, but refused, as where no program listens: by TCP's reset at each packet.
        Packets of open connections and of those to Services are dropped too, silently. What the node opens to
        the pod passes: kubelet probes, and `kubectl exec`, `logs` and `port-forward`, which use no network.
        A pod that is replaced gets another address, which is not cut off. Ends after CUT_LIMIT by itself.
        """
        address = self._containers().address(namespace, pod)
        return self._nft(cut_script(address, f"{namespace}/{pod}", direction))

    def heal(self, namespace: str, pod: str) -> float:
        """End the cut of a pod, also of one that is gone or was never cut off.

        Open connections go on with TCP's next repetition, which comes later the longer the cut was.
        """
        addresses = self._cuts().get(f"{namespace}/{pod}", {})
        if not addresses:
            return time.time()
        return self._nft("\n".join(_removal(each) for each in addresses))

    def heal_all(self, namespace: str = "") -> float:
        """End every cut and every freeze, whoever made them: in one namespace, or in the whole sandbox."""
        moment = thaw(self._alive(), namespace)
        addresses = [
            address
            for owner, cut in self._cuts().items()
            for address in cut
            if not namespace or owner.startswith(f"{namespace}/")
        ]
        return self._nft("\n".join(_removal(each) for each in addresses)) if addresses else moment

    def active(self) -> list[str]:
        """The cuts and freezes that are in place now, a line each."""
        cuts = [
            f"network of {owner} ({'+'.join(sorted(each))}) is cut off"
            for owner, addresses in sorted(self._cuts().items())
            for each in addresses.values()
        ]
        return cuts + [f"{each} is frozen" for each in self._containers().all() if each.stopped()]

    def run_inside(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        timeout: float = 10.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine in the pod's network, where a cut-off server can still be asked.

        Raises subprocess.TimeoutExpired after `timeout` seconds; a failing program is the caller's to judge.
        """
        inside = ["nsenter", f"--net=/proc/{self.pid(namespace, pod, container)}/ns/net", "--", *argv]
        return subprocess.run(
            inside, check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=timeout
        )

    def _running(self, namespace: str, pod: str, container: str) -> list[int]:
        return self._containers().running(namespace, pod, container).processes()

    def _alive(self) -> process.Identity:
        """The supervisor, which is another one after the sandbox was restarted."""
        if self._supervisor is None or not self._supervisor.alive():
            self._supervisor = process.running(paths.sandbox_dir(self.sandbox))
            if self._supervisor is None:
                raise UserError(
                    f"sandbox {self.sandbox} does not run, and faults can be made only in a sandbox",
                    f"Run `fwb sandbox up --name {self.sandbox}`.",
                )
            self._found = Containers.of(self._supervisor.pid)
        return self._supervisor

    def _containers(self) -> Containers:
        self._alive()
        return self._found

    def _cuts(self) -> dict[str, dict[str, set[str]]]:
        done = self._nft_command("--json", "list", "table", *TABLE.split())
        if done.returncode and "No such file" not in done.stderr:
            raise UserError(f"nft can't list cuts: {done.stderr.strip()}", "Run `apt-get install nftables`.")
        return {} if done.returncode else cuts_in(done.stdout)

    def _nft(self, script: str) -> float:
        done = self._nft_command("--file", "-", script=script)
        if done.returncode:
            raise UserError(
                f"nft refused a cut: {done.stderr.strip()}",
                "Start a kernel that has nftables with conntrack.",
            )
        return time.time()

    def _nft_command(self, *arguments: str, script: str = "") -> subprocess.CompletedProcess[str]:
        inside = ["nsenter", f"--net=/proc/{self._alive().pid}/ns/net", "nft", *arguments]
        environment = {**os.environ, "PATH": SYSTEM_PATH}
        return subprocess.run(
            inside,
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            input=script,
            env=environment,
        )


def freeze(container: Container) -> float:
    """Stop every process of a container; returns when none of them does anything any more.

    A signal is only noted by the call that sends it: on a busy machine its process goes on for milliseconds.
    """
    deadline = time.monotonic() + FREEZE_LIMIT
    sent: set[int] = set()
    while new := [pid for pid in container.processes() if pid not in sent]:
        _signal(new, signal.SIGSTOP)
        sent.update(new)
        while container.at_work():
            if time.monotonic() > deadline:
                raise UserError(
                    f"{container} still runs {FREEZE_LIMIT} s after SIGSTOP",
                    "Try again when this machine is less busy.",
                )
            time.sleep(0.001)
    return time.time()


def thaw(supervisor: process.Identity, namespace: str = "") -> float:
    """End every freeze in the sandbox of this supervisor, or in one namespace of it."""
    chosen = [each for each in Containers.of(supervisor.pid).all() if namespace in ("", each.namespace)]
    # To all of them: a process that waits in the kernel has its SIGSTOP still before it.
    return _signal([pid for each in chosen if each.stopped() for pid in each.processes()], signal.SIGCONT)


def heal_abandoned(sandbox: str) -> list[str]:
    """Heal a running sandbox unless a program that makes faults is at work in it; returns what was healed."""
    with _presence(sandbox) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        fcntl.flock(lock, fcntl.LOCK_UN)
    cgroups.share_evenly(paths.sandbox_context(sandbox), cgroups.mounted())
    faults = Faults(sandbox)
    with contextlib.closing(faults):
        if found := faults.active():
            faults.heal_all()
        return found


def _presence(sandbox: str) -> TextIO:
    """The lock that every program with `Faults` shares; the kernel drops it however the program ends."""
    return (paths.sandbox_dir(sandbox) / "faults.lock").open("a")


def _signal(pids: Iterable[int], number: signal.Signals) -> float:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return time.time()
