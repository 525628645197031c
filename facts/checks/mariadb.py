"""What the checks are told of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from facts import checks, mariadb


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbTarget(checks.Section):
    """The server, its claim, and the two users that the checks log in as."""

    SECTION: ClassVar[str] = "mariadb"
    PLACE: ClassVar[int] = 20

    host: str
    port: int = mariadb.PORT
    database: str
    app_user: str
    app_password_file: str
    monitor_user: str
    monitor_password_file: str
    latency_limit_ms: float = 50
    claim: str = mariadb.CLAIM
    statefulset: str = mariadb.NAME
    application_port: int = mariadb.PORT
    """Where applications connect. The checks come in by `port`, whose places are the product's own."""
    max_connections: int = 100
    """Those that applications may have."""
    ca_file: str | None = None
    """The authority that its certificate must be signed by. None: connections are plain."""

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def addresses(self) -> Sequence[tuple[str, int]]:
        return [(self.host, self.port)]
