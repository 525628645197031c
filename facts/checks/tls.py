"""What the checks are told of encrypted connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from facts import checks, tls


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsTarget(checks.Section):
    """`names`: the Services whose names each certificate holds, as `server=service`."""

    SECTION: ClassVar[str] = "tls"
    PLACE: ClassVar[int] = 70

    ca_file: str = tls.CA_FILE
    names: tuple[str, ...]
    warn_days: float = tls.WARN_DAYS
    fail_days: float = tls.FAIL_DAYS

    def services_of(self, server: str) -> list[str]:
        """The Services that a server's certificate is for."""
        found = (each.partition("=") for each in self.names)
        return [service for name, _, service in found if name == server]
