"""What the checks are told of the balancer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from facts import balancer, checks


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerTarget(checks.Section):
    """`servers`: the names of the application's servers, which are those of their pods.

    `encrypted`: the site is asked by HTTPS, under the name `host`.
    """

    SECTION: ClassVar[str] = "balancer"
    PLACE: ClassVar[int] = 60

    host: str
    servers: tuple[str, ...]
    pods: int
    encrypted: bool
    site: str = balancer.NAME
    site_port: int = balancer.HTTP
    status: str = balancer.STATUS
    status_port: int = balancer.STATUS_PORT

    def addresses(self) -> Sequence[tuple[str, int]]:
        return [(self.site, self.site_port), (self.status, self.status_port)]
