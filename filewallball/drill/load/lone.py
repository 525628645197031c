"""Probes one server from inside its own network namespace, where a cut-off primary can still be reached.

Run by the drill on the node: `python3 -m filewallball.drill.load.lone HOST PORT PASSWORD_FILE SECONDS`.
With CA_FILE and NAME behind them the connection is encrypted, and the server known by that name.
It ends after so many seconds, or when the file is gone, and prints its samples as JSON, in wall-clock time.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from filewallball.drill.load.probes import MemberProbe

KEY = "fwb-drill:lone"


def main() -> None:
    host, port, password_file, seconds, *trust = sys.argv[1:]
    path = Path(password_file)
    probe = MemberProbe((host, int(port)), ("AUTH", path.read_text(encoding="utf-8").strip()), KEY, *trust)
    stop = threading.Event()
    thread = threading.Thread(target=probe.run, args=(stop,))
    to_wall = time.time() - time.monotonic()
    deadline = time.monotonic() + float(seconds)
    thread.start()
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    thread.join()
    samples = [(one.sent + to_wall, one.answered + to_wall, one.verdict) for one in probe.samples]
    json.dump(samples, sys.stdout)


if __name__ == "__main__":
    main()
