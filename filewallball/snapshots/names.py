"""The names of snapshots: `valkey_snapshot_YYYYmmdd_HHMMSS.rdb`, the time in UTC."""

from __future__ import annotations

from facts.snapshots import OBJECTS
from filewallball.backup.names import Naming

NAMING = Naming("snapshot", OBJECTS, ".rdb")
snapshot_name, snapshot_time = NAMING.name, NAMING.time
