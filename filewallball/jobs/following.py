"""Follows a Job's pod: until it has begun, line by line while it runs, and to how it ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from filewallball import pods
from filewallball.errors import UserError
from filewallball.kube import Kube, KubeError
from filewallball.pods import Trouble

Object = dict[str, Any]

START_SECONDS = 300.0
"""How long it may take to find a node and to pull the image."""
POLL_SECONDS = 0.3
REREADS = 10
"""How often the log is read again: its last lines may arrive a moment after the container's end."""
FORBIDDEN = 403
OUT_OF_TIME = "DeadlineExceeded"
_ENDS = ("Complete", "Failed")

_ROOM = "No node has room for the pod, or none may take it. Make room, or add a node."
_IMAGE = (
    "The nodes cannot get this image. For a sandbox, run `fwb up`, which brings it there. For any other "
    "cluster, push it to a registry that the nodes reach, and name it in the stack's file (the toolkit's is "
    "filewallball:toolkit.image)."
)
_HINTS = {
    "Unschedulable": _ROOM,
    **dict.fromkeys(("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"), _IMAGE),
}
_RUN_UP = "Run `fwb up` on the stack, which renews what the pod needs. Then run the command again."
_AGAIN = "Run the command again."


@dataclass(frozen=True)
class Work:
    """What a Job does. `what` is said in messages; `memory` and `deadline` are the settings of its limits."""

    what: str
    container: str
    memory: str = ""
    deadline: str = ""

    def __str__(self) -> str:
        return f"the {self.what}'" if self.what.endswith("s") else f"the {self.what}'s"


class JobFailed(UserError):
    """The Job did not come to an end of its own: it could not start, was stopped, or was deleted."""


class CannotStart(JobFailed):
    """The pod will not begin: an image, a node, a quota, a right or a Secret is missing."""


