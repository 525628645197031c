"""The state of the servers behind nginx, as nginx itself reckons it. Pure: times are given, in seconds.

The reckoning is that of ngx_http_upstream_round_robin.c and ngx_http_upstream_least_conn_module.c, with
their names. Failures are counted over quiet periods, not in a window: each one sets `checked`, and they are
forgotten only by a success after a request that was sent more than fail_timeout later. With max_fails of them
the server is left out while its `checked` is fail_timeout old or younger. nginx's clock has whole seconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from facts.balancer import FAIL_TIMEOUT, MAX_FAILS, Server

State = Literal["up", "failing", "down", "retry", "backup"]
"""up: all is well. failing: it gets requests, and some failed. down: it gets none. retry: it was down, and
gets the next request. backup: all are down, so that all get requests all the same (by the lines `backup`).
"""
RECENT_SECONDS = 60
_TIMES = 1000


@dataclass
class Try:
    """One request to one server. Times are seconds since the epoch.

    `answered`: it sent the head of an answer. `failed`: nginx counts it against the server.
    """

    address: str
    start: float
    end: float
    status: str
    answered: bool
    failed: bool


@dataclass
class Peer:
    """One address of a server."""

    server: Server
    address: str
    fails: int = 0
    accessed: int = 0
    """When it failed last."""
    checked: int = 0
    requests: int = 0
    failures: int = 0
    reason: str = ""
    """Of the last failure."""
    answers: Counter[str] = field(default_factory=Counter[str])
    """Class of the status, such as 2xx → how many."""
    times: deque[float] = field(default_factory=lambda: deque[float](maxlen=_TIMES))
    recent: Counter[int] = field(default_factory=Counter[int])
    """Second → requests that ended in it."""

    def left_out(self, now: float) -> bool:
        """Whether nginx sends nothing here, but by the line `backup`."""
        return self.fails >= MAX_FAILS and int(now) - self.checked <= FAIL_TIMEOUT

    def retry_at(self) -> int | None:
        """When nginx tries it again; None: it isn't left out."""
        return self.checked + FAIL_TIMEOUT + 1 if self.fails >= MAX_FAILS else None

    def take(self, one: Try) -> None:
        """Count a request that has ended."""
        self.requests += 1
        self.failures += one.failed
        if one.answered:
            self.answers[f"{one.status[:1]}xx"] += 1
            self.times.append(one.end - one.start)
            if one.failed:
                self.reason = f"answered {one.status}"
        if int(one.end) not in self.recent:
            for second in [each for each in self.recent if each < int(one.end) - RECENT_SECONDS]:
                del self.recent[second]
        self.recent[int(one.end)] += 1
        start, end = int(one.start), int(one.end)
        if self.left_out(start):
            return  # by the line `backup`, which counts nothing, or sent before it was left out
        if start - self.checked > FAIL_TIMEOUT:
            self.checked = start
        if one.failed:
            self.fails += 1
            self.accessed = self.checked = end
        elif self.accessed < self.checked:
            self.fails = 0

    def disable(self, now: float) -> None:
        """nginx says that it leaves it out from now on."""
        self.fails = max(self.fails, MAX_FAILS)
        self.accessed = self.checked = int(now)

    def state(self, now: float, *, all_down: bool) -> State:
        if self.left_out(now):
            return "backup" if all_down else "down"
        if self.fails >= MAX_FAILS:
            return "retry"
        return "failing" if self.fails else "up"

    def lately(self, now: float) -> int:
        """Requests of the last minute."""
        return sum(count for second, count in self.recent.items() if second >= int(now) - RECENT_SECONDS)


@dataclass
class Group:
    """The servers of one upstream."""

    name: str
    peers: list[Peer]

    def all_down(self, now: float) -> bool:
        return all(peer.left_out(now) for peer in self.peers)


class Upstreams:
    """All groups. `addresses`: server → the addresses that its name stands for."""

    def __init__(
        self, servers: Mapping[str, Sequence[Server]], addresses: Mapping[Server, Sequence[str]]
    ) -> None:
        self._servers = servers
        self._by_address: dict[str, Peer] = {}
        self.rename(addresses)

    def rename(self, addresses: Mapping[Server, Sequence[str]]) -> None:
        """The names stand for these addresses from now on. What is known of an address stays."""
        known, self._by_address, self.groups = self._by_address, {}, list[Group]()
        for name, servers in self._servers.items():
            group = Group(name, [])
            for each in servers:
                for ip in addresses[each]:
                    address = f"{bracketed(ip)}:{each.port}"
                    peer = known.get(address) or Peer(each, address)
                    self._by_address[address] = peer
                    group.peers.append(peer)
            self.groups.append(group)

    def __getitem__(self, address: str) -> Peer:
        return self._by_address[address]

    def __contains__(self, address: str) -> bool:
        return address in self._by_address

    def take(self, tries: Sequence[Try]) -> None:
        """Count the tries of a request that has ended. Those of other addresses are nobody's."""
        for one in tries:
            if peer := self._by_address.get(one.address):
                peer.take(one)

    def kept(self) -> dict[str, list[int]]:
        """What must outlive a restart of what runs beside nginx: address → fails, accessed, checked."""
        return {
            address: [peer.fails, peer.accessed, peer.checked]
            for address, peer in self._by_address.items()
            if peer.fails
        }

    def restore(self, kept: Mapping[str, Sequence[int]]) -> None:
        for address, (fails, accessed, checked) in kept.items():
            if peer := self._by_address.get(address):
                peer.fails, peer.accessed, peer.checked = fails, accessed, checked


def bracketed(address: str) -> str:
    """An address as nginx writes it before a port."""
    return f"[{address}]" if ":" in address else address
