"""Runs in a pod: says which TCP ports it reaches, as a JSON list on the last line.

PROBES: {"opening": [[host, port]], "closed": …, "closing": …}. What is opening or closing gets time to do so,
since the rules about where a new pod may go take a moment. What is closed is tried once: it never lets an
unknown pod in.
"""

from __future__ import annotations

import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

PATIENCE = 30  # seconds
DROPPED = 2  # seconds without an answer, after which a packet was dropped


def connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=DROPPED):
            return True
    except OSError:
        return False


def becomes(host: str, port: int, *, reached: bool) -> bool:
    """Whether it is reached, once it is as it should be or there has been enough time."""
    deadline = time.monotonic() + PATIENCE
    while connects(host, port) is not reached:
        if time.monotonic() > deadline:
            return not reached
        time.sleep(0.1)
    return reached


TRIES = {
    "closed": connects,
    "opening": partial(becomes, reached=True),
    "closing": partial(becomes, reached=False),
}
probes = json.loads(os.environ["PROBES"])
with ThreadPoolExecutor(100) as pool:
    found = []
    for name, tries in TRIES.items():
        targets = probes[name]
        reached = pool.map(lambda target, tries=tries: tries(*target), targets)
        found += [target for target, ok in zip(targets, reached, strict=True) if ok]
print(json.dumps(found))