class JobPod:
    """The pod of one Job, on `namespace` of `kube`."""

    def __init__(self, kube: Kube, namespace: str, job: Object, work: Work) -> None:
        self.end: Object | None = None
        """How the container ended (`exitCode`, `reason`, `message`), once `lines` has come to it."""
        self._kube, self._namespace, self._job, self._work = kube, namespace, job, work

    def begun(self) -> str:
        """Wait until the container runs or has run. Returns the pod's name.

        Raises CannotStart with the cluster's own reason, JobFailed if the Job is deleted meanwhile.
        """
        started = time.monotonic()
        since: dict[str, float] = {}
        while True:
            pod = self._pod()
            if pod and pods.begun(pod, self._work.container):
                return str(pod["metadata"]["name"])
            now = time.monotonic()
            trouble = self._trouble(pod)
            since = {trouble.key: since.get(trouble.key, now)} if trouble else {}
            if trouble and now - since[trouble.key] >= trouble.certain_after:
                raise CannotStart(
                    _sentence(f"{self._work} pod cannot start: {trouble.text}"),
                    _HINTS.get(trouble.reason, _RUN_UP),
                )
            if now - started > START_SECONDS:
                text = f"{self._work} pod did not start in {START_SECONDS:.0f} s: {pods.state(pod)}"
                raise CannotStart(_sentence(text), _RUN_UP)
            time.sleep(POLL_SECONDS)

    def lines(self, complete: Callable[[], bool] = lambda: True) -> Iterator[str]:
        """The log's lines as they come, until the container has ended and all is read; `end` is set then.

        `complete` tells whether what came so far can be all. The whole log is read each time: following it
        breaks off where a node's inotify is used up.
        """
        name = self.begun()
        given, rereads = 0, 0
        while self.end is None or (not complete() and rereads < REREADS):
            rereads += self.end is not None
            # The state first: what the container wrote last is then in the log that is read after it.
            self.end = self.ended(name)
            log = self.log(name)
            whole = log if self.end is not None else log[: log.rfind("\n") + 1]
            lines = whole.removesuffix("\n").split("\n") if whole else []
            yield from lines[given:]
            given = max(given, len(lines))
            time.sleep(POLL_SECONDS if self.end is None or not complete() else 0)

    def log(self, pod: str, *, tail: int | None = None) -> str:
        """The container's log so far. `tail`: its last so many lines."""
        return self._kube.logs(pod, self._namespace, container=self._work.container, tail=tail)

    def blame(self) -> str:
        """Which limit ended it, and the setting that raises it; empty where it ended by itself."""
        ended = self.end or {}
        if ended.get("reason") == "OOMKilled":
            return f"out of memory: raise {self._work.memory}" if self._work.memory else "out of memory"
        if ended.get("exitCode") and OUT_OF_TIME in self._given_up():
            return f"out of time: raise {self._work.deadline}" if self._work.deadline else "out of time"
        return ""

    def _pod(self) -> Object | None:
        selector = f"batch.kubernetes.io/controller-uid={self._job['metadata']['uid']}"
        found = self._kube.list("v1", "Pod", self._namespace, selector)
        return found[0] if found else None

    def ended(self, pod: str) -> Object | None:
        """How the container ended; None while it runs."""
        now = self._kube.get("v1", "Pod", pod, self._namespace)
        if now is not None:
            return pods.exited(now, self._work.container)
        if OUT_OF_TIME in (why := self._given_up()):
            hint = f"Raise {self._work.deadline}, and run `fwb up`." if self._work.deadline else _AGAIN
            raise JobFailed(_sentence(f"{self._work} Job ended: {why}"), hint)
        raise JobFailed(_sentence(f"{self._work} pod {pod} was deleted meanwhile."), _AGAIN)

    def _trouble(self, pod: Object | None) -> Trouble | None:
        """What keeps the pod from its start; without a pod, what keeps the Job from making one."""
        if pod:
            found = pods.trouble(pod, [])
            scheduling = found and found.reason == "Unschedulable"
            return pods.trouble(pod, self._events()) if scheduling else found
        if self._now() is None:
            name = self._job["metadata"]["name"]
            raise JobFailed(_sentence(f"{self._work} Job {name} was deleted meanwhile."), _AGAIN)
        return pods.event_trouble(self._job, self._events(), "FailedCreate")

    def _events(self) -> list[Object]:
        """The namespace's events; none where they may not be read, as by the checks' own account."""
        try:
            return self._kube.list("v1", "Event", self._namespace)
        except KubeError as error:
            if error.status != FORBIDDEN:
                raise
            return []

    def _now(self) -> Object | None:
        return self._kube.get("batch/v1", "Job", self._job["metadata"]["name"], self._namespace)

    def _given_up(self) -> str:
        """Why the Job itself counts as failed, empty if it doesn't; said from when its pod is being ended."""
        job = self._now()
        for one in _conditions(job, "Failed", "FailureTarget") if job else []:
            return f"{one.get('reason', '')}: {one.get('message', '')}".strip(": ")
        return ""


def outcome(job: Object) -> str:
    """`Complete`, `Failed`, or empty while the Job runs."""
    return next((one["type"] for one in _conditions(job, *_ENDS)), "")


def outcome_at(job: Object) -> str:
    """When the Job ended, as the cluster writes times; only for one that has."""
    return str(_conditions(job, *_ENDS)[0]["lastTransitionTime"])


def _conditions(job: Object, *kinds: str) -> list[Object]:
    """Those of these kinds that hold."""
    conditions: list[Object] = job.get("status", {}).get("conditions") or []
    return [one for one in conditions if one["status"] == "True" and one["type"] in kinds]


@contextlib.contextmanager
def made(kube: Kube, manifest: Object, *, keep: bool = False) -> Generator[Object]:
    """The Job, created; it is deleted when the block ends, also by Ctrl-C.

    `keep`: only a block that is broken off deletes it; the cluster does after its ttlSecondsAfterFinished.
    """
    meta = manifest["metadata"]
    kept = False
    try:
        # inside the try: a Ctrl-C may come after the cluster has made it and before we know
        yield kube.create(manifest)
        kept = keep
    finally:
        if not kept:
            with contextlib.suppress(UserError):
                kube.delete("batch/v1", "Job", meta["name"], meta["namespace"])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
