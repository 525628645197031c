"""`fwb backup`: the pod of the stack's CronJob, started now with a command, its log shown here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from facts import backup as facts
from facts.units import quantity_bytes
from filewallball import stack
from filewallball.backup.work import WORK
from filewallball.errors import ConfigError
from filewallball.jobs import cron, following
from filewallball.jobs.cron import CronPod, SecretFile
from filewallball.stack import Place

POD = CronPod(facts.CRON_JOB, facts.MODULE, facts.NAME, WORK)


def now(project: Path, stack_name: str, *, allow_empty: bool = False, rate: str | None = None) -> int:
    """Make a backup now; `allow_empty`: even if the last one had rows and there are none.

    `rate`: SQL that is read in a second, at most; 0: no limit; None: as the stack says.
    Returns the job's exit code. Raises ConfigError for a wrong rate, UserError if it cannot start.
    """
    if rate is not None and quantity_bytes(rate) is None:
        raise ConfigError(
            f"--rate {rate} is not a size.",
            "Write it as Kubernetes does, such as 20Mi; or 0, which is no limit.",
        )
    options = [*(["--allow-empty"] if allow_empty else []), *(["--rate", rate] if rate else [])]
    return run(stack.find(project, stack_name), "run", options=options)


def show(project: Path, stack_name: str) -> int:
    """Print the backups in the store, and the runs that failed.

    Returns the job's exit code. Raises UserError if it cannot start.
    """
    place = stack.find(project, stack_name)
    said: list[str] = []

    def write(line: str) -> None:
        said.append(line)
        print(line)

    try:
        return run(place, "list", write)
    finally:
        # Also where the store can't be reached, which is what most of them will tell of.
        for line in failed_jobs(place, said):
            print(line)


def verify(project: Path, stack_name: str, name: str | None, identity: Path | None) -> int:
    """Compare a backup, or else the newest, with its manifest; the private key in `identity` opens it.

    Returns the job's exit code. Raises ConfigError for a file that holds no such key, UserError if the job
    cannot start.
    """
    secret = None
    if identity:
        # Here, so that pyrage is loaded by no other command.
        from filewallball.backup import age

        age.identities(identity)
        secret = SecretFile(
            facts.IDENTITY_PATH, facts.IDENTITY, facts.Variables.IDENTITY_FILE, identity.read_bytes()
        )
    return run(stack.find(project, stack_name), "verify", options=[name] if name else [], secret=secret)


def prune(project: Path, stack_name: str, *, dry_run: bool = False) -> int:
    """Remove the backups that are older than they are kept. Returns the job's exit code, like `show`."""
    return run(stack.find(project, stack_name), "prune", options=["--dry-run"] if dry_run else [])


def run(
    place: Place,
    command: str,
    write: Callable[[str], None] = print,
    options: Sequence[str] = (),
    secret: SecretFile | None = None,
) -> int:
    """Run a command of `filewallball.backup` in the cluster, with its lines to `write`; its exit code."""
    return cron.run(place, POD, [command, *options], write, in_its_turn=command == "run", secret=secret)


def failed_jobs(place: Place, told: Sequence[str]) -> list[str]:
    """The backup's Jobs that failed and that the cluster still has, but for those that `told` names."""
    found: list[str] = []
    for job in place.kube.list("batch/v1", "Job", place.namespace, f"app.kubernetes.io/name={facts.NAME}"):
        name = job["metadata"]["name"]
        if following.outcome(job) != "Failed" or any(f"{name}-" in line for line in told):
            continue
        found.append(f"{following.outcome_at(job)}  FAILED Job {name}: {_why(job)}")
        found.append(
            f"  Look at `kubectl -n {place.namespace} logs job/{name}`. Correct what it names, then run "
            f"`fwb backup now {place.stack}`."
        )
    return ["Failed Jobs that left no record in the store:", *found] if found else []


def _why(job: dict[str, Any]) -> str:
    for one in job["status"]["conditions"]:
        if one["type"] == "Failed":
            return str(one.get("message") or one.get("reason") or "no reason was given")
    return "no reason was given"
