"""`fwb backup now` and `fwb backup list`: the pod of the stack's CronJob, started now, its log shown here.

What the cluster can reach and may do is then the same as at night, and no credential leaves it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filewallball.checks import stack
from filewallball.checks.stack import Place
from filewallball.checks.suites import pods
from filewallball.errors import UserError

Object = dict[str, Any]

CRONJOB = "filewallball-backup-cronjob"
_CONTAINER = "backup"
_POLL_SECONDS = 0.5
# For a node to be found and an image to be pulled.
_START_SECONDS = 300.0
# A pod may be unschedulable for a moment.
_STUCK_SECONDS = 20.0
# The cluster removes the finished Job after so long; until then its log can be read again.
_KEEP_SECONDS = 3600
_RUN_UP = "Run `fwb up` on the stack, then try again."


def now(project: Path, stack_name: str) -> int:
    """Make a backup now. Returns the job's exit code. Raises UserError if it cannot start."""
    return run(stack.find(project, stack_name), "run")


def show(project: Path, stack_name: str) -> int:
    """Print the backups in the store. Returns the job's exit code. Raises UserError if it cannot start."""
    return run(stack.find(project, stack_name), "list")


def run(place: Place, command: str, write: Callable[[str], None] = print) -> int:
    """Run a command of `filewallball.backup` in the cluster; `write` gets its lines. Returns its exit code.

    Interrupted (Ctrl-C), it deletes the Job, whose pod then cleans up after itself.
    """
    cronjob = place.kube.get("batch/v1", "CronJob", CRONJOB, place.namespace)
    if cronjob is None:
        raise UserError(f"There is no CronJob {CRONJOB} in {place}.", f"Run `fwb up {place.stack}` first.")
    manifest = job_manifest(cronjob, command)
    try:
        place.kube.create(manifest)
        return _follow(place, manifest["metadata"]["name"], write)
    except BaseException:
        place.kube.delete("batch/v1", "Job", manifest["metadata"]["name"], place.namespace)
        raise


def job_manifest(cronjob: Object, command: str) -> Object:
    """A Job that runs the CronJob's pod once, with this command in place of `run`."""
    template = cronjob["spec"]["jobTemplate"]
    pod = template["spec"]["template"]
    first, *others = pod["spec"]["containers"]
    words = ["python3", "-m", "filewallball.backup", command]
    metadata: Object = {
        "name": f"filewallball-backup-{command}-{secrets.token_hex(3)}",
        "namespace": cronjob["metadata"]["namespace"],
        "labels": template.get("metadata", {}).get("labels", {}),
    }
    if command == "run":
        # As `kubectl create job --from` does it: the CronJob then starts no second backup beside this one.
        metadata["annotations"] = {"cronjob.kubernetes.io/instantiate": "manual"}
        metadata["ownerReferences"] = [
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "name": CRONJOB,
                "uid": cronjob["metadata"]["uid"],
                "controller": True,
            }
        ]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            **template["spec"],
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": _KEEP_SECONDS,
            "template": {
                **pod,
                "spec": {**pod["spec"], "containers": [{**first, "command": words}, *others]},
            },
        },
    }


def _follow(place: Place, job: str, write: Callable[[str], None]) -> int:
    """Write the pod's lines as they come, and return its exit code."""
    name = _started(place, job)
    written = 0
    while True:
        # The state first: what the pod wrote last is then in the log that is read after it.
        pod = place.kube.get("v1", "Pod", name, place.namespace)
        if pod is None:
            raise UserError(f"The pod {name} was deleted before the backup's end.", "Run the command again.")
        end = pods.exited(pod, _CONTAINER)
        lines = place.kube.logs(name, place.namespace, container=_CONTAINER).splitlines()
        for line in lines[written:]:
            write(line)
        written = max(written, len(lines))
        if end is not None:
            if end.get("reason") == "OOMKilled":
                write("backup: FAILED out of memory: raise filewallball:backup.resources.memoryLimit")
            return int(end["exitCode"])
        time.sleep(_POLL_SECONDS)


def _started(place: Place, job: str) -> str:
    """The name of the Job's pod, once it runs or has run. Raises UserError with the reason if it does not."""
    started = time.monotonic()
    stuck_since: float | None = None
    while True:
        found = place.kube.list("v1", "Pod", place.namespace, f"batch.kubernetes.io/job-name={job}")
        pod = found[0] if found else None
        if pod and pods.begun(pod, _CONTAINER):
            return str(pod["metadata"]["name"])
        now_ = time.monotonic()
        reason = pods.stuck(pod) if pod else ""
        stuck_since = (stuck_since or now_) if reason else None
        if stuck_since and now_ - stuck_since > _STUCK_SECONDS:
            raise UserError(f"The backup's pod cannot start: {reason}", _RUN_UP)
        if now_ - started > _START_SECONDS:
            raise UserError(
                f"The backup's pod did not start in {_START_SECONDS:.0f} s: {pods.state(pod)}", _RUN_UP
            )
        time.sleep(_POLL_SECONDS)
