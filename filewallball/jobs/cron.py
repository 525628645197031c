"""The pod of a CronJob of the stack, started now with a command of its own, its log shown here.

What the cluster can reach and may do is then the same as on schedule, and no credential leaves it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from filewallball.checks.suites import pods
from filewallball.errors import UserError
from filewallball.stack import Place

Object = dict[str, Any]

_POLL_SECONDS = 0.5
# For a node to be found and an image to be pulled.
_START_SECONDS = 300.0
# A pod may be unschedulable for a moment.
_STUCK_SECONDS = 20.0
# The cluster removes the finished Job after so long; until then its log can be read again.
_KEEP_SECONDS = 3600
_RUN_UP = "Run `fwb up` on the stack, then try again."


@dataclass(frozen=True)
class CronPod:
    """Which pod: the CronJob, its container that is given a command, the Python module that has the commands.

    `name` begins the Jobs' names, `what` is said in messages, `memory` is the setting of the container's
    memory.
    """

    cronjob: str
    container: str
    module: str
    name: str
    what: str
    memory: str


def run(
    place: Place,
    cron: CronPod,
    arguments: Sequence[str],
    write: Callable[[str], None] = print,
    *,
    in_its_turn: bool = False,
) -> int:
    """Run a command of the pod's module in the cluster; `write` gets its lines. Returns its exit code.

    `in_its_turn`: the CronJob starts nothing of its own while this runs. Interrupted (Ctrl-C), it deletes the
    Job, whose pod then cleans up after itself. Raises UserError if the pod cannot start.
    """
    cronjob = place.kube.get("batch/v1", "CronJob", cron.cronjob, place.namespace)
    if cronjob is None:
        raise UserError(
            f"There is no CronJob {cron.cronjob} in {place}.", f"Run `fwb up {place.stack}` first."
        )
    manifest = job_manifest(cronjob, cron, arguments, in_its_turn=in_its_turn)
    try:
        place.kube.create(manifest)
        return _follow(place, cron, manifest["metadata"]["name"], write)
    except BaseException:
        place.kube.delete("batch/v1", "Job", manifest["metadata"]["name"], place.namespace)
        raise


def job_manifest(cronjob: Object, cron: CronPod, arguments: Sequence[str], *, in_its_turn: bool) -> Object:
    """A Job that runs the CronJob's pod once, with these arguments in place of `run`."""
    template = cronjob["spec"]["jobTemplate"]
    pod = template["spec"]["template"]
    first, *others = pod["spec"]["containers"]
    words = ["python3", "-m", cron.module, *arguments]
    metadata: Object = {
        "name": f"{cron.name}-{arguments[0]}-{secrets.token_hex(3)}",
        "namespace": cronjob["metadata"]["namespace"],
        "labels": template.get("metadata", {}).get("labels", {}),
    }
    if in_its_turn:
        # As `kubectl create job --from` does it: the CronJob then starts no second one beside this.
        metadata["annotations"] = {"cronjob.kubernetes.io/instantiate": "manual"}
        metadata["ownerReferences"] = [
            {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "name": cron.cronjob,
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


def _follow(place: Place, cron: CronPod, job: str, write: Callable[[str], None]) -> int:
    """Write the pod's lines as they come, and return its exit code."""
    name = _started(place, cron, job)
    written = 0
    while True:
        # The state first: what the pod wrote last is then in the log that is read after it.
        pod = place.kube.get("v1", "Pod", name, place.namespace)
        if pod is None:
            raise UserError(
                f"The pod {name} was deleted before the {cron.what}'s end.", "Run the command again."
            )
        end = pods.exited(pod, cron.container)
        lines = place.kube.logs(name, place.namespace, container=cron.container).splitlines()
        for line in lines[written:]:
            write(line)
        written = max(written, len(lines))
        if end is not None:
            if end.get("reason") == "OOMKilled":
                write(f"{cron.what}: FAILED out of memory: raise {cron.memory}")
            return int(end["exitCode"])
        time.sleep(_POLL_SECONDS)


def _started(place: Place, cron: CronPod, job: str) -> str:
    """The name of the Job's pod, once it runs or has run. Raises UserError with the reason if it does not."""
    started = time.monotonic()
    stuck_since: float | None = None
    while True:
        found = place.kube.list("v1", "Pod", place.namespace, f"batch.kubernetes.io/job-name={job}")
        pod = found[0] if found else None
        if pod and pods.begun(pod, cron.container):
            return str(pod["metadata"]["name"])
        now = time.monotonic()
        reason = pods.stuck(pod) if pod else ""
        stuck_since = (stuck_since or now) if reason else None
        if stuck_since and now - stuck_since > _STUCK_SECONDS:
            raise UserError(f"The {cron.what}'s pod cannot start: {reason}", _RUN_UP)
        if now - started > _START_SECONDS:
            raise UserError(
                f"The {cron.what}'s pod did not start in {_START_SECONDS:.0f} s: {pods.state(pod)}", _RUN_UP
            )
        time.sleep(_POLL_SECONDS)
