"""Cases, likewise, of rules about what works together: network, data, schedules, Sentinels, keeping."""

from __future__ import annotations

from typing import Any

from policy_cases import CLAIM, CONTAINER, CRON, ENV, IMAGE, WHERE, Case, config, pod, spec
from registrations import LABELS, RESTRICTED_POD, Registration, changed, kube, registered, with_pod


def policy(name: str = "web", reason: str | None = "Shops ask for prices.", **body: Any) -> Registration:
    annotations = {"filewallball.io/reason": reason} if reason is not None else None
    return kube("NetworkPolicy", name, {"spec": {"podSelector": {}, **body}}, annotations=annotations)


def sentinel_set(
    replicas: int = 5, told: int = 5, quorum: int = 3, members: int = 3, pods: int = 3, name: str = ""
) -> list[Registration]:
    """A session set: servers and Sentinels, as the program declares them."""
    env = [
        {"name": "FWB_MEMBERS", "value": str(members)},
        {"name": "FWB_SENTINELS", "value": str(told)},
        {"name": "FWB_QUORUM", "value": str(quorum)},
    ]
    both: list[Registration] = []
    for each, count, port in (("sentinel", replicas, 26379), ("server", pods, 6379)):
        spec = changed(RESTRICTED_POD, (*CONTAINER, "env"), env)
        spec = changed(spec, (*CONTAINER, "ports"), [{"containerPort": port}])
        found = with_pod("StatefulSet", spec, each, {"labels": {**LABELS, "role": each}})
        both.append({**found, "props": changed(found["props"], ("spec", "replicas"), count)})
    return both


def budget(**limit: Any) -> Registration:
    return kube("PodDisruptionBudget", "budget", {"spec": {"selector": {"matchLabels": {}}, **limit}})


