"""The balancer, the application and what stands behind it, as the cluster has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from facts import balancer
from facts.app import NAME as APP
from facts.app import SITE_PORT
from facts.mariadb import NAME as MARIADB
from facts.redis import NAME as REDIS
from filewallball import pods
from filewallball.drill.members import MEMBERS, SENTINELS, Set, rolling, waiting
from filewallball.errors import UserError
from filewallball.stack import Place

Object = dict[str, Any]

NGINX = "nginx"
"""The balancer's container that is nginx, and its configuration's main file without the ending."""
CONFIG_FILE = f"{NGINX}.conf"
PROXY_FILE = "proxy.conf"
_AT_ONCE = re.compile(r"^\s*limit_conn clients (\d+);", re.MULTILINE)
_SILENCE = re.compile(r"^proxy_read_timeout\s+(\d+)s;", re.MULTILINE)
SETS = (APP, MARIADB, MEMBERS, SENTINELS)
DEPLOYMENTS = (balancer.NAME, REDIS)


@dataclass(frozen=True)
class Front:
    """What one stack has. `servers`: where each server of the application answers, by its pod's name."""

    place: Place
    servers: dict[str, tuple[str, int]]
    url: str
    sessions: Set
    balancers: int
    image: str
    """nginx's."""
    app_image: str
    silence_seconds: float
    """How long nginx waits for a server before it asks the next one."""
    requests_at_once: int
    """So many requests of one address nginx takes at the same time, in each pod."""

    @classmethod
    def find(cls, place: Place) -> Front:
        """Raises UserError where the stack has no balancer, or nothing behind it."""
        deployment = _found(place, "apps/v1", "Deployment", balancer.NAME, "balancer")
        application = _found(place, "apps/v1", "StatefulSet", APP, "app")
        service = _found(place, "v1", "Service", balancer.NAME, "balancer")
        config = _found(place, "v1", "ConfigMap", config_of(deployment), "balancer")
        silence = _SILENCE.search(config["data"].get(PROXY_FILE, ""))
        at_once = _AT_ONCE.search(config["data"].get(CONFIG_FILE, ""))
        ports = {port["port"] for port in service["spec"]["ports"]}
        names = [f"{APP}-{ordinal}" for ordinal in range(application["spec"]["replicas"])]
        hosts = {name: _found(place, "v1", "Service", name, "app")["spec"]["clusterIP"] for name in names}
        return cls(
            place,
            {name: (host, SITE_PORT) for name, host in hosts.items()},
            f"{'https' if balancer.HTTPS in ports else 'http'}://{balancer.NAME}",
            Set.find(place),
            deployment["spec"]["replicas"],
            image_of(deployment, NGINX),
            image_of(application, APP),
            float(silence[1]) if silence else 0.0,
            int(at_once[1]) if at_once else 500,
        )

    @property
    def namespace(self) -> str:
        return self.place.namespace

    @property
    def site_port(self) -> int:
        """Of the balancer's pods."""
        return balancer.SITE_TLS_PORT if self.url.startswith("https:") else balancer.SITE_PORT

    def get(self, api_version: str, kind: str, name: str) -> Object | None:
        return self.place.kube.get(api_version, kind, name, self.namespace)

    def pods_of(self, name: str) -> list[Object]:
        """Those of a server that aren't on their way out, by their names."""
        found = self.place.kube.list("v1", "Pod", self.namespace, f"app.kubernetes.io/name={name}")
        return sorted(
            (pod for pod in found if "deletionTimestamp" not in pod["metadata"]),
            key=lambda pod: str(pod["metadata"]["name"]),
        )

    def delete(self, pod: str) -> None:
        """What it belongs to makes another one."""
        self.place.kube.delete("v1", "Pod", pod, self.namespace)

    def not_ready(self) -> str:
        """Which pods and rollouts aren't as they should be; empty if all are."""
        return next((why for why in self._reasons()), "")

    def _reasons(self) -> Iterator[str]:
        for name in (*SETS, *DEPLOYMENTS):
            kind = "StatefulSet" if name in SETS else "Deployment"
            found = self.get("apps/v1", kind, name)
            why = "gone" if found is None else (rolling if name in SETS else rolling_out)(found)
            if why:
                yield f"{kind} {name}: {why}"
        for name in (APP, balancer.NAME):
            for pod in self.pods_of(name):
                if not pods.is_ready(pod):
                    yield f"pod {pod['metadata']['name']} isn't ready: {pods.state(pod)}"

    def settle(self, seconds: float) -> None:
        """Wait until all is ready; replace pods that have restarted. Raises UserError if it fails.

        Should a container end a second time, the kubelet would make it wait.
        """
        waiting(self.not_ready, seconds, "the stack isn't ready")
        for name in (APP, balancer.NAME):
            for pod in self.pods_of(name):
                if restarts(pod):
                    self.delete(pod["metadata"]["name"])
                    waiting(self.not_ready, seconds, f"{pod['metadata']['name']} didn't come back")
        self.sessions.settle(seconds)


def restarts(pod: Object) -> int:
    statuses: list[Object] = pod["status"].get("containerStatuses") or []
    return sum(one.get("restartCount", 0) for one in statuses)


def rolling_out(deployment: Object) -> str:
    """What is left of a rollout; empty when it is over."""
    status: Object = deployment.get("status") or {}
    wanted = deployment["spec"]["replicas"]
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return "not seen by its controller yet"
    for what in ("updatedReplicas", "availableReplicas", "replicas"):
        if status.get(what, 0) != wanted:
            return f"{status.get(what, 0)} {what}, not {wanted}"
    return ""


def config_of(deployment: Object) -> str:
    """The ConfigMap that the balancer's pods have."""
    volumes: list[Object] = deployment["spec"]["template"]["spec"].get("volumes") or []
    return next((str(each["configMap"]["name"]) for each in volumes if "configMap" in each), "")


def image_of(owner: Object, container: str) -> str:
    """Of the template. Empty where it has no such container."""
    containers: list[Object] = owner["spec"]["template"]["spec"]["containers"]
    return next((str(one["image"]) for one in containers if one["name"] == container), "")


def _found(place: Place, api_version: str, kind: str, name: str, setting: str) -> Object:
    found = place.kube.get(api_version, kind, name, place.namespace) if name else None
    if found is None:
        raise UserError(
            f"There is no {kind} {name or 'of the balancer'} in {place}",
            f"Write `filewallball:{setting}.enabled: true` in Pulumi.{place.stack}.yaml, and run"
            f" `fwb up {place.stack}`.",
        )
    return found
