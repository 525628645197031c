"""`fwb restore`: the stack's own pod for restores, started now, its log shown here."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facts import backup, mariadb
from facts import recovery as facts
from filewallball import pods, stack
from filewallball.errors import ConfigError, UserError, nearest
from filewallball.jobs import cron, manifests
from filewallball.jobs.cron import CronPod
from filewallball.jobs.following import JobPod, Work, made, outcome
from filewallball.recovery import moments
from filewallball.stack import Place

Object = dict[str, Any]

WORK = Work(
    "restore",
    facts.CONTAINER,
    memory="filewallball:backup.resources.memoryLimit",
    deadline="filewallball:backup.deadlineMinutes",
)
_LISTING = CronPod(
    backup.CRON_JOB, facts.MODULE, facts.NAME, Work("restore", backup.CONTAINER, memory=WORK.memory)
)
"""Listing needs the store alone, which the backup's pod reaches also while the database is down."""
_KEEP_SECONDS = 3600


@dataclass(frozen=True)
class Asked:
    """The options of the command, as they were given."""

    latest: bool = False
    name: str | None = None
    at: str | None = None
    into: str | None = None
    tables: str | None = None
    yes: bool = False
    identity: Path | None = None

    @property
    def names(self) -> list[str]:
        """Those of the tables, each once; none means all."""
        return list(dict.fromkeys(each.strip() for each in (self.tables or "").split(",") if each.strip()))

    def check(self) -> None:
        """Raise ConfigError unless they make sense together."""
        if sum((self.latest, self.name is not None, self.at is not None)) != 1:
            raise ConfigError(
                "Which backup? Give one of --latest, -f NAME and --at TIME.",
                "`fwb restore STACK --list` shows what there is.",
            )
        if self.tables is not None and not all(table.strip() for table in self.tables.split(",")):
            raise ConfigError(
                f"--tables {self.tables!r} names an empty table.", "Write the names with commas between them."
            )
        if self.into is not None and not 0 < len(self.into) <= 64:
            raise ConfigError(f"--into {self.into!r} is no name for a database.", "Use 1 to 64 characters.")
        if not self.yes and not sys.stdin.isatty():
            raise ConfigError("A restore asks before it begins, and there is nobody to ask.", "Give --yes.")


def show(project: Path, stack_name: str) -> int:
    """Print what can be restored. Returns the job's exit code. Raises UserError if it cannot start."""
    return cron.run(stack.find(project, stack_name), _LISTING, ["list"])


def restore(project: Path, stack_name: str, asked: Asked) -> int:
    """Restore, after a question unless `asked.yes`. Returns the job's exit code, 1 if the answer is no.

    Raises ConfigError for wrong usage, UserError if there is no such backup or the pod cannot start.
    """
    asked.check()
    place = stack.find(project, stack_name)
    schedule = _schedule(place)
    moment = moments.parse(asked.at, schedule["spec"]["timeZone"], datetime.now(UTC)) if asked.at else None
    key = _key(asked.identity)
    if moment:
        print(f"--at means {moment:%Y-%m-%d %H:%M:%S} UTC.")
    check_idle(place)
    name = asked.name
    if not asked.yes:
        chosen = None if moment else _chosen(place, asked)
        name = str(chosen["name"]) if chosen else name
        print(question(place, asked, chosen, moment))
        if input("Type yes to go on: ").strip().lower() != "yes":
            print("Nothing was changed.")
            return 1
    words = ["--name", name] if name else ["--at", moment.isoformat()] if moment else ["--latest"]
    if asked.into is not None:
        return _run(place, ["into", *words, "--into", asked.into, *_tables(asked)], schedule, key)
    return _run(place, ["swap", *words, *_tables(asked)], schedule, key)


def _key(file: Path | None) -> bytes | None:
    """The private key in a file. Raises ConfigError if it holds none."""
    if file is None:
        return None
    from filewallball.backup import age  # pyrage is loaded only where it is needed

    age.identities(file)
    return file.read_bytes()


def _tables(asked: Asked) -> list[str]:
    return [word for name in asked.names for word in ("--table", name)]


def _schedule(place: Place) -> Object:
    found = place.kube.get("batch/v1", "CronJob", backup.CRON_JOB, place.namespace)
    if found is None:
        raise UserError(
            f"There is no CronJob {backup.CRON_JOB} in {place}.", f"Run `fwb up {place.stack}` first."
        )
    return found


