"""`python3 -m filewallball.passwords.proof FILE`: FILE has the logins as JSON, and the seconds to wait."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from filewallball.passwords.proof.logins import Login, prove


def main(arguments: list[str]) -> int:
    told = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    logins = [Login.from_json(one) for one in told["logins"]]
    faults = prove(logins, float(told["seconds"]), lambda text: print(text, flush=True))
    for fault in faults:
        print(f"FAILED {fault}", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
