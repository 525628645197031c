"""The annotations by which an object tells the policy pack what it can't see for itself."""

from __future__ import annotations

from typing import Final

REASON: Final = "filewallball.io/reason"
"""Of a NetworkPolicy: who needs what it opens, and what for."""
BACKS_UP: Final = "filewallball.io/backs-up"
"""Of a CronJob: the names of the workloads that it backs up, with commas between them."""
NO_BACKUP: Final = "filewallball.io/no-backup"
"""Of a workload with a volume: why it needs no backup."""
NO_DATA: Final = "filewallball.io/no-data"
"""Of a StatefulSet without a volume: why it keeps nothing."""
UNPROTECTED: Final = "filewallball.io/unprotected"
"""Of what holds data: why it can't be protected."""
