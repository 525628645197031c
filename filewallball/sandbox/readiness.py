"""Waiting for a sandbox to serve, and saying what it waits for or why it won't."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox import process
from filewallball.sandbox.programs import API_PORT, Node

TIMEOUT = 120.0
"""Seconds for one condition. A quiet machine needs a few."""
_POLL = 0.05
"""Seconds between two looks."""
_TOO_MANY_STARTS = 3

Note = Callable[[str], None]


def was_ready(name: str, version: str) -> bool:
    """Whether a sandbox of this version has been ready since it was last started."""
    try:
        return (paths.sandbox_dir(name) / "ready").read_text(encoding="utf-8") == version
    except OSError:
        return False


def serving(name: str, version: str | None = None, patience: float = 0.0) -> bool:
    """Whether a sandbox that was ready once (as of `version`, if given) still answers.

    Takes milliseconds, and up to `patience` seconds where it runs and doesn't.
    """
    directory = paths.sandbox_dir(name)
    try:
        if version not in (None, (directory / "ready").read_text(encoding="utf-8")):
            return False
        address = json.loads((directory / "plan.json").read_text(encoding="utf-8"))["address"].partition("/")[
            0
        ]
    except (OSError, ValueError, KeyError):
        return False
    deadline = time.monotonic() + patience
    while not _server_ready(directory / "pki" / "ca.crt", address):
        if time.monotonic() > deadline or process.running(directory) is None:
            return False
        time.sleep(_POLL)
    return True


def wait_for_runtime(node: Node, identity: process.Identity, note: Note) -> None:
    socket = runtime_socket(identity)
    _wait(node, identity, note, "containerd", lambda: socket.is_socket())


def runtime_socket(identity: process.Identity) -> Path:
    """containerd's socket as seen from outside the sandbox's mount namespace."""
    return Path(f"/proc/{identity.pid}/root/run/containerd/containerd.sock")


def wait_for_server(node: Node, identity: process.Identity, note: Note) -> None:
    ca = node.pki / "ca.crt"
    _wait(node, identity, note, "the API server", lambda: _server_ready(ca, node.address))


def wait_for_node(node: Node, identity: process.Identity, note: Note) -> None:
    """Until the node is ready, pods can have service accounts, and names are resolved.

    What the cluster remembers from before it went down doesn't count: the kubelet must have reported since.
    """
    from filewallball.kube import Kube  # costs what a second `up` has no use for

    since = (node.directory / "process.json").stat().st_mtime
    with Kube.connect(paths.sandbox_kubeconfig(node.name), None) as kube:
        conditions: dict[str, Callable[[], bool]] = {
            "the node": lambda: node_ready(kube.get("v1", "Node", node.context), since),
            "service accounts": lambda: kube.get("v1", "ServiceAccount", "default", "default") is not None,
            "pods from before": lambda: not any(is_stale(pod, since) for pod in kube.list("v1", "Pod")),
            "cluster DNS": lambda: any(
                (_condition(pod, "Ready") or {}).get("status") == "True"
                for pod in kube.list("v1", "Pod", "kube-system", "k8s-app=kube-dns")
            ),
        }
        for what, holds in conditions.items():
            _wait(node, identity, note, what, holds)


def _server_ready(ca: Path, address: str) -> bool:
    try:
        connection = http.client.HTTPSConnection(
            address, API_PORT, timeout=2, context=ssl.create_default_context(cafile=str(ca))
        )
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def node_ready(node: dict[str, Any] | None, since: float) -> bool:
    """Whether the node is ready and has said so after `since`, in seconds of the epoch."""
    ready = _condition(node, "Ready")
    return (
        ready is not None and ready["status"] == "True" and _epoch(ready["lastHeartbeatTime"]) >= int(since)
    )


def is_stale(pod: dict[str, Any], since: float) -> bool:
    """Whether a pod still shows as running what ended with the sandbox's last life."""
    states = [each.get("state", {}) for each in pod.get("status", {}).get("containerStatuses", [])]
    return any("running" in each and _epoch(each["running"]["startedAt"]) < int(since) for each in states)


def _condition(found: dict[str, Any] | None, kind: str) -> dict[str, Any] | None:
    conditions = (found or {}).get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), None)


def _epoch(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _wait(node: Node, identity: process.Identity, note: Note, what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    started = time.monotonic()
    while True:
        try:
            if holds():
                return
        except UserError:
            pass  # the API server is starting; the deadline and the programs' own deaths say when it won't
        if not identity.alive():
            raise _failure(node, "supervisor", "ended")
        fail_if_dying(node)
        if time.monotonic() > deadline:
            raise _failure(node, _program_of(what), f"is not ready: waited {TIMEOUT:.0f} s for {what}")
        if time.monotonic() - started > 3:
            note(f"waiting for {what}")
        time.sleep(_POLL)


def _program_of(what: str) -> str:
    return {"containerd": "containerd", "the API server": "kube-apiserver", "the node": "kubelet"}.get(
        what, "kubelet"
    )


def fail_if_dying(node: Node) -> None:
    """Raise UserError for a program that ends again and again."""
    try:
        reports = json.loads((node.directory / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for program, report in reports.items():
        if report["state"] != "running" and report["starts"] >= _TOO_MANY_STARTS:
            raise _failure(
                node,
                program,
                f"has ended {report['starts']} times, last with exit code {report['last_exit']}",
            )


def _failure(node: Node, program: str, what: str) -> UserError:
    log = node.directory / "logs" / f"{program}.log"
    return UserError(
        f"{program} of sandbox {node.name} {what}; its log ends:\n{process.log_tail(log)}",
        f"Look at the whole log, {log}. `fwb sandbox down --purge --name {node.name}` deletes the sandbox "
        "and its data, and the next `fwb sandbox up` makes a new one.",
    )
