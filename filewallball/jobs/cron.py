"""The pod of a CronJob of the stack, started now with a command of its own, its log shown here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from filewallball.errors import UserError
from filewallball.jobs import manifests
from filewallball.jobs.following import JobPod, Work, made
from filewallball.stack import Place

_KEEP_SECONDS = 3600
"""The cluster removes the finished Job after this time. Until then its log can be read again."""


@dataclass(frozen=True)
class CronPod:
    """Which pod: the CronJob, and the Python module that has the commands. `name` begins the Jobs' names."""

    cronjob: str
    module: str
    name: str
    work: Work


@dataclass(frozen=True)
class SecretFile:
    """A secret that one Job's pod reads from `folder`/`key`; `variable` tells it the path.

    It goes with the Job: the cluster removes it when the Job is removed.
    """

    folder: str
    key: str
    variable: str
    data: bytes


def run(
    place: Place,
    cron: CronPod,
    arguments: Sequence[str],
    write: Callable[[str], None] = print,
    *,
    in_its_turn: bool = False,
    secret: SecretFile | None = None,
) -> int:
    """Run a command of the pod's module in the cluster; `write` gets its lines. Returns its exit code.

    `in_its_turn`: the CronJob starts nothing of its own while this runs. Interrupted (Ctrl-C), it deletes the
    Job, whose pod then cleans up after itself. Raises UserError if the pod cannot start.
    """
    cron_job = place.kube.get("batch/v1", "CronJob", cron.cronjob, place.namespace)
    if cron_job is None:
        raise UserError(
            f"There is no CronJob {cron.cronjob} in {place}.", f"Run `fwb up {place.stack}` first."
        )
    name = manifests.unique(f"{cron.name}-{arguments[0]}-")
    template = cron_job["spec"]["jobTemplate"]["spec"]["template"]
    if secret:
        template = manifests.with_secret(template, name, secret.folder, secret.key, secret.variable)
    manifest = manifests.of_cron_job(
        cron_job,
        name,
        place.namespace,
        ttlSecondsAfterFinished=_KEEP_SECONDS,
        template=manifests.told(template, command=["python3", "-m", cron.module, *arguments]),
    )
    if in_its_turn:
        manifest = manifests.counted(manifest, cron_job)
    with made(place.kube, manifest, keep=not secret) as job:
        if secret:
            # After the Job, which owns it: so there is no moment in which nobody would remove it.
            place.kube.create(manifests.secret_of(job, secret.key, secret.data))
        pod = JobPod(place.kube, place.namespace, job, cron.work)
        for line in pod.lines():
            write(line)
    if blame := pod.blame():
        write(f"{cron.work.what}: FAILED {blame}")
    return int((pod.end or {})["exitCode"])
