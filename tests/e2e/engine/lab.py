"""A stack of its own for each test of the engine: a folder, a namespace, and what the program declares."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cluster_objects import BUSYBOX
from shared_sandbox import Sandbox

from filewallball.engine import Options, Reporter, Result, destroy, preview, up
from filewallball.engine.ownership.record import record_name
from filewallball.kube import Kube

PROGRAM = Path(__file__).parent / "programs" / "listed"
Entry = dict[str, Any]


@dataclass
class Lab:
    """Writes resources.json and runs the engine on it."""

    folder: Path
    namespace: str
    kube: Kube
    stack: str = "test"
    entries: list[Entry] = field(default_factory=list[Entry])
    out: io.StringIO = field(default_factory=io.StringIO)

    @property
    def said(self) -> str:
        """All that the newest run has printed, so far if it is still under way."""
        return self.out.getvalue()

    def declare(self, *entries: Entry) -> None:
        """The stack's namespace and these."""
        namespace = {
            "object": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        }
        self.entries = [namespace, *entries]
        for entry in entries:
            entry.setdefault("dependsOn", []).append(self.namespace)
        self.write()

    def write(self) -> None:
        """Hand the entries to the program."""
        (self.folder / "resources.json").write_text(json.dumps(self.entries))

    def up(self, *entries: Entry, **options: Any) -> Result:
        """Declare these and deploy; the result is to be good."""
        result = self.try_up(*entries, **options)
        assert result.exit_code == 0, self.said
        return result

    def try_up(self, *entries: Entry, **options: Any) -> Result:
        if entries:
            self.declare(*entries)
        return self._run(up, **options)

    def preview(self, *entries: Entry, **options: Any) -> Result:
        if entries:
            self.declare(*entries)
        return self._run(preview, **options)

    def destroy(self, **options: Any) -> Result:
        return self._run(destroy, **options)

    def _run(self, command: Any, **options: Any) -> Result:
        self.out = io.StringIO()
        reporter = Reporter(self.out, show_diff=True)
        result: Result = command(self.folder, self.stack, Options(**options), reporter)
        if result.command == "preview":
            reporter.tree(result.steps)
        reporter.summary(result)
        return result

    def fwb(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """The real command in a process of its own."""
        command = [sys.executable, "-m", "filewallball.cli", *arguments, "--cwd", str(self.folder)]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        )

    def meta(self, kind: str, name: str, **more: Any) -> dict[str, Any]:
        api_version = {
            "Deployment": "apps/v1",
            "StatefulSet": "apps/v1",
            "Job": "batch/v1",
        }.get(kind, "v1")
        return {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace, **more},
        }

    def config_map(self, name: str, data: dict[str, str] | None = None, /, **entry: Any) -> Entry:
        return {"object": {**self.meta("ConfigMap", name), "data": data or {"a": "1"}}, **entry}

    def workload(self, kind: str, name: str, command: str, /, **more: Any) -> Entry:
        """A Deployment or StatefulSet of one busybox pod. `pod` and `container` add to their specs."""
        container = {
            "name": "main",
            "image": BUSYBOX,
            "command": ["/bin/sh", "-c", command],
            "terminationMessagePolicy": "FallbackToLogsOnError",
            **more.pop("container", {}),
        }
        labels = {"app": name}
        spec: dict[str, Any] = {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [container],
                    "terminationGracePeriodSeconds": 0,
                    **more.pop("pod", {}),
                },
            },
            **more.pop("spec", {}),
        }
        return {"object": {**self.meta(kind, name), "spec": spec}, **more}

    def job(self, name: str, command: str, /, **entry: Any) -> Entry:
        job = self.workload("Job", name, command, **entry)
        del job["object"]["spec"]["selector"]
        job["object"]["spec"]["backoffLimit"] = 0
        job["object"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"
        return job

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        wanted = self.meta(kind, name)
        return self.kube.get(wanted["apiVersion"], kind, name, self.namespace)

    def uid(self, kind: str, name: str) -> str:
        found = self.get(kind, name)
        assert found, f"{kind} {name} is not there"
        return str(found["metadata"]["uid"])

    @property
    def record(self) -> str:
        """The name of the stack's record and lock."""
        return record_name("listed", self.stack)


def actions(result: Result) -> dict[str, str]:
    """What became of each object, by `Kind name`."""
    return {f"{step.key.kind} {step.key.name}": step.action for step in result.steps if step.key}


@contextmanager
def lab(sandbox: Sandbox, folder: Path, kubeconfig: Path | None = None) -> Iterator[Lab]:
    """A lab on the shared sandbox; what it leaves is removed without waiting."""
    name = f"engine-{uuid.uuid4().hex[:8]}"
    shutil.copytree(PROGRAM, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    config = {"kubeconfig": str(kubeconfig or sandbox.kubeconfig), "context": f"fwb-{sandbox.name}"}
    (folder / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))
    made = Lab(folder, name, sandbox.kube, stack=name)
    made.declare()
    yield made
    sandbox.kube.delete("v1", "Namespace", name)
    sandbox.kube.delete("v1", "ConfigMap", made.record, "default")
    sandbox.kube.delete("coordination.k8s.io/v1", "Lease", made.record, "default")
