"""The shipper of the binary log: its Deployment, and what it is told."""

from __future__ import annotations

from typing import Final

NAME: Final = "filewallball-binlogs"
CONTAINER: Final = "binlogs"
MODULE: Final = "filewallball.binlogs"
"""The Python module that the container runs."""
FOLDER: Final = "binlogs/"
"""The keys of the log's pieces in the store begin with this, after the store's own prefix."""
READY: Final = "shipped"
"""The file in the work directory that is touched whenever the store has all that the log had."""
ALIVE: Final = "alive"
"""The file there that is touched whenever the shipper has tried, whatever came of it."""
MAX_LAG_SECONDS: Final = 60
"""How old the newest moment may be to which the database can be brought back."""


class Variables:
    """What the environment of the pod tells, beside facts.backup and facts.store."""

    EVERY_SECONDS: Final = "FWB_BINLOGS_EVERY_SECONDS"
