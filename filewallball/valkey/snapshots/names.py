"""The names of snapshots: `valkey_snapshot_YYYYmmdd_HHMMSS.rdb`, the time in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_NAME = re.compile(r"valkey_snapshot_(\d{8}_\d{6})\.rdb", re.ASCII)
_TIME = "%Y%m%d_%H%M%S"


def snapshot_name(time: datetime) -> str:
    """The name of a snapshot taken at `time` (any zone, not naive)."""
    if time.tzinfo is None:
        raise ValueError("a snapshot's time needs a time zone")
    return f"valkey_snapshot_{time.astimezone(UTC).strftime(_TIME)}.rdb"


def snapshot_time(name: str) -> datetime | None:
    """The UTC time in the name of a snapshot, or None if `name` is no snapshot's name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
    except ValueError:  # digits, but no date: 20261399
        return None
