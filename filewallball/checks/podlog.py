"""Reads along with the checks' pod, from its Job to its last line, and makes results of what it prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from filewallball.checks.result import Result
from filewallball.errors import UserError
from filewallball.jobs.following import JobPod, Work
from filewallball.kube import Kube

Object = dict[str, Any]

WORK = Work("checks", "checks")
TAIL_LINES = 12


class PodLog:
    """The log of one Job's pod: what was planned, what is known, and why it ended."""

    def __init__(self, kube: Kube, namespace: str, job: Object) -> None:
        self.plan: list[str] = []
        self.results: list[Result] = []
        self._pod = JobPod(kube, namespace, job, WORK)
        self._noise: list[str] = []

    def follow(self) -> Iterator[Result]:
        """Yield each result as the pod prints it; at the end, failures for what it never got to.

        Raises UserError if the pod cannot start, or ended without doing anything.
        """
        for line in self._pod.lines(complete=self._complete):
            yield from self._read(line)
        how = self._pod.end or {}
        end = f"{how.get('reason', 'ended')}, exit code {how.get('exitCode')}"
        if not self.plan and not self.results:
            tail = "\n".join(self._noise[-TAIL_LINES:])
            raise UserError(
                f"The checks' pod ended without checking anything: {end}\n{tail}".rstrip(),
                "Run `fwb up` on the stack again, which renews what the checks need.",
            )
        for name in self.current:
            yield self._keep(
                Result(
                    name,
                    "failed",
                    f"the checks' pod ended before this check did: {end}",
                    "it runs to its end",
                    "Run the check again, alone. If that fails too, report it with the end of the pod's log: "
                    f"{' | '.join(self._noise[-TAIL_LINES:]) or 'it is empty'}.",
                )
            )

    @property
    def current(self) -> list[str]:
        """What is planned and has no result yet, in order: the first one is running."""
        done = {result.name for result in self.results}
        return [name for name in self.plan if name not in done]

    def _complete(self) -> bool:
        return not self.current and bool(self.plan or self.results or self._noise)

    def _read(self, line: str) -> Iterator[Result]:
        result = Result.from_json(line)
        if result:
            if result.name not in {each.name for each in self.results}:
                yield self._keep(result)
        elif (plan := _plan(line)) is not None:
            self.plan = plan
        else:
            self._noise.append(line)

    def _keep(self, result: Result) -> Result:
        self.results.append(result)
        return result


def _plan(line: str) -> list[str] | None:
    try:
        raw: object = json.loads(line)
    except ValueError:
        return None
    if not isinstance(raw, dict):
        return None
    plan = cast("dict[str, object]", raw).get("plan")
    return [str(name) for name in cast("list[object]", plan)] if isinstance(plan, list) else None
