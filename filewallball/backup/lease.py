"""A Lease in the cluster, held around an upload where the store itself can't keep two writers apart."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from filewallball.backup.s3 import StoreError
from filewallball.kube import Kube, KubeError

SECONDS = 30
RENEW_SECONDS = 8.0
WAIT_SECONDS = 1800.0
"""How long another upload may last before this one gives up."""
POLL_SECONDS = 1.0
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_KIND = ("coordination.k8s.io/v1", "Lease")


def own_namespace() -> str:
    """The namespace of the pod that this runs in; elsewhere the word NAMESPACE, for the reader to fill in."""
    try:
        return (ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        return "NAMESPACE"


class NoLease(Exception):
    """There is none to be had here; the text says why."""


class Lease:
    """Entered, the Lease is held and renewed until the block ends. Raises StoreError if another keeps it."""

    def __init__(self, kube: Kube, name: str, namespace: str) -> None:
        self._kube = kube
        self._name = name
        self._namespace = namespace
        self._holder = f"{socket.gethostname()}, process {os.getpid()} ({secrets.token_hex(4)})"
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    @classmethod
    def in_cluster(cls, name: str | None) -> Lease:
        """The Lease of that name in the pod's own namespace. Raises NoLease outside of a cluster."""
        if not name:
            raise NoLease("this run was not told of one")
        try:
            namespace = (ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
        except OSError:
            raise NoLease("this is no pod with an account of the cluster") from None
        return cls(Kube.connect(), name, namespace)

    def __enter__(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._take():
            if time.monotonic() > deadline:
                raise StoreError(
                    f"Another job has held the Lease {self._name} for {WAIT_SECONDS / 60:.0f} minutes.",
                    f"Look at `kubectl -n {self._namespace} get lease {self._name} -o yaml`, which names it. "
                    "Run this again when it has ended.",
                )
            time.sleep(POLL_SECONDS)
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(timeout=RENEW_SECONDS)
        try:
            found = self._kube.get(*_KIND, self._name, self._namespace)
            if found and found["spec"].get("holderIdentity") == self._holder:
                meta = found["metadata"]
                version = meta["resourceVersion"]
                self._kube.delete(
                    *_KIND, self._name, self._namespace, uid=meta["uid"], resource_version=version
                )
        except KubeError:
            pass  # It ends by itself.
        self._kube.close()

    def _take(self) -> bool:
        try:
            found = self._kube.get(*_KIND, self._name, self._namespace)
            if found is None:
                self._kube.create(self._manifest({}))
                return True
            if found["spec"].get("holderIdentity") != self._holder and _fresh(found):
                return False
            self._kube.replace(self._manifest(found["metadata"]))
        except KubeError as error:
            if error.status == 409:  # another was quicker
                return False
            raise StoreError(
                f"The Lease {self._name}, which keeps others from the store, can't be taken: {error.message}",
                "Run `fwb up`, which gives the jobs their rights again.",
            ) from error
        return True

    def _keep(self) -> None:
        while not self._done.wait(RENEW_SECONDS):
            try:
                found = self._kube.get(*_KIND, self._name, self._namespace)
                if found and found["spec"].get("holderIdentity") == self._holder:
                    self._kube.replace(self._manifest(found["metadata"]))
            except KubeError:
                continue  # It is still ours for a while, and the next try is near.

    def _manifest(self, over: dict[str, Any]) -> dict[str, Any]:
        metadata = {key: over[key] for key in ("uid", "resourceVersion") if key in over}
        return {
            "apiVersion": _KIND[0],
            "kind": _KIND[1],
            "metadata": {"name": self._name, "namespace": self._namespace, **metadata},
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": SECONDS,
                "renewTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            },
        }


def _fresh(lease: dict[str, Any]) -> bool:
    spec = lease["spec"]
    age = (datetime.now(UTC) - datetime.fromisoformat(spec["renewTime"])).total_seconds()
    return age < spec.get("leaseDurationSeconds", SECONDS)
