"""Snapshots of the sessions: their CronJob, and what the job is told."""

from __future__ import annotations

from typing import Final

NAME: Final = "filewallball-valkey-snapshot"
CRON_JOB: Final = "filewallball-valkey-snapshot-cronjob"
CONTAINER: Final = "snapshot"
MODULE: Final = "filewallball.snapshots"
"""The Python module that the container runs."""
FOLDER: Final = "valkey/"
"""The keys of snapshots in the store begin with this, after the store's own prefix."""
OBJECTS: Final = "valkey_snapshot_"
"""The names of snapshots, and of their manifests, begin with this, below that folder."""
THROWAWAY_PATH: Final = "/work/throwaway"
"""The folder of the throw-away server. The scripts in components/files/snapshots name it too."""


class Variables:
    """What the environment of the job tells; facts.store has those of the store."""

    SENTINELS: Final = "FWB_VALKEY_SENTINELS"
    MASTER: Final = "FWB_VALKEY_MASTER"
    PASSWORD_FILE: Final = "FWB_VALKEY_PASSWORD_FILE"  # noqa: S105 - a name
    SENTINEL_PASSWORD_FILE: Final = "FWB_VALKEY_SENTINEL_PASSWORD_FILE"  # noqa: S105 - a name
    KEEP: Final = "FWB_SNAPSHOTS_KEEP"
    WORK_DIR: Final = "FWB_WORK_DIR"
    WORK_SIZE: Final = "FWB_WORK_SIZE"
    THROWAWAY_DIR: Final = "FWB_THROWAWAY_DIR"
