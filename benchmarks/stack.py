"""What is measured: the dev stack under `fwb` against kubectl, no-op runs, and the start of a sandbox."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import Result, pairs, run, timed
from filewallball import paths
from filewallball.sandbox import images

REPOSITORY = Path(__file__).parents[1]
FWB = [sys.executable, "-m", "filewallball.cli"]
UP = [*FWB, "up", "dev", "--engine", "embedded", "--no-checks", "--yes"]
MIB = 2**20
_IMAGE = re.compile(r"[ -]*image: (\S+)$", re.MULTILINE)


def noop(project: Path, stack: str, count: int) -> list[Result]:
    """`up` and `preview` of a stack that is as it should be."""
    up = [*FWB, "up", stack, "--engine", "embedded", "--no-checks", "--yes"]
    preview = [*FWB, "preview", stack, "--engine", "embedded"]
    return [
        Result("no-op up", "s", [timed(lambda: run(up, cwd=project)) for _ in range(count)], 2.0),
        Result("no-op preview", "s", [timed(lambda: run(preview, cwd=project)) for _ in range(count)], 2.0),
    ]


class BenchStack:
    """The dev stack on a sandbox, in a copy of the project that names that sandbox and a namespace."""

    def __init__(self, work: Path, sandbox: str, namespace: str) -> None:
        self._project = work / "project"
        self._objects = work / "objects"
        self._sandbox, self._namespace = sandbox, namespace
        self._kubectl = [str(paths.sandbox_dir(sandbox) / "kubectl"), "--kubeconfig"]
        self._kubectl.append(str(paths.sandbox_kubeconfig(sandbox)))

    def prepare(self) -> None:
        """Sandbox up, images in, objects rendered for kubectl."""
        self.render()
        self._fwb(UP)

    def render(self) -> None:
        """Sandbox up, objects rendered for kubectl, and the images that these name."""
        ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__")
        shutil.copytree(REPOSITORY, self._project, ignore=ignore)
        stack_file = self._project / "Pulumi.dev.yaml"
        stack: dict[str, Any] = yaml.safe_load(stack_file.read_text(encoding="utf-8"))
        stack["config"]["filewallball:cluster"] = {"sandbox": self._sandbox}
        stack["config"]["filewallball:namespace"] = self._namespace
        stack_file.write_text(yaml.safe_dump(stack), encoding="utf-8")
        run([*FWB, "sandbox", "up", "--name", self._sandbox])
        render = [*FWB, "render", "dev", "--yaml", str(self._objects)]
        run(render, cwd=self._project, env={"FWB_NO_CHECKS": "1"})
        images.ensure(self._sandbox, self._images())

    def remove(self) -> None:
        """Leave nothing behind."""
        run([*FWB, "sandbox", "down", "--purge", "--name", self._sandbox])

    def up_against_kubectl(self, count: int) -> list[Result]:
        """An empty cluster to a ready stack, images present: `fwb up` against `kubectl apply` and `wait`."""
        ours, theirs = pairs(lambda: self._fwb(UP), self._kubectl_up, self._empty, count)
        peer = "kubectl apply --server-side + kubectl wait"
        self._empty()
        return [Result("up on an empty cluster", "s", ours, 1.25, peer, theirs)]

    def kubectl_alone(self) -> float:
        """Seconds of kubectl's side, from an empty cluster to a ready stack."""
        self._empty()
        return timed(self._kubectl_up)

    def noop(self, count: int) -> list[Result]:
        """As `noop`, of the dev stack."""
        self._fwb(UP)
        return noop(self._project, "dev", count)

    def sandbox_start(self, count: int) -> list[Result]:
        """A stopped, empty sandbox to a ready one with built binaries; what it then holds in memory."""
        self._empty()
        seconds: list[float] = []
        memory: list[float] = []
        for _ in range(count):
            run([*FWB, "sandbox", "down", "--name", self._sandbox])
            seconds.append(timed(lambda: run([*FWB, "sandbox", "up", "--name", self._sandbox])))
            memory.append(sum(_resident(_sandbox_processes(self._sandbox))) / MIB)
        return [
            Result("sandbox start", "s", seconds, 15.0),
            Result("sandbox resident memory, no stack", "MiB", memory, 1024.0),
        ]

    def _fwb(self, command: list[str]) -> None:
        run(command, cwd=self._project)

    def _kubectl_up(self) -> None:
        run([*self._kubectl, "apply", "--server-side", "-f", str(self._objects)])
        for workload in self._workloads():
            run([*self._kubectl, "-n", self._namespace, "rollout", "status", "--timeout=180s", workload])

    def _images(self) -> set[str]:
        texts = (path.read_text(encoding="utf-8") for path in self._objects.iterdir())
        return {each for text in texts for each in _IMAGE.findall(text)}

    def _workloads(self) -> list[str]:
        """`kind/name` of all that rolls out, as rendered: what kubectl has to wait for."""
        objects = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in self._objects.iterdir())
        return [
            f"{each['kind'].lower()}/{each['metadata']['name']}"
            for each in objects
            if each["kind"] in ("Deployment", "StatefulSet", "DaemonSet")
        ]

    def _empty(self) -> None:
        run([*self._kubectl, "delete", "namespace", self._namespace, "--ignore-not-found", "--wait"])


def _sandbox_processes(sandbox: str) -> Iterator[Path]:
    """The /proc folders of all processes in the sandbox's PID namespace."""
    from filewallball.sandbox import process

    identity = process.running(paths.sandbox_dir(sandbox))
    if identity is None:
        raise SystemExit(f"sandbox {sandbox} does not run")
    namespace = Path(f"/proc/{identity.pid}/ns/pid").readlink()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "ns/pid").readlink() == namespace:
                yield folder
        except OSError:
            continue  # it has ended meanwhile


def _resident(processes: Iterator[Path]) -> Iterator[int]:
    """Resident bytes of each, shared pages counted in full: an upper bound."""
    page = os.sysconf("SC_PAGE_SIZE")
    for folder in processes:
        try:
            yield int((folder / "statm").read_text(encoding="utf-8").split()[1]) * page
        except OSError:
            continue
