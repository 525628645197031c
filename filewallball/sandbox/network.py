"""The address of a sandbox on this machine: a veth pair with a private subnet of its own."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from filewallball.errors import UserError

POD_SUBNET = "10.244.0.0/24"
"""Only used inside a sandbox. Every sandbox has the same one, since none is seen from outside."""
SERVICE_SUBNET = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"

_POOL = ipaddress.ip_network("10.213.0.0/22")
"""Split into subnets of four addresses: the network, the machine's end, the sandbox's end, the broadcast
address.
"""


@dataclass(frozen=True)
class Link:
    """The veth pair of one sandbox."""

    subnet: ipaddress.IPv4Network

    @property
    def interface(self) -> str:
        """Name of the machine's end, at most 15 characters."""
        index = (int(self.subnet.network_address) - int(_POOL.network_address)) // 4
        return f"fwb{index}"

    @property
    def host(self) -> str:
        return str(self.subnet.network_address + 1)

    @property
    def node(self) -> str:
        return str(self.subnet.network_address + 2)


def choose(previous: str | None, taken: Iterable[str]) -> Link:
    """The subnet that the sandbox had before, if it is still free, or else the first free one."""
    blocked = [ipaddress.ip_network(each, strict=False) for each in taken]
    candidates = [ipaddress.ip_network(previous)] if previous else []
    for subnet in [*candidates, *_POOL.subnets(new_prefix=30)]:
        if isinstance(subnet, ipaddress.IPv4Network) and not any(subnet.overlaps(each) for each in blocked):
            return Link(subnet)
    raise UserError(
        f"No free subnet in {_POOL} for a sandbox",
        "Run `fwb sandbox down`, which frees one. `ip address` and `ip route` show what uses the others.",
    )


def subnets_in_use() -> list[str]:
    """Every IPv4 subnet that this machine has an address in or a route to, except the default route."""
    found = [
        f"{info['local']}/{info['prefixlen']}"
        for link in _ip("address", "show")
        for info in link.get("addr_info", [])
    ]
    found += [route["dst"] for route in _ip("route", "show", "table", "all") if "/" in route["dst"]]
    return found


def connect(link: Link, pid: int) -> None:
    """Create the pair, its far end (`eth0`) in the network namespace of the process `pid`."""
    subprocess.run(["ip", "link", "delete", link.interface], check=False, capture_output=True)
    for arguments in (
        ["link", "add", link.interface, "type", "veth", "peer", "name", "eth0", "netns", str(pid)],
        ["address", "add", f"{link.host}/30", "dev", link.interface],
        ["link", "set", link.interface, "up"],
    ):
        done = subprocess.run(
            ["ip", *arguments], check=False, capture_output=True, encoding="utf-8", errors="replace"
        )
        if done.returncode:
            raise UserError(
                f"ip {' '.join(arguments)}: {done.stderr.strip()}",
                "Start a kernel that allows veth pairs and network namespaces.",
            )


def disconnect(link: Link) -> None:
    """Remove the pair, if the end of the sandbox's namespace hasn't done so already."""
    subprocess.run(["ip", "link", "delete", link.interface], check=False, capture_output=True)


def _ip(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["ip", "-4", "-json", *arguments], check=True, capture_output=True, encoding="utf-8", errors="replace"
    )
    return json.loads(done.stdout or "[]")


def link(subnet: str) -> Link:
    """The link of a subnet that was chosen before."""
    return Link(ipaddress.IPv4Network(subnet))
