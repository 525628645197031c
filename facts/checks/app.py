"""What the checks are told of the application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from facts import app, checks


@dataclass(frozen=True, slots=True, kw_only=True)
class AppServer:
    """A server: the name of its pod, and where its own Service is."""

    name: str
    host: str
    port: int = app.SITE_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTarget(checks.Section):
    """`upload_bytes`: size of the largest file."""

    SECTION: ClassVar[str] = "app"
    PLACE: ClassVar[int] = 55

    servers: tuple[AppServer, ...]
    upload_bytes: int

    def addresses(self) -> Sequence[tuple[str, int]]:
        return [(each.host, each.port) for each in self.servers]
