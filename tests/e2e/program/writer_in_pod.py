"""Runs in a pod: writes numbered sessions until /tmp/stop exists, then counts those that are missing.

Says "writing" when a first write has gone well, and in the end {"written", "waited", "missing"}: `waited` are
those of which WAIT said that a replica has them, and only they may not be `missing`. A write that the client
gives up ends the program with its error.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from filewallball.network import wait_admitted
from filewallball.storage.sessions import connect

SECRETS = Path("/secrets")
STOP = Path("/tmp/stop")
WAIT_MS = 400  # less than the client's own patience with a server
BATCH = 500

# Those three are there at every size of the set.
SENTINELS = [(f"valkey-sentinel-{number}", 26379) for number in range(3)]


def write(valkey: Any, key: str) -> bool:
    """Whether a replica has it. One connection for both: WAIT speaks of the writes of its own connection."""
    pipe = valkey.pipeline(transaction=False)
    pipe.set(key, "1", ex=3600)
    pipe.execute_command("WAIT", 1, WAIT_MS)
    return int(pipe.execute()[1]) >= 1


sessions = connect(
    SENTINELS,
    password=(SECRETS / "app-password").read_text(),
    sentinel_password=(SECRETS / "sentinel-password").read_text(),
    timeout=30,
)
wait_admitted(SENTINELS)
# Tried again until the servers, too, let this pod in.
sessions.call(lambda valkey: valkey.set("writer:first", "1", ex=3600))
print("writing", flush=True)
written = 0
waited: list[str] = []
while not STOP.exists():
    key = f"writer:{written}"
    if sessions.call(lambda valkey, key=key: write(valkey, key)):
        waited.append(key)
    written += 1
    time.sleep(0.005)
batches = [waited[at : at + BATCH] for at in range(0, len(waited), BATCH)]
found = sum(sessions.call(lambda valkey, keys=keys: valkey.exists(*keys)) for keys in batches)
print(json.dumps({"written": written, "waited": len(waited), "missing": len(waited) - found}))