def check_idle(place: Place) -> None:
    """Raise UserError while a backup or another restore is at work."""
    for job in place.kube.list("batch/v1", "Job", place.namespace):
        owners: list[Object] = job["metadata"].get("ownerReferences") or []
        ours = any(each["name"] == backup.CRON_JOB for each in owners)
        if ours and not outcome(job) and not _done(place, job):
            name = job["metadata"]["name"]
            what = "restore" if name.startswith(facts.NAME) else "backup"
            raise UserError(
                f"A {what} is at work: Job {name} in {place}.",
                "Wait until it has ended, and run the command again.",
            )


def _done(place: Place, job: Object) -> bool:
    """Whether its work is done, which the cluster counts a moment later."""
    selector = f"batch.kubernetes.io/controller-uid={job['metadata']['uid']}"
    ends = [
        pods.exited(pod, container)
        for pod in place.kube.list("v1", "Pod", place.namespace, selector)
        for container in (backup.CONTAINER, facts.CONTAINER)
    ]
    return any(end and end["exitCode"] == 0 for end in ends)


def question(place: Place, asked: Asked, chosen: Object | None, moment: datetime | None) -> str:
    what = f"{chosen['name']} ({chosen['rows']} rows)" if chosen else "The newest backup before that"
    if moment:
        what += f", brought forward to {moment:%Y-%m-%d %H:%M:%S} UTC,"
    if asked.names:
        what = f"Only {', '.join(asked.names)} of {what[0].lower()}{what[1:]}"
    if asked.into is not None:
        return f"{what} will be loaded into the new database {asked.into} in {place}."
    took = f" When it was tried, that took {chosen['seconds']:.0f} s." if chosen else ""
    replaced, stays = f"the database {mariadb.DATABASE}", "Other databases and users stay."
    if asked.names:
        replaced, stays = "these tables and their triggers", "Everything else stays."
    return (
        f"{what} will take the place of {replaced} in {place}.\n"
        "From now on until the end applications can read and not write; then the server restarts once, which"
        f" takes some seconds.{took}\n"
        f"What the database holds now is backed up before. {stays}"
    )


def _chosen(place: Place, asked: Asked) -> Object:
    """What the catalogue says of the backup that is meant. Raises UserError."""
    lines: list[str] = []
    if cron.run(place, _LISTING, ["list", "--json"], lines.append) != 0:
        raise UserError("The backups cannot be listed:\n" + "\n".join(lines), "Correct what this says.")
    found: list[Object] = [json.loads(line) for line in lines]
    for one in found:
        if one["name"] == asked.name or (asked.latest and one["good"] and not one["before_restore"]):
            return one
    hint = f"Choose one that `fwb restore {place.stack} --list` shows."
    if asked.name:
        near = nearest(asked.name, [str(one["name"]) for one in found], "Backups")
        raise UserError(f"There is no backup {asked.name} in the store.", f"{near} {hint}")
    raise UserError("There is no verified backup in the store.", hint)


def _run(place: Place, words: list[str], schedule: Object, key: bytes | None) -> int:
    template = place.kube.get("v1", "PodTemplate", facts.NAME, place.namespace)
    if template is None:
        raise UserError(
            f"There is no PodTemplate {facts.NAME} in {place}.", f"Run `fwb up {place.stack}` first."
        )
    name = manifests.unique(f"{facts.NAME}-")
    told = manifests.told(template["template"], command=["python3", "-m", facts.MODULE, *words])
    if key:
        variable = backup.Variables.IDENTITY_FILE
        told = manifests.with_secret(told, name, backup.IDENTITY_PATH, backup.IDENTITY, variable)
    manifest = manifests.job(
        name,
        place.namespace,
        told,
        labels=told["metadata"]["labels"],
        ttlSecondsAfterFinished=_KEEP_SECONDS,
    )
    # The nightly backup then waits for its turn.
    with made(place.kube, manifests.counted(manifest, schedule), keep=not key) as job:
        if key:
            place.kube.create(manifests.secret_of(job, backup.IDENTITY, key))
        pod = JobPod(place.kube, place.namespace, job, WORK)
        for line in pod.lines():
            print(line, flush=True)
    if blame := pod.blame():
        print(f"restore: FAILED {blame}")
    return int((pod.end or {})["exitCode"])
