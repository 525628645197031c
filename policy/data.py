"""Workloads that hold data: a drain waits for them, their data outlives them, and a backup has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from facts.policy import BACKS_UP, NO_BACKUP, NO_DATA
from policy.images import full_name
from policy.plain import at, is_unknown, listed, mapping, text
from policy.pods import Pod, pods_in, selects
from policy.resources import Resource, Stack
from policy.rule import Context, Finding, Rule, names

_WORKLOADS = ("apps/StatefulSet", "apps/Deployment", "apps/ReplicaSet", "ReplicationController")
_IMAGES = names(
    "images",
    "Ends of the names of images that hold data, whatever their volumes are",
    "mariadb", "mysql", "postgres", "valkey", "mongo", "elasticsearch", "rabbitmq", "etcd", "minio",
)  # fmt: skip


def _claims(pod: Pod) -> bool:
    """Whether the pod has a claim that isn't its own: one that is there when the pod is gone."""
    named = any(volume.get("persistentVolumeClaim") for _, volume in pod.volumes)
    return named or bool(listed(pod.resource.props, "spec", "volumeClaimTemplates"))


def _known_image(pod: Pod, context: Context) -> bool:
    ends: list[str] = context.options.get("images", ())
    for container in pod.containers:
        name = full_name(text(container.body.get("image"))).partition("@")[0]
        last = name.rpartition("/")[2].partition(":")[0]
        # a server, not the client of one that a Job runs
        if container.group == "containers" and last in ends:
            return True
    return False


def _workloads(stack: Stack) -> Iterator[Pod]:
    for pod in pods_in(stack):
        if pod.resource.is_a(*_WORKLOADS):
            yield pod


def _budget(stack: Stack, _: Context) -> Iterable[Finding]:
    budgets = [each for each in stack if each.is_a("policy/PodDisruptionBudget")]
    for pod in _workloads(stack):
        if not _claims(pod):
            continue
        if not any(
            each.namespace == pod.resource.namespace
            and selects(at(each.props, "spec", "selector"), pod.labels)
            for each in budgets
        ):
            yield Finding(
                (*pod.path, "metadata", "labels"),
                "are selected by no PodDisruptionBudget",
                "Declare one, so that draining a node waits for what holds data.",
                pod.resource,
            )


def _lasting(stack: Stack, context: Context) -> Iterable[Finding]:
    for pod in _workloads(stack):
        owner = pod.resource
        keeps = owner.is_a("apps/StatefulSet") and len(text(owner.annotations.get(NO_DATA)).split()) < 2
        if (keeps or _known_image(pod, context)) and not _claims(pod):
            yield Finding(
                (*pod.spec_path, "volumes"),
                "hold no claim: the data is gone with the pod",
                "Claim a volume, and mount it where the server keeps its data, or say in the annotation"
                f" {NO_DATA} why a StatefulSet keeps nothing.",
                owner,
            )
        for path, volume in pod.volumes:
            if volume.get("ephemeral"):
                yield Finding(
                    (*path, "ephemeral"), "is deleted with the pod", "Claim a volume that stays.", owner
                )
        retention = mapping(owner.props, "spec", "persistentVolumeClaimRetentionPolicy")
        for name in ("whenDeleted", "whenScaled"):
            if retention.get(name) == "Delete":
                yield Finding(
                    ("spec", "persistentVolumeClaimRetentionPolicy", name),
                    "is Delete: the data goes with the set",
                    "Write Retain.",
                    owner,
                )
    for each in stack:
        if each.is_a("PersistentVolume"):
            policy = at(each.props, "spec", "persistentVolumeReclaimPolicy")
            if policy not in (None, "Retain") and not is_unknown(policy):
                yield Finding(
                    ("spec", "persistentVolumeReclaimPolicy"), f"is {policy}", "Write Retain.", each
                )


def _covered(cron_job: Resource) -> list[str]:
    given = text(cron_job.annotations.get(BACKS_UP))
    return [name.strip() for name in given.split(",") if name.strip()]


def _backup(stack: Stack, context: Context) -> Iterable[Finding]:
    cron_jobs = [each for each in stack if each.is_a("batch/CronJob") and _covered(each)]
    held = {each.resource.object_name for each in _workloads(stack)}
    for cron_job in cron_jobs:
        for name in _covered(cron_job):
            if name not in held:
                yield Finding(
                    ("metadata", "annotations", BACKS_UP),
                    f"names {name}, which the stack doesn't have",
                    "Name workloads of the stack, with commas between them.",
                    cron_job,
                )
        if at(cron_job.props, "spec", "suspend") is True:
            yield Finding(
                ("spec", "suspend"),
                "is true: the backup never runs",
                "Write false, or leave it out.",
                cron_job,
            )
    for pod in _workloads(stack):
        owner = pod.resource
        if not _claims(pod) and not _known_image(pod, context):
            continue
        if len(text(owner.annotations.get(NO_BACKUP)).split()) > 1:
            continue
        if not any(
            owner.object_name in _covered(each) and each.namespace == owner.namespace for each in cron_jobs
        ):
            yield Finding(
                ("metadata", "name"),
                "is in no CronJob's list of what it backs up",
                f"Name it in the annotation {BACKS_UP} of the CronJob that does, or say in its own annotation"
                f" {NO_BACKUP} why it needs none.",
                owner,
            )


_FAMILY = "Data"
RULES = (
    Rule(
        "data-disruption-budget",
        _FAMILY,
        "Draining a node must not stop a database by accident.",
        check_stack=_budget,
    ),
    Rule(
        "data-volume",
        _FAMILY,
        "Data must stay when its pod or workload is deleted.",
        check_stack=_lasting,
        own_options=(_IMAGES,),
    ),
    Rule(
        "data-backup",
        _FAMILY,
        "Data on one volume only is lost with that volume.",
        check_stack=_backup,
        own_options=(_IMAGES,),
        production=True,
    ),
)
