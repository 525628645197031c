"""The set of session servers as the cluster has it: its pods, their addresses, and their soundness."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from facts import valkey
from facts.checks import NAME as CHECKS
from filewallball import pods
from filewallball.errors import UserError
from filewallball.stack import Place

Object = dict[str, Any]

MEMBERS, SENTINELS = valkey.NAME, valkey.SENTINEL
PORTS = {MEMBERS: valkey.PORT, SENTINELS: valkey.SENTINEL_PORT}
SERVER = {MEMBERS: valkey.NAME, SENTINELS: valkey.SENTINEL_CONTAINER}
"""The container that is the server, by StatefulSet."""
AGENT = valkey.AGENT_CONTAINER
CONFIG_MAP = valkey.CONFIG_MAP
POLL_SECONDS = 0.4


@dataclass(frozen=True)
class Set:
    """The set of one stack. `members` and `sentinels` are names of pods and, equally, of their Services."""

    place: Place
    members: dict[str, tuple[str, int]]
    sentinels: dict[str, tuple[str, int]]
    image: str
    """The toolkit's."""
    pull: str
    server_image: str
    append_only: bool

    @classmethod
    def find(cls, place: Place) -> Set:
        """Raises UserError where the stack has none."""
        sets = {name: _stateful_set(place, name) for name in (MEMBERS, SENTINELS)}
        addresses = {name: _addresses(place, name, each["spec"]["replicas"]) for name, each in sets.items()}
        containers = {one["name"]: one for one in sets[MEMBERS]["spec"]["template"]["spec"]["containers"]}
        config = place.kube.get("v1", "ConfigMap", CONFIG_MAP, place.namespace)
        checks = place.kube.get("v1", "PodTemplate", CHECKS, place.namespace)
        if config is None or checks is None or not {AGENT, SERVER[MEMBERS]} <= containers.keys():
            raise UserError(f"The session servers in {place} are of another version", _run_up(place))
        [toolkit] = checks["template"]["spec"]["containers"]
        return cls(
            place,
            addresses[MEMBERS],
            addresses[SENTINELS],
            image=toolkit["image"],
            pull=toolkit.get("imagePullPolicy", "IfNotPresent"),
            server_image=containers[SERVER[MEMBERS]]["image"],
            append_only="\nappendonly yes" in config["data"].get("valkey.conf", ""),
        )

    @property
    def everything(self) -> list[str]:
        return [*self.members, *self.sentinels]

    def pod(self, name: str) -> Object | None:
        return self.place.kube.get("v1", "Pod", name, self.place.namespace)

    def delete(self, names: Iterable[str], *, grace: int | None = None) -> None:
        """Delete pods; their StatefulSets make new ones."""
        for name in names:
            self.place.kube.delete("v1", "Pod", name, self.place.namespace, grace=grace)

    def unsound(self) -> list[str]:
        """Pods with a container that has restarted: should it end again, the kubelet would make it wait."""
        found = {name: self.pod(name) for name in self.everything}
        return [name for name, pod in found.items() if pod and _restarts(pod)]

    def not_ready(self) -> str:
        """Which pods and rollouts aren't as they should be; empty if all are."""
        for name in self.everything:
            pod = self.pod(name)
            if pod is None or "deletionTimestamp" in pod["metadata"] or not pods.is_ready(pod):
                return f"pod {name} isn't ready: {pods.state(pod)}"
        for name in (MEMBERS, SENTINELS):
            if reason := rolling(_stateful_set(self.place, name)):
                return f"StatefulSet {name}: {reason}"
        return ""

    def settle(self, seconds: float) -> None:
        """Wait until all pods are ready; replace those that have restarted. Raises UserError if it fails."""
        waiting(self.not_ready, seconds, "the set isn't ready")
        for _ in range(2):  # the second time for a primary whose successor had restarted, too
            unsound = self.unsound()
            if not unsound:
                return
            self._replace(unsound, seconds)

    def _replace(self, names: list[str], seconds: float) -> None:
        """Delete pods, never so many Sentinels at once that the others couldn't decide anything."""
        minority = (len(self.sentinels) - 1) // 2
        sentinels = [name for name in names if name in self.sentinels]
        members = [name for name in names if name in self.members]
        while sentinels or members:
            now, sentinels = [*sentinels[:minority], *members[:1]], sentinels[minority:]
            members = members[1:]
            self.delete(now)
            waiting(self.not_ready, seconds, f"{', '.join(now)} didn't come back")


def rolling(stateful_set: Object) -> str:
    """What is left of a rolling update; empty when it is over."""
    status: Object = stateful_set.get("status") or {}
    spec: Object = stateful_set["spec"]
    if status.get("observedGeneration", 0) < stateful_set["metadata"]["generation"]:
        return "not seen by its controller yet"
    if status.get("currentRevision") != status.get("updateRevision"):
        return f"{status.get('updatedReplicas', 0)} of {spec['replicas']} pods updated"
    if status.get("readyReplicas", 0) != spec["replicas"]:
        return f"{status.get('readyReplicas', 0)} of {spec['replicas']} pods ready"
    return ""


def waiting(reason: Callable[[], str], seconds: float, what: str) -> None:
    """Wait until there is no reason to wait any more. Raises UserError with the last one."""
    deadline = time.monotonic() + seconds
    while why := reason():
        if time.monotonic() > deadline:
            raise UserError(
                f"{what} after {seconds:.0f} s: {why}", "Run `fwb check STACK`, and do what it says."
            )
        time.sleep(POLL_SECONDS)


def _restarts(pod: Object) -> int:
    statuses: list[Object] = pod["status"].get("containerStatuses") or []
    return sum(one.get("restartCount", 0) for one in statuses)


def _stateful_set(place: Place, name: str) -> Object:
    found = place.kube.get("apps/v1", "StatefulSet", name, place.namespace)
    if found is None:
        raise UserError(f"There is no StatefulSet {name} in {place}", _run_up(place))
    return found


def _addresses(place: Place, stateful_set: str, count: int) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for name in (f"{stateful_set}-{ordinal}" for ordinal in range(count)):
        service = place.kube.get("v1", "Service", name, place.namespace)
        if service is None:
            raise UserError(f"There is no Service {name} in {place}", _run_up(place))
        found[name] = (service["spec"]["clusterIP"], PORTS[stateful_set])
    return found


def _run_up(place: Place) -> str:
    return f"run `fwb up {place.stack}` first"
