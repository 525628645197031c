#!/usr/bin/env python3
"""Tests the commands that clients of the cache use, from inside the cluster of the stack $STACK, or of dev.

It is a thin call of `fwb check`, which exits with 1 where something fails. A client class of our own is yet
to come; this script will then test it, too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ("redis-commands", "redis-connections", "redis-latency")

if __name__ == "__main__":
    os.chdir(ROOT)
    command = [str(ROOT / ".venv/bin/fwb"), "check", os.environ.get("STACK", "dev"), *CHECKS, *sys.argv[1:]]
    os.execv(command[0], command)  # noqa: S606 - there is nothing for a shell to do
