"""`make bench`: the project's speed figures, written to benchmarks/results/ as JSON and as a table.

Runs on a sandbox of its own (`bench`), which it makes and purges.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks import (
    app,
    backup,
    backup_impact,
    balancer,
    locks,
    measure,
    redis_backup,
    restore,
    storage_disk,
    storage_redis,
)
from benchmarks.stack import BenchStack
from facts.backup import RATE

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--pairs", type=int, default=7, help="runs of each side (default 7)")
    parser.add_argument("--only", choices=["up", "noop", "sandbox"], help="one group of figures")
    parser.add_argument(
        "what",
        nargs="?",
        choices=[
            "backup",
            "backup-impact",
            "balancer",
            "restore",
            "redis-backup",
            "locks",
            "app",
            "storage",
            "storage-redis",
        ],
        help="figures without a sandbox",
    )
    parser.add_argument("--megabytes", type=int, default=1050, help="of SQL (default 1050)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="part of the keys or turns (default 1.0: all)"
    )
    arguments = parser.parse_args()
    if arguments.what:
        figures = {
            "backup": lambda: backup.main(arguments.megabytes),
            "backup-impact": lambda: backup_impact.main(arguments.megabytes, RATE),
            "balancer": lambda: balancer.measure(arguments.pairs),
            "restore": lambda: restore.main(arguments.megabytes),
            "app": lambda: app.measure(arguments.scale),
            "locks": lambda: locks.measure(arguments.pairs, arguments.scale),
            "storage": lambda: storage_disk.measure(arguments.pairs),
            "storage-redis": lambda: storage_redis.measure(arguments.pairs),
            "redis-backup": lambda: redis_backup.measure(arguments.pairs, arguments.scale),
        }
        write(arguments.what, figures[arguments.what]())
        return
    work = Path(tempfile.mkdtemp(prefix="fwb-bench-"))
    stack = BenchStack(work, "bench", "filewallball")
    groups = {"sandbox": stack.sandbox_start, "noop": stack.noop, "up": stack.up_against_kubectl}
    results: list[measure.Result] = []
    try:
        stack.prepare()
        for name, group in groups.items():
            if arguments.only in (None, name):
                print(f"bench: {name}, {arguments.pairs} runs", flush=True)
                results += group(arguments.pairs)
    finally:
        stack.remove()
        shutil.rmtree(work, ignore_errors=True)
    write(arguments.only or "all", results)


def write(name: str, results: list[measure.Result]) -> None:
    """Keep the figures, and print them."""
    table = measure.table(results)
    measure.save(results, RESULTS / f"{name}.json")
    (RESULTS / f"{name}.md").write_text(table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
