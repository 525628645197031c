"""`fwb valkey backup` and `fwb valkey restore`: the pod of the snapshots' CronJob, with another command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from facts import snapshots as facts
from filewallball import stack
from filewallball.errors import ConfigError, UserError, nearest
from filewallball.jobs import cron
from filewallball.jobs.cron import CronPod
from filewallball.jobs.following import Work
from filewallball.stack import Place

WORK = Work(
    "snapshot",
    facts.CONTAINER,
    memory="filewallball:valkey.snapshots.resources.memoryLimit",
    deadline="filewallball:valkey.snapshots.deadlineMinutes",
)
POD = CronPod(facts.CRON_JOB, facts.MODULE, facts.NAME, WORK)


def now(project: Path, stack_name: str) -> int:
    """Take a snapshot now. Returns the job's exit code. Raises UserError if it cannot start."""
    return cron.run(stack.find(project, stack_name), POD, ["run"], in_its_turn=True)


def show(project: Path, stack_name: str) -> int:
    """Print the snapshots in the store. Returns the job's exit code. Raises UserError if it cannot start."""
    return cron.run(stack.find(project, stack_name), POD, ["list"])


def restore(project: Path, stack_name: str, name: str | None, *, latest: bool, yes: bool) -> int:
    """Put a snapshot in the place of the set's data, after a question unless `yes`.

    Returns the job's exit code, 1 if the answer is no. Raises ConfigError for wrong usage, UserError if there
    is no such snapshot or the pod cannot start.
    """
    if latest == (name is not None):
        raise ConfigError(
            "Which snapshot? Give --latest or --name NAME",
            f"Choose one that `fwb valkey backup list {stack_name}` shows.",
        )
    if not yes and not sys.stdin.isatty():
        raise ConfigError("A restore asks before it begins, and there is nobody to ask", "Give --yes.")
    place = stack.find(project, stack_name)
    if not yes:
        chosen = _chosen(place, name)
        name = str(chosen["name"])
        print(
            f"{name} ({chosen['keys']} keys) will take the place of all sessions in {place}.\n"
            "Before that, the sessions of now are saved as another snapshot. Users who have logged in since\n"
            "then must log in again. If both don't fit into maxmemory together, the set is emptied first:\n"
            "nobody is logged in until the restore has ended."
        )
        if input("Type yes to go on: ").strip().lower() != "yes":
            print("Nothing was changed.")
            return 1
    words = ["restore", "--name", name] if name else ["restore", "--latest"]
    return cron.run(place, POD, words, in_its_turn=True)


def _chosen(place: Place, name: str | None) -> dict[str, Any]:
    """What the catalogue says of the named snapshot, or of the latest. Raises UserError."""
    lines: list[str] = []
    code = cron.run(place, POD, ["list", "--json"], lines.append)
    if code != 0:
        raise UserError("The snapshots cannot be listed:\n" + "\n".join(lines), "Correct what this says.")
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for one in found:
        if one["name"] == name or (name is None and one["latest"]):
            if not one["verified"]:
                raise UserError(f"{name} was never loaded by a server.", "Choose a verified snapshot.")
            return one
    wanted = f"no snapshot {name}" if name else "no verified snapshot with keys"
    hint = f"Choose one that `fwb valkey backup list {place.stack}` shows."
    if name:
        hint = f"{nearest(name, [str(one['name']) for one in found], 'Snapshots')} {hint}"
    raise UserError(f"There is {wanted} in the store.", hint)
