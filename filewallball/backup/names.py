"""The names of backups: `filewallball_backup_YYYYmmdd_HHMMSS.sql.gz` or another ending, the time in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from facts.backup import OBJECTS

MANIFEST_SUFFIX = ".manifest.json"
CHECKS_PREFIX = "fwb_check_"
"""The tables that the checks make for a moment have names that begin with this."""

_TIME = "%Y%m%d_%H%M%S"


@dataclass(frozen=True)
class Naming:
    """Names with a time in them, in UTC: `prefix`, YYYYmmdd_HHMMSS, `suffix`. `what` is for errors.

    `others`: endings that such names may have in place of the usual one.
    """

    what: str
    prefix: str
    suffix: str
    others: tuple[str, ...] = ()

    def name(self, time: datetime, suffix: str = "") -> str:
        """The name for `time` (any zone; ValueError for a naive one), with the usual ending or another."""
        if time.tzinfo is None:
            raise ValueError(f"a {self.what}'s time needs a time zone")
        return f"{self.prefix}{time.astimezone(UTC).strftime(_TIME)}{suffix or self.suffix}"

    def time(self, name: str) -> datetime | None:
        """The UTC time in `name`, or None if it is no such name."""
        endings = "|".join(re.escape(each) for each in (self.suffix, *self.others))
        form = rf"{re.escape(self.prefix)}(\d{{8}}_\d{{6}})({endings})"
        match = re.fullmatch(form, name, re.ASCII)
        if match is None:
            return None
        try:
            return datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
        except ValueError:  # digits, but no date: 20261399
            return None


NAMING = Naming("backup", OBJECTS, ".sql.gz", (".sql.zst", ".sql.gz.age", ".sql.zst.age"))
backup_name, backup_time = NAMING.name, NAMING.time
