"""The one place where a command ends that went wrong: a message and an exit code, never a wall of text."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable

from filewallball import redact, terminal
from filewallball.explain import explained

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""
TRACEBACK = "FWB_TRACEBACK"


def end_in_order(command: Callable[[], object]) -> None:
    """Run a command, which may end by SystemExit, and exit with the code that tells how it went."""
    with terminal.ready():
        code = _carried_out(lambda: _ended(command))
        flushed = _carried_out(lambda: (sys.stdout.flush(), 0)[1])
    sys.exit(code or flushed)


def _ended(command: Callable[[], object]) -> int:
    try:
        command()
    except SystemExit as leave:
        if leave.code == INTERRUPTED:
            print("fwb: interrupted", file=sys.stderr)
        return leave.code if isinstance(leave.code, int) else 1 if leave.code else 0
    return 0


def _carried_out(work: Callable[[], int]) -> int:
    try:
        return work()
    except KeyboardInterrupt:
        print("fwb: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - nothing may pass this place
        return _told(error)


def _told(error: Exception) -> int:
    known = explained(error)
    if known and os.environ.get(TRACEBACK) != "1":
        print(f"fwb: {known}", file=sys.stderr)
        return known.exit_code
    trace = redact.KNOWN.text("".join(traceback.format_exception(error)))
    if os.environ.get(TRACEBACK) == "1":
        print(trace, file=sys.stderr)
    what = "".join(traceback.format_exception_only(error)).strip()
    first = what.splitlines()[0]
    if known:
        print(f"fwb: {known}", file=sys.stderr)
        return known.exit_code
    print(
        f"fwb: This is a fault of fwb itself: {first}\n"
        f"  Please report it, with the command{_saved(trace)}. Set {TRACEBACK}=1 to see all of it.",
        file=sys.stderr,
    )
    return 1


def _saved(trace: str) -> str:
    """Where the traceback was written, as the end of a sentence; nothing where there is no room for it."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="fwb-traceback-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
        ) as file:
            file.write(trace)
    except OSError:
        return ""
    return f" and the file {file.name}"
