"""Runs in a pod: writes numbered sessions until /tmp/stop exists, then counts those that are missing.

Prints {"written", "missing", "slowest"}: `slowest` is the longest that one write took, in seconds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from filewallball.storage.sessions import connect

SECRETS = Path("/secrets")
STOP = Path("/tmp/stop")

# Those three are there at every size of the set.
sessions = connect(
    [(f"valkey-sentinel-{number}", 26379) for number in range(3)],
    password=(SECRETS / "app-password").read_text(),
    sentinel_password=(SECRETS / "sentinel-password").read_text(),
    timeout=30,
)
written, slowest = 0, 0.0
while not STOP.exists():
    begin = time.monotonic()
    sessions.call(lambda valkey, key=f"writer:{written}": valkey.set(key, "1", ex=3600))
    slowest = max(slowest, time.monotonic() - begin)
    written += 1
    time.sleep(0.005)
missing = sum(
    not sessions.call(lambda valkey, key=f"writer:{number}": valkey.exists(key)) for number in range(written)
)
print(json.dumps({"written": written, "missing": missing, "slowest": round(slowest, 3)}))
