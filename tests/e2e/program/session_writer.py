"""A client of the session set that writes all the time, as applications do: over the network, by Sentinel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cluster_objects import PATIENCE, wait_until
from shared_sandbox import Sandbox

NAME = "writer"
SCRIPT = Path(__file__).parent / "writer_in_pod.py"
OVER = ("Succeeded", "Failed")


class SessionWriter:
    """The writer's pod, from its making to `finish`."""

    def __init__(self, sandbox: Sandbox, namespace: str) -> None:
        self.sandbox = sandbox
        self.namespace = namespace
        kube = sandbox.kube
        checks = kube.get("v1", "PodTemplate", "filewallball-checks", namespace)
        assert checks
        image = checks["template"]["spec"]["containers"][0]["image"]
        kube.create(_pod(namespace, image))
        wait_until(lambda: self._phase() in ("Running", *OVER), "the writer to run", self._phase)
        wait_until(lambda: "writing" in self._logs(), "its first write", self._logs)

    def finish(self) -> dict[str, Any]:
        """Stop writing; how much was written, and what is missing of it. No write may have been given up."""
        assert self._phase() == "Running", self._logs()
        self.sandbox.kubectl("-n", self.namespace, "exec", NAME, "--", "touch", "/tmp/stop")
        wait_until(lambda: self._phase() in OVER, "the writer to end", self._phase)
        said = self._logs()
        assert self._phase() == "Succeeded", said
        self.sandbox.kubectl("-n", self.namespace, "delete", "pod", NAME, f"--timeout={PATIENCE:.0f}s")
        return json.loads(said.splitlines()[-1])

    def _phase(self) -> str:
        found = self.sandbox.kube.get("v1", "Pod", NAME, self.namespace) or {}
        return found.get("status", {}).get("phase", "")

    def _logs(self) -> str:
        return self.sandbox.kube.logs(NAME, self.namespace)


def _pod(namespace: str, image: str) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", SCRIPT.read_text()],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "secrets", "mountPath": "/secrets"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {"filewallball.io/access-valkey": "true"},
        },
        "spec": {
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{"name": "secrets", "secret": {"secretName": "valkey-credentials"}}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 999,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        },
    }