DENY = policy("deny", None, policyTypes=["Ingress", "Egress"])
DATA = with_pod(
    "StatefulSet",
    {**RESTRICTED_POD, "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
    "database",
)
BACKUP = spec("CronJob", ("metadata", "annotations"), {"filewallball.io/backs-up": "database"}, CRON)

CASES: dict[str, Case] = {
    "default-deny": Case(
        [[*pod(ENV, []), DENY]],
        [
            (pod(ENV, []), "web", "spec.template.metadata.labels"),
            ([*pod(ENV, []), policy(policyTypes=["Ingress"])], "web", "spec.template.metadata.labels"),
            (
                [*pod(ENV, []), {**DENY, "props": changed(DENY["props"], ("metadata", "namespace"), "a")}],
                "web",
                "spec.template.metadata.labels",
            ),
        ],
    ),
    "opening-reason": Case(
        [[DENY], [policy(ingress=[{}])]],
        [
            ([policy(reason=None, ingress=[{}])], "web", 'metadata.annotations["filewallball.io/reason"]'),
            ([policy(reason="yes", egress=[{}])], "web", 'metadata.annotations["filewallball.io/reason"]'),
        ],
    ),
    "opening-to-all": Case(
        [
            [
                policy(
                    ingress=[{"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}],
                    egress=[{"ports": [{"port": 443}]}],
                )
            ]
        ],
        [
            ([policy(ingress=[{"ports": [{"port": 80}]}])], "web", "spec.ingress[0].from"),
            (
                [policy(ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])],
                "web",
                "spec.ingress[0].from[0].ipBlock.cidr",
            ),
            ([policy(ingress=[{"from": [{"namespaceSelector": {}}]}])], "web", "spec.ingress[0].from[0]"),
            ([policy(egress=[{}])], "web", "spec.egress[0]"),
        ],
    ),
    "data-disruption-budget": Case(
        [[DATA, budget(minAvailable=1)], pod(ENV, [])],
        [([DATA], "database", "spec.template.metadata.labels")],
    ),
    "data-volume": Case(
        [
            [DATA],
            pod(ENV, []),
            spec(
                "StatefulSet",
                ("metadata", "annotations"),
                {"filewallball.io/no-data": "Only computes."},
                pod(ENV, [], "StatefulSet"),
            ),
        ],
        [
            (pod(IMAGE, "mariadb:11"), "web", "spec.template.spec.volumes"),
            (pod(ENV, [], "StatefulSet"), "web", "spec.template.spec.volumes"),
            (
                spec(
                    "StatefulSet",
                    ("metadata", "annotations"),
                    {"filewallball.io/no-data": "none"},
                    pod(ENV, [], "StatefulSet"),
                ),
                "web",
                "spec.template.spec.volumes",
            ),
            (
                spec(
                    "StatefulSet",
                    ("metadata", "annotations"),
                    {"filewallball.io/no-data": "Only computes."},
                    pod(IMAGE, "mariadb:11", "StatefulSet"),
                ),
                "web",
                "spec.template.spec.volumes",
            ),
            (
                pod(("volumes",), [{"name": "a", "ephemeral": {"volumeClaimTemplate": {}}}]),
                "web",
                "spec.template.spec.volumes[0].ephemeral",
            ),
            (
                [kube("PersistentVolume", body={"spec": {"persistentVolumeReclaimPolicy": "Delete"}})],
                "web",
                "spec.persistentVolumeReclaimPolicy",
            ),
        ],
    ),
    "data-backup": Case(
        [
            [DATA, *BACKUP],
            spec(
                "StatefulSet",
                ("metadata", "annotations"),
                {"filewallball.io/no-backup": "It is a copy."},
                [DATA],
            ),
        ],
        [
            ([DATA, *CRON], "database", "metadata.name"),
            ([DATA, *spec("CronJob", ("spec", "suspend"), True, BACKUP)], "nightly", "spec.suspend"),
            (BACKUP, "nightly", 'metadata.annotations["filewallball.io/backs-up"]'),
        ],
        protected=True,
    ),
    "cronjob-forbid": Case(
        [CRON],
        [
            (spec("CronJob", ("spec", "concurrencyPolicy"), each, CRON), "nightly", "spec.concurrencyPolicy")
            for each in (None, "Allow", "Replace")
        ],
    ),
    "cronjob-starting-deadline": Case(
        [CRON],
        [
            (
                spec("CronJob", ("spec", "startingDeadlineSeconds"), each, CRON),
                "nightly",
                "spec.startingDeadlineSeconds",
            )
            for each in (None, 5)
        ],
    ),
    "cronjob-time-zone": Case(
        [CRON],
        [
            *(
                (spec("CronJob", ("spec", "timeZone"), each, CRON), "nightly", "spec.timeZone")
                for each in (None, "Mars/Olympus", "Local")
            ),
            (
                spec("CronJob", ("spec", "schedule"), "TZ=Asia/Seoul 0 2 * * *", CRON),
                "nightly",
                "spec.schedule",
            ),
        ],
    ),
    "job-deadline": Case(
        [CRON, [with_pod("Job", RESTRICTED_POD)]],
        [
            (
                spec("Job", ("spec", "activeDeadlineSeconds"), None, [with_pod("Job", RESTRICTED_POD)]),
                "web",
                "spec.activeDeadlineSeconds",
            )
        ],
    ),
    "sentinel-quorum": Case(
        [sentinel_set(), [sentinel_set(3, 3, 2)[0], *config(c="sentinel monitor a 10.0.0.1 6379 2")]],
        [
            (sentinel_set(quorum=6), "sentinel", f"{WHERE}.env[2].value"),
            (sentinel_set(quorum=2), "server", f"{WHERE}.env[2].value"),
            (
                [sentinel_set(3, 3, 2)[0], *config(c="port 26379\nsentinel monitor a 10.0.0.1 6379 4")],
                "web",
                "data.c",
            ),
        ],
    ),
    "sentinel-counts": Case(
        [sentinel_set()],
        [
            (sentinel_set(4, 4, 3), "sentinel", "spec.replicas"),
            (sentinel_set(1, 1, 1), "sentinel", "spec.replicas"),
            (sentinel_set(5, 3), "sentinel", f"{WHERE}.env[1].value"),
            (sentinel_set(members=5), "server", f"{WHERE}.env[0].value"),
            (sentinel_set(members=1, pods=1), "server", "spec.replicas"),
        ],
    ),
    "sentinel-agreement": Case(
        [sentinel_set()],
        [([sentinel_set()[0], sentinel_set(quorum=4)[1]], "server", f"{WHERE}.env[2].value")],
    ),
    "sentinel-drain": Case(
        [[*sentinel_set(), budget(maxUnavailable=2)]],
        [
            ([*sentinel_set(), budget(maxUnavailable=3)], "budget", "spec.maxUnavailable"),
            ([*sentinel_set(), budget(minAvailable=2)], "budget", "spec.minAvailable"),
        ],
    ),
    "labels": Case(
        [[kube("ConfigMap")]],
        [
            (
                spec(
                    "ConfigMap",
                    ("metadata", "labels", "app.kubernetes.io/part-of"),
                    None,
                    [kube("ConfigMap")],
                ),
                "web",
                'metadata.labels["app.kubernetes.io/part-of"]',
            ),
        ],
    ),
    "protected": Case(
        [
            [{**CLAIM, "protect": True}],
            [kube("PersistentVolumeClaim", annotations={"filewallball.io/unprotected": "A test says so."})],
        ],
        [([CLAIM], "data", "protect"), ([registered("aws:s3/bucket:Bucket", "b", {})], "b", "protect")],
        protected=True,
    ),
    "bucket-force-destroy": Case(
        [[registered("aws:s3/bucket:Bucket", "b", {"forceDestroy": False})]],
        [([registered("aws:s3/bucket:Bucket", "b", {"forceDestroy": True})], "b", "forceDestroy")],
        protected=True,
    ),
    "names-collide": Case(
        [
            [kube("ConfigMap", "a"), kube("ConfigMap", "b"), kube("Secret", "a")],
            # a policy's name is its role's own
            [
                registered("aws:iam/rolePolicy:RolePolicy", "a", {"role": "one", "name": "store"}),
                registered("aws:iam/rolePolicy:RolePolicy", "b", {"role": "two", "name": "store"}),
            ],
        ],
        [
            (
                [kube("ConfigMap", "a"), {**kube("ConfigMap", "a"), "urn": "urn:pulumi:dev::shop::x::other"}],
                "other",
                "metadata.name",
            ),
            (
                [
                    registered("aws:s3/bucket:Bucket", "a", {"bucket": "one"}),
                    registered("aws:s3/bucket:Bucket", "b", {"bucket": "one"}),
                ],
                "b",
                "bucket",
            ),
        ],
    ),
}
