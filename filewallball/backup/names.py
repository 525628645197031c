"""The names of backups: `filewallball_backup_YYYYmmdd_HHMMSS.sql.gz`, the time in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

MANIFEST_SUFFIX = ".manifest.json"
CHECKS_PREFIX = "fwb_check_"
"""What the checks call the tables that they plant in the database for a moment."""

_NAME = re.compile(r"filewallball_backup_(\d{8}_\d{6})\.sql\.gz", re.ASCII)
_TIME = "%Y%m%d_%H%M%S"


def backup_name(time: datetime) -> str:
    """The name of a backup whose snapshot was taken at `time` (any zone, not naive)."""
    if time.tzinfo is None:
        raise ValueError("a backup's time needs a time zone")
    return f"filewallball_backup_{time.astimezone(UTC).strftime(_TIME)}.sql.gz"


def backup_time(name: str) -> datetime | None:
    """The UTC time in the name of a backup, or None if `name` is no backup's name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
    except ValueError:  # digits, but no date: 20261399
        return None
