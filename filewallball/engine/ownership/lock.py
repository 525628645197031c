"""One writer at a time: a Lease in the cluster, renewed while the run lasts."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from filewallball.errors import UserError
from filewallball.kube import Kube, KubeError

LEASE = "coordination.k8s.io/v1"
SECONDS = 30
"""How long the lock lasts without being renewed."""
RENEW_EVERY = 8.0
"""Seconds between two renewals of the lock."""
CONTROL_NAMESPACE = "default"


class Locked(UserError):
    """Somebody else is at work on this stack."""


class Lock:
    """A lock named after the stack. A holder that stopped renewing 30 s ago has lost it.

    Clocks are compared across machines, so they must agree within some seconds, as TLS needs them to anyway.
    """

    def __init__(self, kube: Kube, name: str, on_lost: Callable[[str], None]) -> None:
        self._kube = kube
        self._name = name
        self._on_lost = on_lost
        # the token tells two runs apart that have the same process id, in two containers say
        self._holder = f"{_user()}@{socket.gethostname()}, process {os.getpid()} ({secrets.token_hex(4)})"
        self._lease: dict[str, Any] = {}
        self._renewed = 0.0
        self._lost = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lock", daemon=True)

    def acquire(self) -> None:
        """Take the lock. Raises Locked with the holder's name."""
        self._renewed = time.monotonic()
        try:
            self._lease = self._kube.create(self._manifest(_now()))
        except KubeError as error:
            if error.reason != "AlreadyExists":
                raise
            self._take_over()
        self._thread.start()

    def release(self) -> None:
        """Give the lock back; a lock that is lost already stays with its new holder."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(timeout=RENEW_EVERY)
        # a renewal still under way may change the Lease between the two requests, hence again
        for _ in range(5):
            lease = None if self._lost else self._current()
            if lease is None or self._delete(lease):
                return

    def renew(self) -> bool:
        """Extend the lock by its full time; False once it is lost (`on_lost` was told why)."""
        begin = time.monotonic()
        renewed = self._manifest(_parsed(self._lease["spec"]["acquireTime"]))
        _only_over(renewed, self._lease)
        try:
            try:
                self._lease = self._kube.replace(renewed)
            except KubeError as error:
                if error.status not in (404, 409):
                    raise
                # ours nevertheless if an earlier renewal arrived and only its answer was lost
                lease = self._current()
                if lease is None:
                    return self._lose("was taken by another run, or deleted")
                self._lease = lease
                return True if self._done.is_set() else self.renew()
        except UserError as error:
            # nobody may take the lock before its time is over: until then it is worth trying again
            if time.monotonic() - self._renewed < SECONDS:
                return True
            return self._lose(f"could not be renewed for {SECONDS} s: {error.message}")
        self._renewed = begin
        return True

    def _keep(self) -> None:
        while not self._done.wait(RENEW_EVERY):
            if not self.renew():
                return

    def _lose(self, why: str) -> bool:
        self._lost = True
        if not self._done.is_set():
            self._on_lost(f"the lock of this stack {why}")
        return False

    def _current(self) -> dict[str, Any] | None:
        """The Lease as it is, None if it is no longer ours: taking over keeps its uid."""
        lease = self._kube.get(LEASE, "Lease", self._name, CONTROL_NAMESPACE)
        if lease is None or lease["spec"].get("holderIdentity") != self._holder:
            return None
        return lease

    def _delete(self, lease: dict[str, Any]) -> bool:
        meta = lease["metadata"]
        return self._kube.delete(
            LEASE,
            "Lease",
            self._name,
            CONTROL_NAMESPACE,
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
        )

    def _take_over(self) -> None:
        lease = self._kube.get(LEASE, "Lease", self._name, CONTROL_NAMESPACE)
        if lease is None:
            raise Locked("Another run of this stack has just ended", "Run the command again.")
        spec = lease["spec"]
        age = _now() - _parsed(spec["renewTime"])
        if age < timedelta(seconds=spec["leaseDurationSeconds"]):
            since = _parsed(spec["acquireTime"]).astimezone().strftime("%H:%M:%S")
            raise Locked(
                f"{spec['holderIdentity']} has been at work on this stack since {since}",
                f"Wait until it has ended. If it was killed, its lock ends within {SECONDS} s.",
            )
        taken = self._manifest(_now())
        # written only if nobody else took the expired lock first
        _only_over(taken, lease)
        try:
            self._lease = self._kube.replace(taken)
        except KubeError as error:
            if error.status == 409:
                raise Locked(
                    "Another run has just taken the lock of this stack", "Run the command again."
                ) from None
            raise

    def _manifest(self, acquired: datetime) -> dict[str, Any]:
        return {
            "apiVersion": LEASE,
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": CONTROL_NAMESPACE},
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": SECONDS,
                "acquireTime": acquired.isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "renewTime": _now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            },
        }


def _user() -> str:
    """The user's name; their number where the system knows no name for it, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _only_over(manifest: dict[str, Any], lease: dict[str, Any]) -> None:
    """Let the server refuse the update unless it meets exactly this Lease.

    The uid is needed as well: without it, an update of a Lease that is gone makes it anew.
    """
    for name in ("uid", "resourceVersion"):
        manifest["metadata"][name] = lease["metadata"][name]


def _now() -> datetime:
    return datetime.now(UTC)


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)
