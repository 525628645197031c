"""Who serves which keys at the moment, for a load that goes on while primaries change."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

from filewallball.errors import UserError
from filewallball.snapshots.settings import Address
from filewallball.stability import topology
from filewallball.stability.targets import Target
from filewallball.stability.topology import Deployment, Shard

PAUSE_SECONDS = 0.2
"""Servers in trouble are not asked more often."""


@dataclass(frozen=True)
class Change:
    """Another server than before serves a shard. `failover`: it was a replica, so no slot was moved."""

    at: float
    shard: int
    before: Address
    after: Address
    failover: bool


class Finder:
    """The deployment as it was seen last. `changes`: in the order in which they were seen."""

    def __init__(self, target: Target, deployment: Deployment) -> None:
        self.target = target
        self.deployment = deployment
        self.changes: list[Change] = []
        self._seen = time.monotonic()
        self._lock = threading.Lock()

    def again(self) -> Deployment:
        """Ask the nodes anew, unless it has just been done. What can't be found out stays as it was."""
        with self._lock:
            if time.monotonic() - self._seen < PAUSE_SECONDS:
                return self.deployment
            with contextlib.suppress(UserError):  # if no node answers, the requests say so, too
                self.deployment = topology.find(self.target)
            self._seen = time.monotonic()
            return self.deployment

    def changed(self, number: int, before: Shard, after: Shard) -> None:
        """Note that a shard's primary is another one."""
        replicas = {node.address for node in before.replicas}
        failover = after.primary.address in replicas or self.deployment.kind == "sentinel"
        change = Change(time.time(), number, before.primary.address, after.primary.address, failover)
        with self._lock:
            seen = [each for each in self.changes if each.shard == number]
            if not seen or seen[-1].after != change.after:  # several connections see the same
                self.changes.append(change)
