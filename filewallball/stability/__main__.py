"""`python3 -m filewallball.stability state|poll PART`: in the stack's cluster, where its servers are reached.

Who they are and how they are logged in to, the checks' configuration says. The last line of the output is the
result as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

from filewallball.errors import UserError
from filewallball.stability import poll, state, topology
from filewallball.stability.in_pod import target_of
from filewallball.stability.targets import Target

OPEN_SECONDS = 30.0
"""A new pod's way to the servers is open a moment after its start."""
RESULT = "result: "


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="filewallball.stability")
    parser.add_argument("what", choices=("state", "poll"))
    parser.add_argument("part")
    parser.add_argument("--seconds", type=float, default=poll.SECONDS)
    parser.add_argument("--rate", type=float, default=poll.RATE)
    given = parser.parse_args(words)
    try:
        document = _taken(given)
    except UserError as error:
        print(f"filewallball.stability: {error}", file=sys.stderr)
        return error.exit_code
    print(RESULT + json.dumps(document, ensure_ascii=False), flush=True)
    return 0 if document["ok"] else 1


def _taken(given: argparse.Namespace) -> dict[str, Any]:
    target = target_of(given.part)
    _reached(target)
    at = datetime.now(UTC)
    return (
        state.taken(target, at)
        if given.what == "state"
        else poll.taken(target, given.seconds, given.rate, at)
    )


def _reached(target: Target) -> None:
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        try:
            topology.find(target)
        except UserError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
