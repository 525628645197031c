"""What the checks are told of backups and snapshots, which CronJobs make and a store keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from facts import binlogs, checks


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTarget:
    """An S3 bucket. Without an endpoint it is AWS; without key files boto3 finds credentials by itself."""

    endpoint: str | None = None
    region: str = "us-east-1"
    bucket: str
    prefix: str = ""
    access_key_file: str | None = None
    secret_key_file: str | None = None
    session_token_file: str | None = None
    ca_file: str | None = None
    addressing: str | None = None

    def addresses(self) -> Sequence[tuple[str, int]]:
        found = urlsplit(self.endpoint or "")
        port = found.port or (443 if found.scheme == "https" else 80)
        return [(found.hostname, port)] if found.hostname else []


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledTarget(checks.Section):
    """What a CronJob keeps making; the newest must be younger than `max_age_hours`."""

    cronjob: str
    schedule: str
    time_zone: str
    max_age_hours: float = 26
    store: StoreTarget

    def addresses(self) -> Sequence[tuple[str, int]]:
        return self.store.addresses()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupTarget(ScheduledTarget):
    """The backups of the database."""

    SECTION: ClassVar[str] = "backup"
    PLACE: ClassVar[int] = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class BinlogsTarget(checks.Section):
    """The binary log in the store; it must not be behind the server by more than `max_lag_seconds`."""

    SECTION: ClassVar[str] = "binlogs"
    PLACE: ClassVar[int] = 85

    max_lag_seconds: float = binlogs.MAX_LAG_SECONDS
    store: StoreTarget

    def addresses(self) -> Sequence[tuple[str, int]]:
        return self.store.addresses()


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotsTarget(ScheduledTarget):
    """The snapshots of the sessions."""

    SECTION: ClassVar[str] = "snapshots"
    PLACE: ClassVar[int] = 90
