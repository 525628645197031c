"""What the checks are told of the session set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from facts import checks, valkey
from facts.pods import config_file


@dataclass(frozen=True, slots=True, kw_only=True)
class ValkeyTarget(checks.Section):
    """The session set. Addresses are `host:port`; `reads` is the one that spreads reads, if there is one.

    `settle_seconds`: how long the checks of one run, all together, wait for the set to find its place.
    """

    SECTION: ClassVar[str] = "valkey"
    PLACE: ClassVar[int] = 30
    UNWRITTEN: ClassVar[frozenset[str]] = frozenset({"max_lag_seconds", "settle_seconds"})

    master: str = valkey.MASTER
    members: tuple[str, ...]
    sentinels: tuple[str, ...]
    reads: str | None = None
    quorum: int
    down_after_ms: int
    failover_timeout_ms: int
    parallel_syncs: int
    max_connections: int = 1000
    """Those that applications may have, to each server and each Sentinel."""
    app_password_file: str
    sentinel_password_file: str
    checks_password_file: str
    conf: str = config_file(valkey.CONF)
    max_lag_seconds: float = 1
    settle_seconds: float = 15
    ca_file: str | None = None
    """The authority that its certificate must be signed by. None: connections are plain."""
