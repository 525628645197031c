"""Names of backups, such as `redis-backup-dev-20231027T101500Z`, and of the objects that one is made of."""

from __future__ import annotations

import re
from datetime import UTC, datetime

MANIFEST = "manifest.json"
"""Written last: without it a backup is unfinished."""
BEGUN = "begun.json"
FUNCTIONS = "functions.bin"
ABOUT = ".json"
"""What is said of a piece stands beside it, under the same name with this end."""
_TIME = "%Y%m%dT%H%M%SZ"
_FORM = re.compile(r"redis-backup-([a-z0-9][a-z0-9-]*)-(\d{8}T\d{6}Z)", re.ASCII)


def backup_id(target: str, time: datetime) -> str:
    """The name of a backup of the target that begins at `time`, to the second, in UTC."""
    return f"redis-backup-{target}-{time.astimezone(UTC).strftime(_TIME)}"


def target_of(name: str) -> str | None:
    """The name of the target whose backup has that name; None if it is no such name."""
    match = _FORM.fullmatch(name)
    return match[1] if match else None


def time_of(name: str) -> datetime:
    """When the backup of that name began. Raises ValueError if it is no such name."""
    match = _FORM.fullmatch(name)
    if match is None:
        raise ValueError(name)
    return datetime.strptime(match[2], _TIME).replace(tzinfo=UTC)
