"""The time by which records run out: it goes on evenly, whatever happens to the machine's clock.

Within one boot of the machine it is the time since the boot, plus a difference that all processes share: a
clock that is set forward or back changes nothing. After a boot it goes on by the machine's clock, but never
back behind what it has been.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str:
    """The name of this boot of the machine; empty where the system doesn't tell."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def started(kept: bytes | None, this_boot: str, wall: float, uptime: float) -> tuple[float, bytes]:
    """The difference to the time since the boot, and what to keep of it. `kept`: what was kept last."""
    found: dict[str, Any] = {}
    if kept:
        found = json.loads(kept)
    if found.get("boot") == this_boot:
        return float(found["difference"]), kept or b""
    difference = max(wall, float(found.get("seen", 0.0))) - uptime
    return difference, noted(this_boot, difference, difference + uptime)


def noted(this_boot: str, difference: float, seen: float) -> bytes:
    """What to keep. `seen`: the time that it was."""
    return json.dumps({"boot": this_boot, "difference": difference, "seen": seen}).encode()


def ticking(difference: float) -> Callable[[], float]:
    """The clock, in seconds since 1970."""
    uptime, which = time.clock_gettime, time.CLOCK_BOOTTIME
    return lambda: uptime(which) + difference
