"""`fwb backup now`, `list` and `prune`: the pod of the stack's CronJob, started now, its log shown here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from facts import backup as facts
from filewallball import stack
from filewallball.backup.work import WORK
from filewallball.jobs import cron
from filewallball.jobs.cron import CronPod
from filewallball.stack import Place

POD = CronPod(facts.CRON_JOB, facts.MODULE, facts.NAME, WORK)


def now(project: Path, stack_name: str, *, allow_empty: bool = False) -> int:
    """Make a backup now; `allow_empty`: even if the last one had rows and there are none.

    Returns the job's exit code. Raises UserError if it cannot start.
    """
    return run(stack.find(project, stack_name), "run", options=["--allow-empty"] if allow_empty else [])


def show(project: Path, stack_name: str) -> int:
    """Print the backups in the store. Returns the job's exit code. Raises UserError if it cannot start."""
    return run(stack.find(project, stack_name), "list")


def prune(project: Path, stack_name: str, *, dry_run: bool = False) -> int:
    """Remove the backups that are older than they are kept. Returns the job's exit code, like `show`."""
    return run(stack.find(project, stack_name), "prune", options=["--dry-run"] if dry_run else [])


def run(place: Place, command: str, write: Callable[[str], None] = print, options: Sequence[str] = ()) -> int:
    """Run a command of `filewallball.backup` in the cluster, with its lines to `write`; its exit code."""
    return cron.run(place, POD, [command, *options], write, in_its_turn=command == "run")
