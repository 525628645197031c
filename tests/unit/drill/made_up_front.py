"""A made-up cluster with a balancer, an application and what it needs, for the balancer's drill."""

from __future__ import annotations

from typing import Any

from made_up import FakeKube

OWNERS = [{"manager": "fwb", "operation": "Apply", "fieldsV1": {}}]
SERVERS = ["app-0", "app-1", "app-2"]
NGINX_CONF = "events {\n    worker_connections 4096;\n}\nhttp {\n    limit_conn clients 500;\n}\n"


def metadata(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "filewallball", "generation": 3, "managedFields": OWNERS, **more}


def deployment(name: str, replicas: int, containers: list[dict[str, str]], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name),
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers, **spec}}},
        "status": {"observedGeneration": 3, "updatedReplicas": replicas, "availableReplicas": replicas,
                   "replicas": replicas},
    }  # fmt: skip


def stateful_set(name: str, count: int, *containers: tuple[str, str]) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": each, "image": image} for each, image in containers]}}
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata(name),
        "spec": {"replicas": count, "template": template},
        "status": {"observedGeneration": 3, "currentRevision": "a", "updateRevision": "a",
                   "readyReplicas": count, "updatedReplicas": count},
    }  # fmt: skip


def a_pod(name: str, of: str, restarts: int = 0, ready: str = "True") -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": metadata(name, uid=f"{name}-{restarts}", labels={"app.kubernetes.io/name": of}),
        "status": {"conditions": [{"type": "Ready", "status": ready}],
                   "containerStatuses": [{"name": of, "restartCount": restarts}]},
    }  # fmt: skip


class Cluster(FakeKube):
    """Also lists pods and ConfigMaps, and keeps what is created."""

    def list(self, api_version: str, kind: str, namespace: str | None = None, labels: str | None = None):
        key, _, value = (labels or "").partition("=")
        found = [one for (each, _), one in self.objects.items() if each == kind]
        labelled = [(one, (one["metadata"].get("labels") or {}).get(key)) for one in found]
        return [one for one, has in labelled if has is not None and value in ("", has)]

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.objects[manifest["kind"], manifest["metadata"]["name"]] = manifest
        return manifest

    def delete(self, api_version: str, kind: str, name: str, namespace: str, **_: Any) -> bool:
        if kind == "ConfigMap":
            self.objects.pop((kind, name))
        elif (kind, name) in self.objects:
            one = self.objects[kind, name]
            self.objects[kind, name] = a_pod(name, one["metadata"]["labels"]["app.kubernetes.io/name"])
            self.objects[kind, name]["metadata"]["uid"] += "-new"
        return super().delete(api_version, kind, name, namespace)


def cluster() -> Cluster:
    """A stack in which all is well."""
    config = [{"name": "config", "configMap": {"name": "balancer-1"}}, {"name": "run", "emptyDir": {}}]
    valkey = "docker.io/valkey/valkey:8.1"
    members = [*(f"valkey-{n}" for n in range(3)), *(f"valkey-sentinel-{n}" for n in range(5))]
    numbered = enumerate([*SERVERS, *members])
    nginx = [{"name": "nginx", "image": "docker.io/library/nginx:1.30"}]
    service = {"clusterIP": "10.0.1.1", "ports": [{"port": 80}]}
    return Cluster(
        deployment("balancer", 2, nginx, volumes=config),
        deployment("redis", 1, [{"name": "redis", "image": "redis:7"}]),
        stateful_set("app", 3, ("app", "filewallball/app:1")),
        stateful_set("mariadb", 1, ("mariadb", "mariadb:10.11")),
        stateful_set("valkey", 3, ("valkey", valkey), ("agent", "filewallball/agent:1")),
        stateful_set("valkey-sentinel", 5, ("sentinel", valkey)),
        {"kind": "Service", "metadata": {"name": "balancer"}, "spec": service},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("balancer-1", labels={
            "app.kubernetes.io/name": "balancer", "filewallball.io/stack": "dev"}),
         "data": {"nginx.conf": NGINX_CONF, "proxy.conf": "proxy_read_timeout 4s;\n"}},
        {"kind": "ConfigMap", "metadata": {"name": "valkey-config"}, "data": {"valkey.conf": ""}},
        {"kind": "PodTemplate", "metadata": {"name": "filewallball-checks"},
         "template": {"spec": {"containers": [{"name": "checks", "image": "filewallball/toolkit:1"}]}}},
        *({"kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": f"10.0.0.{n}"}}
          for n, name in numbered),
        *(a_pod(name, "app") for name in SERVERS),
        a_pod("balancer-a", "balancer"), a_pod("balancer-b", "balancer"), a_pod("mariadb-0", "mariadb"),
    )  # fmt: skip
