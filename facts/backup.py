"""The nightly backup of the database: its CronJob, and what the job is told."""

from __future__ import annotations

from typing import Final

NAME: Final = "filewallball-backup"
CRON_JOB: Final = "filewallball-backup-cronjob"
CONTAINER: Final = "backup"
MODULE: Final = "filewallball.backup"
"""The Python module that the container runs."""
OBJECTS: Final = "filewallball_backup_"
"""The names of backups in the store, and of their manifests, begin with this."""
CHECK_JOB: Final = "filewallball-backup-check"
"""The checks may look at Jobs and delete them under this name only."""

KEEP_DAYS: Final = 7
"""Days after which a backup is removed, where nothing else is set."""
RATE: Final = "5Mi"
"""SQL that is read a second at most, where nothing else is set. Measured: benchmarks/backup_impact.py."""
COMPRESSIONS: Final = ("gzip", "zstd")
IDENTITY_PATH: Final = "/etc/filewallball-identity"
"""The folder in a pod with the private key that a command was given."""
IDENTITY: Final = "identity"
"""The name of its file, and its key in the Secret that brings it there."""


class Variables:
    """What the environment of the job tells; facts.store has those of the store."""

    HOST: Final = "FWB_DB_HOST"
    PORT: Final = "FWB_DB_PORT"
    DATABASE: Final = "FWB_DB_NAME"
    USER: Final = "FWB_DB_USER"
    PASSWORD_FILE: Final = "FWB_DB_PASSWORD_FILE"  # noqa: S105 - a name
    WORK_DIR: Final = "FWB_WORK_DIR"
    WORK_SIZE: Final = "FWB_WORK_SIZE"
    KEEP_DAYS: Final = "FWB_BACKUP_KEEP_DAYS"
    COMPRESSION: Final = "FWB_BACKUP_COMPRESSION"
    RATE: Final = "FWB_BACKUP_RATE"
    DEADLINE_SECONDS: Final = "FWB_BACKUP_DEADLINE_SECONDS"
    """When Kubernetes ends the job."""
    RECIPIENTS: Final = "FWB_BACKUP_RECIPIENTS"
    """The public keys for which backups are encrypted, one a line."""
    IDENTITY_FILE: Final = "FWB_BACKUP_IDENTITY_FILE"
    """The private key that opens them; only the Job of a command that was given one has it."""
