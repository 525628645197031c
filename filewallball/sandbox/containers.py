"""The containers of a running sandbox as seen from the machine: their processes and their pods' addresses.

What is asked is containerd's own bookkeeping on disk, not the API server: it knows a container that started a
moment ago, costs a few milliseconds, and answers while the cluster is busy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filewallball.errors import UserError
from filewallball.sandbox import cgroups

_TASKS = Path("run/containerd/io.containerd.runtime.v2.task/k8s.io")
_KIND = "io.kubernetes.cri."


@dataclass(frozen=True)
class Container:
    """A container that is or was there; `name` is empty for the one that holds a pod's namespaces."""

    namespace: str
    pod: str
    name: str
    sandbox_id: str  # changes when the pod gets new namespaces, and so another address
    group: Path  # its cgroup, in one hierarchy

    def processes(self) -> list[int]:
        """Numbers, as this machine counts, of its living processes; the first started comes first."""
        try:
            pids = [int(each) for each in (self.group / "cgroup.procs").read_text(encoding="utf-8").split()]
        except OSError:
            return []
        found = {pid: fields for pid in pids if (fields := _stat(pid)) and fields[0] not in "ZX"}
        return sorted(found, key=lambda pid: (int(found[pid][19]), pid))

    def stopped(self) -> list[int]:
        """Those of its processes that SIGSTOP holds."""
        return [pid for pid in self.processes() if (fields := _stat(pid)) and fields[0] == "T"]

    def at_work(self) -> bool:
        """Whether one of its processes may still run a line of its program, or none is stopped yet.

        A process that waits in the kernel without heeding signals (D) comes to no line before its SIGSTOP
        holds it. One that has just called vfork waits like that for its child, which may be stopped itself.
        """
        states = {fields[0] for pid in self.processes() if (fields := _stat(pid))}
        return bool(states - set("TtD")) or states == {"D"}

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod}/{self.name}"


class Containers:
    """All containers of a sandbox that has its files below `root` and its cgroups below `hierarchy`."""

    def __init__(self, root: Path, hierarchy: Path) -> None:
        self._root = root
        self._hierarchy = hierarchy
        self._known: dict[str, Container] = {}

    @classmethod
    def of(cls, supervisor: int) -> Containers:
        """Those of the sandbox whose supervisor is this process."""
        return cls(Path(f"/proc/{supervisor}/root"), cgroups.governing(cgroups.mounted())[0].path)

    def all(self) -> list[Container]:
        """Those that containerd has a task for, pods' own ones included."""
        try:
            identifiers = [each.name for each in (self._root / _TASKS).iterdir()]
        except OSError:
            identifiers = []  # containerd has only just started, or the sandbox is ending
        known = {each: found for each in identifiers if (found := self._known.get(each) or self._read(each))}
        self._known = known
        return list(known.values())

    def _read(self, identifier: str) -> Container | None:
        try:
            text = (self._root / _TASKS / identifier / "config.json").read_text(encoding="utf-8")
        except OSError:
            return None  # it has just ended
        return parse(text, self._hierarchy)

    def running(self, namespace: str, pod: str, container: str) -> Container:
        """The running container of that name; raises UserError where there's none, saying what there is."""
        found = [(each, each.processes()) for each in self.all() if each.name == container]
        # Of a pod that was replaced under its name, both may be there for a moment: the newer one is meant.
        living = {
            processes[0]: each
            for each, processes in found
            if processes and (each.namespace, each.pod) == (namespace, pod)
        }
        if not living:
            raise UserError(
                f"No container {container} runs in pod {namespace}/{pod} of this sandbox",
                f"Choose from: {self._names(namespace)}.",
            )
        return living[max(living, key=_started)]

    def pod(self, namespace: str, pod: str) -> Container:
        """What holds the namespaces of a running pod; raises UserError where there's no such pod."""
        try:
            return self.running(namespace, pod, "")
        except UserError as error:
            raise UserError(f"No pod {namespace}/{pod} runs in this sandbox", error.hint) from None

    def of_pod(self, namespace: str, pod: str) -> list[Container]:
        """The running containers of a pod, without what holds its namespaces."""
        holder = self.pod(namespace, pod)
        mine = [each for each in self.all() if each.sandbox_id == holder.sandbox_id and each.name]
        return [each for each in mine if each.processes()]

    def address(self, namespace: str, pod: str) -> str:
        """The pod's IPv4 address, as the network plugin recorded it."""
        holder = self.pod(namespace, pod)
        path = self._root / "run/cni/results" / f"filewallball-{holder.sandbox_id}-eth0"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            return str(record["result"]["ips"][0]["address"]).partition("/")[0]
        except (OSError, ValueError, LookupError):
            raise UserError(
                f"pod {namespace}/{pod} has no address of its own",
                "Choose a pod that doesn't use the host's network.",
            ) from None

    def _names(self, namespace: str) -> str:
        names = sorted(str(each) for each in self.all() if each.name and each.namespace == namespace)
        return ", ".join(names) or f"none in namespace {namespace}"


def parse(config: str, hierarchy: Path) -> Container | None:
    """A container from the text of its runtime configuration; None for what Kubernetes didn't make."""
    parsed: dict[str, Any] = json.loads(config)
    notes: dict[str, str] = parsed.get("annotations") or {}
    if f"{_KIND}sandbox-id" not in notes:
        return None
    return Container(
        namespace=notes[f"{_KIND}sandbox-namespace"],
        pod=notes[f"{_KIND}sandbox-name"],
        name=notes.get(f"{_KIND}container-name", ""),
        sandbox_id=notes[f"{_KIND}sandbox-id"],
        group=hierarchy / str(parsed["linux"]["cgroupsPath"]).lstrip("/"),
    )


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None


def _started(pid: int) -> int:
    return int(fields[19]) if (fields := _stat(pid)) else 0
