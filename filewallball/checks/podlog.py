"""Reads along with the checks' pod, from its Job to its last line, and makes results of what it prints."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, cast

from filewallball.checks.result import Result
from filewallball.checks.suites import pods
from filewallball.errors import UserError
from filewallball.kube import Kube

Object = dict[str, Any]

CONTAINER = "checks"
START_SECONDS = 300.0
"""For a node to be found and an image to be pulled."""
STUCK_SECONDS = 20.0
"""A pod may be unschedulable, or its image not pulled, for a moment."""
POLL_SECONDS = 0.3
REREADS = 10
"""The last lines may reach the log a moment after the container's end."""
TAIL_LINES = 12


class PodLog:
    """The log of one Job's pod: what was planned, what is known, and why it ended."""

    def __init__(self, kube: Kube, namespace: str, job: Object) -> None:
        self.plan: list[str] = []
        self.results: list[Result] = []
        self._kube, self._namespace, self._job = kube, namespace, job
        self._noise: list[str] = []

    def follow(self) -> Iterator[Result]:
        """Yield each result as the pod prints it; at the end, failures for what it never got to.

        Raises UserError if the pod cannot start, or ended without doing anything.
        """
        name = str(self._started()["metadata"]["name"])
        end, rereads = None, 0
        while end is None or (self._incomplete and rereads < REREADS):
            rereads += end is not None
            end = self._end(name)
            yield from self._news(name)
            time.sleep(POLL_SECONDS if end is None or self._incomplete else 0)
        if not self.plan and not self.results:
            tail = "\n".join(self._noise[-TAIL_LINES:])
            raise UserError(
                f"the checks' pod ended without checking anything: {end}\n{tail}".rstrip(), _RUN_UP
            )
        for name in self.current:
            yield self._keep(
                Result(
                    name,
                    "failed",
                    f"the checks' pod ended before this check did: {end}",
                    "it runs to its end",
                    "for OOMKilled raise the memory limit of the checks; else see its log: "
                    f"{' | '.join(self._noise[-TAIL_LINES:]) or 'empty'}",
                )
            )

    @property
    def current(self) -> list[str]:
        """What is planned and has no result yet, in order: the first one is running."""
        done = {result.name for result in self.results}
        return [name for name in self.plan if name not in done]

    @property
    def _incomplete(self) -> bool:
        return bool(self.current) or not (self.plan or self.results or self._noise)

    def _news(self, pod: str) -> Iterator[Result]:
        """Read the whole log, which is short: following it breaks off where a node's inotify is used up."""
        self._noise = []
        known = {result.name for result in self.results}
        for line in self._kube.logs(pod, self._namespace, container=CONTAINER).splitlines():
            result = Result.from_json(line)
            if result and result.name not in known:
                yield self._keep(result)
            elif (plan := _plan(line)) is not None:
                self.plan = plan
            elif not result:
                self._noise.append(line)

    def _keep(self, result: Result) -> Result:
        self.results.append(result)
        return result

    def _pod(self) -> Object | None:
        name = self._job["metadata"]["name"]
        found = self._kube.list("v1", "Pod", self._namespace, f"batch.kubernetes.io/job-name={name}")
        return found[0] if found else None

    def _started(self) -> Object:
        """Wait until the pod's container runs or has run. Raises UserError with the reason if it can't."""
        deadline = time.monotonic() + START_SECONDS
        since: float | None = None
        pod: Object | None = None
        while time.monotonic() < deadline:
            pod = self._pod()
            if pod and pods.begun(pod, CONTAINER):
                return pod
            reason = pods.stuck(pod) if pod else self._no_pod()
            since = (since or time.monotonic()) if reason else None
            if since and time.monotonic() - since > STUCK_SECONDS:
                raise UserError(
                    f"the checks can't start: {reason}", _HINTS.get(reason.partition(":")[0], _RUN_UP)
                )
            time.sleep(POLL_SECONDS)
        raise UserError(f"the checks' pod didn't start in {START_SECONDS:.0f} s: {pods.state(pod)}", _RUN_UP)

    def _no_pod(self) -> str:
        """Why the Job has made no pod: a quota, an admission policy, a missing ServiceAccount."""
        name, uid = self._job["metadata"]["name"], self._job["metadata"]["uid"]
        if self._kube.get("batch/v1", "Job", name, self._namespace) is None:
            raise UserError(f"the checks' Job {name} was deleted meanwhile", "run the checks again")
        events = self._kube.list("v1", "Event", self._namespace)
        mine = [one for one in events if one["involvedObject"].get("uid") == uid and one["type"] == "Warning"]
        return f"{mine[-1]['reason']}: {mine[-1]['message']}" if mine else ""

    def _end(self, name: str) -> str | None:
        """How the container ended; None while it runs."""
        now = self._kube.get("v1", "Pod", name, self._namespace)
        if now is None:
            raise UserError(f"the checks' pod {name} was deleted meanwhile", "run the checks again")
        ended = pods.exited(now, CONTAINER)
        return f"{ended.get('reason', 'ended')}, exit code {ended['exitCode']}" if ended else None


_RUN_UP = "run `fwb up` on the stack again, it renews what the checks need"
_HINTS = {
    "Unschedulable": "no node has room for it or may take it: free some, or add a node",
    "ErrImagePull": "the nodes can't get the toolkit's image: `fwb up` brings it into a sandbox; for any "
    "other cluster push it to a registry that the nodes reach, and name it in toolkit.image",
}
_HINTS["ImagePullBackOff"] = _HINTS["ErrImageNeverPull"] = _HINTS["ErrImagePull"]


def _plan(line: str) -> list[str] | None:
    try:
        raw: object = json.loads(line)
    except ValueError:
        return None
    if not isinstance(raw, dict):
        return None
    plan = cast("dict[str, object]", raw).get("plan")
    return [str(name) for name in cast("list[object]", plan)] if isinstance(plan, list) else None
