"""The backup's job by another clock, which stands still: `at_clock.py SECONDS`, since 1970."""

from __future__ import annotations

import sys

import time_machine

from filewallball.backup.__main__ import main

if __name__ == "__main__":
    with time_machine.travel(float(sys.argv[1]), tick=False):
        sys.exit(main(["run"]))
