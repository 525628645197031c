"""The first seconds of a new pod, in which the network policies of others don't know its address yet."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

ADMITTED_WITHIN = 10.0
"""Seconds. Policies are carried out some time after a pod has its address, and a pod has to bear with that:
https://kubernetes.io/docs/concepts/services-networking/network-policies/#pod-lifecycle"""
ONE_TRY = 1.0
"""Seconds that one try to connect may take."""
PAUSE = 0.1
"""Seconds between two tries."""

Address = tuple[str, int]


def addresses(url: str | None) -> list[Address]:
    """Host and port of a URL, none where there is no URL."""
    found = urlsplit(url or "")
    port = found.port or (443 if found.scheme == "https" else 80)
    return [(found.hostname, port)] if found.hostname else []


def wait_admitted(addresses: Iterable[Address], seconds: float = ADMITTED_WITHIN) -> list[Address]:
    """Wait until each address accepts a connection or refuses one by itself; return those that never did.

    No route, no answer and no name may be a policy's work and are tried again, for `seconds` in all.
    That a server is really gone is for the caller to find out and to tell, by using it.
    """
    deadline = time.monotonic() + seconds
    return [address for address in addresses if not _answers(address, deadline)]


def _answers(address: Address, deadline: float) -> bool:
    while True:
        try:
            socket.create_connection(address, timeout=ONE_TRY).close()
        except ConnectionError:  # refused or reset: nothing stood in the way
            return True
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(PAUSE)
        else:
            return True
