"""`fwb redis state STACK:PART`: done in the stack's cluster, over the path that applications use."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facts.checks import NAME
from filewallball import stack
from filewallball.errors import ConfigError, UserError
from filewallball.jobs import manifests
from filewallball.jobs.following import JobPod, Work, made
from filewallball.stability.__main__ import RESULT
from filewallball.stability.in_pod import PARTS
from filewallball.stack import Place

WORK = Work("stability toolkit", "checks")
KEEP_SECONDS = 300
"""The cluster removes the finished Job after this time, even if this command was killed."""


def split(target: str) -> tuple[str, str] | None:
    """The stack and its part, of `dev:redis`; None for what names none. Raises ConfigError."""
    found = re.fullmatch(r"([\w-]+):([\w-]+)", target)
    if not found:
        return None
    if found[2] not in PARTS:
        raise ConfigError(
            f"{target}: a stack has no {found[2]}",
            f"Write {' or '.join(f'{found[1]}:{part}' for part in PARTS)}. Any other server has a "
            "URL: redis://HOST:PORT.",
        )
    return found[1], found[2]


def taken(project: Path, name: str, words: Sequence[str], seconds: float = 0) -> dict[str, Any]:
    """Run the toolkit in the stack's cluster; its result. `seconds`: how long it is busy at least.

    Raises UserError if it can't run, ConfigError for a stack that doesn't exist.
    """
    place = stack.find(project, name)
    template = place.kube.get("v1", "PodTemplate", NAME, place.namespace)
    if template is None:
        raise UserError(
            f"Stack {name} isn't deployed: there is no PodTemplate {NAME} in {place}", _UP.format(name)
        )
    with made(place.kube, job_manifest(place, template["template"], words, seconds)) as job:
        pod = JobPod(place.kube, place.namespace, job, WORK)
        said: list[str] = []
        document: dict[str, Any] = {}
        for line in pod.lines():
            if line.startswith(RESULT):
                document = json.loads(line.removeprefix(RESULT))
                continue
            said.append(line)
            print(line, file=sys.stderr, flush=True)
    if not document:
        raise UserError("The toolkit ended without a result:\n" + "\n".join(said[-8:]), _UP.format(name))
    return {**document, "target": f"{name}-{document['target']}"}


_UP = "Run `fwb up` on stack {0}, and run the command again."


def job_manifest(
    place: Place, template: dict[str, Any], words: Sequence[str], seconds: float
) -> dict[str, Any]:
    """A Job of the checks' pod, with another command."""
    command = ["python3", "-m", "filewallball.stability", *words]
    return manifests.job(
        manifests.unique("filewallball-stability-"),
        place.namespace,
        manifests.told(template, command=command, args=[]),
        labels=template["metadata"]["labels"],
        activeDeadlineSeconds=int(seconds) + 600,
        ttlSecondsAfterFinished=KEEP_SECONDS,
    )
