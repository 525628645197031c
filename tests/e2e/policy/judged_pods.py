"""The two judges: the pack's rules, and the API server's Pod Security admission."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filewallball.kube.errors import KubeError
from filewallball.kube.transport import Transport
from policy.pod_security import RULES
from policy.resources import Resource
from policy.rule import Context

REASONS = {
    "allowPrivilegeEscalation != false": "privilege-escalation",
    "forbidden AppArmor profiles?": "apparmor",
    "unrestricted capabilities": "capabilities",
    "host namespaces": "host-namespaces",
    "hostPort": "host-ports",
    "probe or lifecycle host": "probe-hosts",
    "privileged": "privileged",
    "procMount": "proc-mount",
    "restricted volume types": "volume-types",
    r"runAsNonRoot != true": "non-root",
    "runAsUser=0": "root-user",
    "seLinuxOptions": "selinux",
    "seccompProfile": "seccomp",
    "forbidden sysctls": "sysctls",
    "hostProcess": "host-process",
}
"""How the server calls what each rule is about."""
PATHS = {
    "Pod": "api/v1/namespaces/{}/pods",
    "PodTemplate": "api/v1/namespaces/{}/podtemplates",
    "ReplicationController": "api/v1/namespaces/{}/replicationcontrollers",
    "ReplicaSet": "apis/apps/v1/namespaces/{}/replicasets",
    "Deployment": "apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "apis/apps/v1/namespaces/{}/daemonsets",
    "Job": "apis/batch/v1/namespaces/{}/jobs",
    "CronJob": "apis/batch/v1/namespaces/{}/cronjobs",
}
_VIOLATES = re.compile(r'violates? PodSecurity \\?"restricted:latest\\?": (.*)', re.DOTALL)


def whole(kind: str, pod: dict[str, Any], namespace: str) -> dict[str, Any]:
    """An object of a kind around a pod."""
    version = re.sub(r"^(api|apis)/(.*)/namespaces/.*", r"\2", PATHS[kind])
    meta = {"name": "generated", "namespace": namespace}
    top: dict[str, Any] = {"apiVersion": version, "kind": kind, "metadata": meta}
    select = {"matchLabels": pod["metadata"]["labels"]}
    spec = {**pod["spec"], "restartPolicy": "Never" if kind in ("Job", "CronJob") else "Always"}
    template = {"metadata": pod["metadata"], "spec": spec}
    match kind:
        case "Pod":
            return {**top, "metadata": {**meta, **pod["metadata"]}, "spec": spec}
        case "PodTemplate":
            return {**top, "template": template}
        case "ReplicationController":
            return {**top, "spec": {"selector": select["matchLabels"], "template": template}}
        case "Job":
            return {**top, "spec": {"template": template}}
        case "CronJob":
            return {**top, "spec": {"schedule": "0 2 * * *", "jobTemplate": {"spec": {"template": template}}}}
        case _:
            more = {"serviceName": "a"} if kind == "StatefulSet" else {}
            return {**top, "spec": {"selector": select, "template": template, **more}}


def by_pack(manifest: dict[str, Any]) -> set[str]:
    """The rules that the pack finds violated."""
    version = manifest["apiVersion"] if "/" in manifest["apiVersion"] else f"core/{manifest['apiVersion']}"
    type_ = f"kubernetes:{version}:{manifest['kind']}"
    resource = Resource.of(
        {"urn": f"urn:pulumi:a::b::{type_}::c", "type": type_, "name": "c", "props": manifest}
    )
    return {
        rule.name.removeprefix("pod-security-") for rule in RULES if rule.on_resource(resource, Context())
    }


@dataclass
class Server:
    """The API server. Nothing is made: it is asked what would be."""

    transport: Transport
    namespace: str

    @classmethod
    def connect(cls, kubeconfig: Path, context: str, namespace: str) -> Server:
        return cls(Transport.connect(kubeconfig, context, 20.0), namespace)

    def judge(self, manifest: dict[str, Any]) -> set[str] | None:
        """The rules that the server finds violated; None if it refuses the object for something else."""
        return self._answer("POST", PATHS[manifest["kind"]].format(self.namespace), manifest)

    def judge_ephemeral(self, pod: str, container: dict[str, Any]) -> set[str] | None:
        """The same for a pod that is there, with one more container, as `kubectl debug` adds it."""
        path = f"{PATHS['Pod'].format(self.namespace)}/{pod}/ephemeralcontainers"
        return self._answer("PATCH", path, {"spec": {"ephemeralContainers": [container]}})

    def judge_all(
        self, manifests: Iterable[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], set[str] | None]]:
        """Each with its verdict, many at a time."""
        given = list(manifests)
        with ThreadPoolExecutor(8) as threads:
            yield from zip(given, threads.map(self.judge, given), strict=True)

    def _answer(self, method: str, path: str, body: dict[str, Any]) -> set[str] | None:
        params = {"dryRun": "All", "fieldValidation": "Strict"}
        try:
            content = "strategic" if method == "PATCH" else "plain"
            answer = self.transport.send(method, f"/{path}", params, body=body, content=content)
        except KubeError as error:
            violation = _VIOLATES.search(error.message)
            if error.status == 403 and violation:
                return _rules(violation.group(1))
            if error.status in (400, 422):
                return None
            raise
        warnings = " ".join(answer.headers.get_list("warning"))
        violation = _VIOLATES.search(warnings)
        return _rules(violation.group(1)) if violation else set()


def _rules(told: str) -> set[str]:
    """The rules that a message of the server names: each reason, with its details in brackets."""
    found = {rule for reason, rule in REASONS.items() if re.search(rf"(?:^|, ){reason} \(", told)}
    assert found, told
    return found
