"""The checks by subject; ALL is the order in which they run."""

from __future__ import annotations

from filewallball.checks.runner import Check
from filewallball.checks.suites import backup, mariadb, redis, valkey, valkey_snapshots

ALL: tuple[Check, ...] = (
    *redis.CHECKS,
    *valkey.CHECKS,
    *mariadb.CHECKS,
    *backup.CHECKS,
    *valkey_snapshots.CHECKS,
)
