"""`fwb check`: starts the checks in the stack's cluster, and tells what they find as they find it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from facts.checks import NAME
from filewallball import redact, stack
from filewallball.checks import runner
from filewallball.checks.podlog import PodLog
from filewallball.checks.result import Result, all_good, to_json, to_junit
from filewallball.checks.suites import ALL
from filewallball.errors import ConfigError, UserError
from filewallball.jobs import manifests
from filewallball.jobs.following import made
from filewallball.stack import Place

Object = dict[str, Any]
Progress = Generator[tuple[PodLog, Result | None]]
"""A pod's log as it grows, each time with the result that has just come."""

LABELS = f"app.kubernetes.io/name={NAME}"
ON_DEMAND = f"{NAME}-run-"
KEEP_SECONDS = 300
"""The cluster removes the finished Job after this time, even if this command was killed."""
DEADLINE_SECONDS = 6 * 3600
CLOCK_SKEW = timedelta(seconds=10)


def check(
    project: Path,
    stack_name: str,
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    deep: bool = False,
    as_json: bool = False,
    junit: Path | None = None,
) -> int:
    """Run checks of a stack in its cluster and print them. Returns 0 if all are good, else 1.

    Raises ConfigError (exit 2, nothing touched) for unknown names, UserError if they cannot run.
    """
    runner.select(ALL, names, quick=quick, deep=deep)
    place = stack.find(project, stack_name)
    if junit:
        _open_for_writing(junit)  # before minutes are spent on what can't be kept
    switches = [*(["--quick"] if quick else []), *(["--deep"] if deep else [])]
    results = _tell(_on_demand(place, [*names, *switches]), show=not as_json)
    if as_json:
        print(to_json(results, redact.KNOWN.data))
    if junit:
        _write(junit, to_junit(results, f"checks of {stack_name}"))
    return 0 if all_good(results) else 1


def after_up(
    project: Path, stack_name: str, *, since: datetime, only_own: bool = False, show: bool = True
) -> list[Result]:
    """What the checks found after an `up` that began at `since`, printed as it comes if `show`.

    If that `up` has run the program's own Job, its results; if not, nothing that they depend on has changed,
    and the quick checks run now (or, with `only_own`, none).
    """
    place = stack.find(project, stack_name)
    job = _own_job(place, since)
    if job:
        return _tell(_read_own(place, job), show=show)
    return [] if only_own else _tell(_on_demand(place, ["--quick"]), show=show)


def _own_job(place: Place, since: datetime) -> Object | None:
    """The program's newest Job, if it was made since then."""
    jobs = [
        job
        for job in place.kube.list("batch/v1", "Job", place.namespace, LABELS)
        if not job["metadata"]["name"].startswith(ON_DEMAND)
        and datetime.fromisoformat(job["metadata"]["creationTimestamp"]) >= since.astimezone(UTC) - CLOCK_SKEW
    ]
    return max(jobs, key=lambda job: job["metadata"]["creationTimestamp"], default=None)


def _read_own(place: Place, job: Object) -> Progress:
    log = PodLog(place.kube, place.namespace, job)
    for result in log.follow():
        yield log, result


def _on_demand(place: Place, arguments: Sequence[str]) -> Progress:
    """Run a Job made from the stack's template; it is deleted at the end, also on Ctrl-C."""
    with made(place.kube, job_manifest(place, _template(place), arguments)) as job:
        log = PodLog(place.kube, place.namespace, job)
        yield log, None
        for result in log.follow():
            yield log, result


def _template(place: Place) -> Object:
    found = place.kube.get("v1", "PodTemplate", NAME, place.namespace)
    if found is None:
        raise UserError(
            f"stack {place.stack} isn't deployed: there is no PodTemplate {NAME} in {place}",
            f"Run `fwb up {place.stack}` first.",
        )
    return found["template"]


def job_manifest(place: Place, template: Object, arguments: Sequence[str]) -> Object:
    """A Job that runs the template's pod once, with these arguments to the checks."""
    return manifests.job(
        manifests.unique(ON_DEMAND),
        place.namespace,
        manifests.told(template, args=[*arguments, "--json-lines"]),
        labels=template["metadata"]["labels"],
        activeDeadlineSeconds=DEADLINE_SECONDS,
        ttlSecondsAfterFinished=KEEP_SECONDS,
    )


def _tell(progress: Progress, *, show: bool) -> list[Result]:
    """All results; each is printed as it comes, and on a terminal what is running as well."""
    results: list[Result] = []
    console = Console(stderr=True)
    status = console.status("starting the checks in the cluster") if console.is_terminal else None
    # closing: a Ctrl-C here must reach the generator, which deletes the Job
    with status or contextlib.nullcontext(), contextlib.closing(progress):
        for log, result in progress:
            if result:
                results.append(result)
                if show:
                    print(result.line(), flush=True)
            if status and log.current:
                status.update(f"running {log.current[0]}")
    return results


def _open_for_writing(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise ConfigError(
            f"Cannot write {path}: {error.strerror}", "Name another file with --junit."
        ) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(redact.KNOWN.text(text), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"Cannot write {path}: {error.strerror}", "Name another file with --junit."
        ) from error
