"""For each rule about Kubernetes objects: stacks that pass, and stacks that fail with what they fail on."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from registrations import RESTRICTED_POD, Registration, changed, kube, with_pod

CANARY = "canary-3fb19Zq"  # a value that no output may hold
CONTAINER = ("containers", 0)


class Case(NamedTuple):
    """`bad`: stacks, each with the resource and the path that is found. `settings`: of the rule."""

    good: list[list[Registration]]
    bad: list[tuple[list[Registration], str, str]]
    settings: Mapping[str, Any] = MappingProxyType({})
    protected: bool = False


def pod(path: tuple[Any, ...], value: Any, kind: str = "Deployment", **more: Any) -> list[Registration]:
    return [with_pod(kind, changed(RESTRICTED_POD, path, value), **more)]


def spec(kind: str, path: tuple[Any, ...], value: Any, base: list[Registration]) -> list[Registration]:
    return [
        {**each, "props": changed(each["props"], path, value)} if kind in each["type"] else each
        for each in base
    ]


def role(**rule: Any) -> list[Registration]:
    return [
        kube("Role", body={"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **rule}]})
    ]


def config(**data: str) -> list[Registration]:
    return [kube("ConfigMap", body={"data": data})]


def annotated(**annotations: str) -> list[Registration]:
    return [kube("ConfigMap", annotations=annotations)]


DIGEST = "@sha256:" + "1" * 64
CRON = spec(
    "CronJob", ("spec", "concurrencyPolicy"), "Forbid", [with_pod("CronJob", RESTRICTED_POD, "nightly")]
)
CRON = spec("CronJob", ("spec", "startingDeadlineSeconds"), 600, CRON)
CRON = spec("CronJob", ("spec", "timeZone"), "Asia/Seoul", CRON)
CRON = spec("CronJob", ("spec", "jobTemplate", "spec", "activeDeadlineSeconds"), 60, CRON)
CLAIM = kube("PersistentVolumeClaim", "data")
SECRET = kube("Secret", "login", {"data": {"password": base64.b64encode(CANARY.encode()).decode()}})
IMAGE = (*CONTAINER, "image")
ENV = (*CONTAINER, "env")
COMMAND = (*CONTAINER, "command")
TOKEN = "automountServiceAccountToken"
ACCOUNT = kube("ServiceAccount", "reader", {TOKEN: False})
BINDING = kube(
    "RoleBinding",
    "reader",
    {
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader"}],
    },
)
READER = changed(changed(RESTRICTED_POD, (TOKEN,), True), ("serviceAccountName",), "reader")
WHERE = "spec.template.spec.containers[0]"


def _env(name: str, value: str) -> list[Registration]:
    return pod(ENV, [{"name": name, "value": value}])


def subject(**fields: str) -> list[Registration]:
    return [
        {
            **BINDING,
            "props": {**BINDING["props"], "subjects": [{"kind": "ServiceAccount", "name": "a", **fields}]},
        }
    ]


ENV_VALUE = f"{WHERE}.env[0].value"
CASES: dict[str, Case] = {
    "image-tag": Case(
        [pod(IMAGE, "redis:7"), pod(IMAGE, f"redis{DIGEST}"), pod(IMAGE, "example.org:5000/a/redis:7")],
        [
            (pod(IMAGE, each), "web", f"{WHERE}.image")
            for each in ("redis", "redis:latest", "example.org:5000/a/redis")
        ],
    ),
    "image-digest": Case(
        [pod(IMAGE, f"redis:7{DIGEST}", stack="prd"), pod(IMAGE, "redis:7", stack="dev")],
        [
            (pod(IMAGE, each, stack="prd"), "web", f"{WHERE}.image")
            for each in ("redis:7", "redis:7@sha256:12")
        ],
    ),
    "image-registry": Case(
        [pod(IMAGE, "ghcr.io/acme/web:1"), pod(IMAGE, "redis:7")],
        [
            (pod(IMAGE, "ghcr.io/acme-evil/web:1"), "web", f"{WHERE}.image"),
            (pod(IMAGE, "acme/redis:7"), "web", f"{WHERE}.image"),
        ],
        {"registries": ["ghcr.io/acme", "docker.io/library/"]},
    ),
    "requests": Case(
        [pod(ENV, []), pod((*CONTAINER, "resources", "requests", "memory"), None)],
        [(pod((*CONTAINER, "resources", "requests", "cpu"), None), "web", f"{WHERE}.resources.requests.cpu")],
    ),
    "memory-limit": Case(
        [pod(ENV, []), pod(("resources",), {"limits": {"memory": "1Gi"}})],
        [(pod((*CONTAINER, "resources", "limits"), {"cpu": "1"}), "web", f"{WHERE}.resources.limits.memory")],
    ),
    "readiness-probe": Case(
        [pod(ENV, []), pod((*CONTAINER, "readinessProbe"), None, "Job")],
        [(pod((*CONTAINER, "readinessProbe"), None), "web", f"{WHERE}.readinessProbe")],
    ),
    "liveness-probe": Case(
        [pod(ENV, []), pod((*CONTAINER, "livenessProbe"), None, "CronJob")],
        [(pod((*CONTAINER, "livenessProbe"), None, "DaemonSet"), "web", f"{WHERE}.livenessProbe")],
    ),
    "secret-in-env": Case(
        [
            _env("DB_PASSWORD_FILE", "/secrets/db"),
            _env("TOKEN_TTL", "60"),
            _env("PASSWORD", ""),
            _env("DB_PASSWORD", "$(OTHER)"),
            _env("KEYBOARD", CANARY),
            pod(ENV, [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]),
        ],
        [
            (_env(name, value), "web", ENV_VALUE)
            for name, value in (
                ("DB_PASSWORD", CANARY),
                ("apiToken", CANARY),
                ("AWS_SECRET_ACCESS_KEY", CANARY),
                ("DSN", f"mysql://app:{CANARY}@db/shop"),
                ("X", "AKIAIOSFODNN7EXAMPLE"),
                ("API_KEY", CANARY),
                ("PGPASSWORD", CANARY),
                ("REDISCLI_AUTH", CANARY),
                ("DSN", f"host=db user=app password={CANARY}"),
                ("JDBC", f"jdbc:mariadb://db/shop?user=app&password={CANARY}"),
                ("X", f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}"),
            )
        ],
    ),
    "secret-in-command": Case(
        [
            pod(COMMAND, ["mysql", "--password-file=/secrets/db"]),
            pod(COMMAND, ["sh", "-c", "password=$(cat /s)"]),
            pod(COMMAND, ["sh", "-c", 'redis-cli -a "$(cat /s)" ping; mysql -p"$PASSWORD"']),
            pod(COMMAND, ["mysql", "-P", "3306", "--protocol=tcp"]),
        ],
        [
            (pod(COMMAND, ["mysql", f"--password={CANARY}"]), "web", f"{WHERE}.command[1]"),
            (pod(COMMAND, ["mysql", "--password", CANARY]), "web", f"{WHERE}.command[1]"),
            (pod(COMMAND, ["mysql", "-u", "app", f"-p{CANARY}"]), "web", f"{WHERE}.command"),
            (pod(COMMAND, ["sh", "-c", f"valkey-cli -a {CANARY} ping"]), "web", f"{WHERE}.command"),
            (pod((*CONTAINER, "args"), ["-c", f"export TOKEN={CANARY}"]), "web", f"{WHERE}.args[1]"),
            (
                pod((*CONTAINER, "livenessProbe"), {"exec": {"command": [f"--token={CANARY}"]}}),
                "web",
                f"{WHERE}.livenessProbe.exec.command[0]",
            ),
        ],
    ),
    "secret-in-config-map": Case(
        [
            config(**{"redis.conf": "# requirepass secretly\naclfile /run/users.acl\n"}),
            config(script="password=$(cat /secrets/app)\nuser app on >$password"),
        ],
        [
            (config(**{"redis.conf": f"port 6379\nrequirepass {CANARY}"}), "web", 'data["redis.conf"]'),
            (config(**{"app.ini": f"password = {CANARY}"}), "web", 'data["app.ini"]'),
            (config(users=f"user app on >{CANARY} ~* +@all"), "web", "data.users"),
            (config(token=CANARY), "web", "data.token"),
        ],
    ),
    "secret-in-annotation": Case(
        [annotated(**{"example.org/secret-name": "login"})],
        [
            (annotated(**{"example.org/token": CANARY}), "web", 'metadata.annotations["example.org/token"]'),
            (annotated(note=f"https://me:{CANARY}@example.org"), "web", "metadata.annotations.note"),
        ],
    ),
    "secret-marked": Case(
        [[{**SECRET, "secrets": [["data"], ["stringData"]]}], [{**kube("ConfigMap"), "secrets": [["data"]]}]],
        [([{**config(a=CANARY)[0], "secrets": [["data", "a"]]}], "web", "data.a")],
    ),
    "secret-copied": Case(
        [[SECRET, *config(a="something else")]],
        [([SECRET, *config(a=f"we all know it: {CANARY}")], "web", "data.a")],
    ),
    "account-token": Case(
        [[ACCOUNT]],
        [
            ([kube("ServiceAccount", "a")], "a", TOKEN),
            ([kube("ServiceAccount", "a", {TOKEN: True})], "a", TOKEN),
        ],
    ),
    "unused-token": Case(
        [pod(ENV, []), [with_pod("Deployment", READER), ACCOUNT, BINDING]],
        [
            (pod((TOKEN,), None), "web", f"spec.template.spec.{TOKEN}"),
            ([with_pod("Deployment", READER), ACCOUNT], "web", f"spec.template.spec.{TOKEN}"),
        ],
    ),
    "rbac-wildcard": Case(
        [role()],
        [
            (role(verbs=["*"]), "web", "rules[0].verbs[0]"),
            (role(resources=["pods/*"]), "web", "rules[0].resources[0]"),
            (role(apiGroups=["*"]), "web", "rules[0].apiGroups[0]"),
        ],
    ),
    "rbac-escalation": Case(
        [role(), role(resources=["pods/log"])],
        [
            (role(verbs=["impersonate"]), "web", "rules[0].verbs"),
            (role(resources=["pods/exec"], verbs=["create"]), "web", "rules[0].resources"),
            (role(resources=["nodes/proxy"]), "web", "rules[0].resources"),
            (role(resources=["serviceaccounts/token"], verbs=["create"]), "web", "rules[0].resources"),
        ],
    ),
    "rbac-secrets": Case(
        [role(resources=["secrets"], resourceNames=["login"])],
        [
            (role(resources=["secrets"]), "web", "rules[0].resourceNames"),
            (role(resources=["secrets"], verbs=["list"], resourceNames=["a"]), "web", "rules[0].verbs"),
        ],
    ),
    "rbac-binding": Case(
        [[BINDING]],
        [
            (subject(name="system:authenticated", kind="Group"), "reader", "subjects[0].name"),
            (subject(name="default"), "reader", "subjects[0].name"),
            (
                [
                    {
                        **BINDING,
                        "props": {
                            **BINDING["props"],
                            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
                        },
                    }
                ],
                "reader",
                "roleRef.name",
            ),
        ],
    ),
}
