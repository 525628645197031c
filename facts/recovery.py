"""Restores of the database: the pod that does them, and what it shares with the server."""

from __future__ import annotations

from typing import Final

NAME: Final = "filewallball-restore"
"""The name of the PodTemplate; those of the Jobs begin with it."""
CONTAINER: Final = "restore"
MODULE: Final = "filewallball.recovery"
"""The Python module that the container runs."""
VOLUME_PATH: Final = "/var/lib/mysql"
"""Where the server's volume is, in this pod as in the server's."""
USER: Final = "filewallball_restore"
"""The server makes this user for as long as a restore works: components/files/mariadb/restoring.sh."""
FOLDER: Final = "restoring"
"""The folder on the volume in which the Job and the server meet."""
KEPT: Final = "data-before-restore-"
"""The server's old data folder begins with this, where it is kept."""
REPLACED: Final = "data-replaced-"
"""The same, where all of it is backed up: the restore removes it at its end, or else the next one does."""


class Variables:
    """What the environment of the pod tells, beside that of the backup's."""

    VOLUME: Final = "FWB_DB_VOLUME"
