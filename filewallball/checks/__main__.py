"""`python3 -m filewallball.checks run [NAME…]`: what the checks' pod runs. Prints one line per check.

Exit code: 0 all good, 1 a check failed, 2 wrong usage or configuration, 143 ended by a signal.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from filewallball.checks import config, runner
from filewallball.checks.result import Result, all_good
from filewallball.checks.suites import find
from filewallball.errors import ConfigError, UserError
from filewallball.network import wait_admitted

TERMINATION_LOG = Path("/dev/termination-log")
TERMINATION_LOG_BYTES = 4096
"""What Kubernetes keeps of a container's last message."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # SIGTERM must unwind the stack, so that the checks remove what they wrote
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        suites = find()
        every = [check for suite in suites for check in suite.checks]
        chosen = runner.select(every, options.names, quick=options.quick, deep=options.deep)
        settings = config.load()
        chosen = _there(runner.of_stack(chosen, suites, settings), options.names)
        if options.json_lines:
            print(json.dumps({"plan": [check.name for check in chosen]}), flush=True)
        wait_admitted(dict.fromkeys(found for each in settings.sections for found in each.addresses()))
        results: list[Result] = []
        for result in runner.run(chosen, settings, named=options.names):
            print(result.as_json() if options.json_lines else result.line(), flush=True)
            results.append(result)
    except UserError as error:
        _leave_word(str(error))
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        _leave_word("interrupted")
        return 143
    if not all_good(results):
        _leave_word("\n".join(result.line() for result in results if result.status == "failed"))
        return 1
    return 0


def _there(checks: list[runner.Check], names: Sequence[str]) -> list[runner.Check]:
    """The checks, if all that were named are among them."""
    if missing := [name for name in names if name not in {check.name for check in checks}]:
        raise ConfigError(
            f"This stack has nothing for {', '.join(missing)} to check", "Leave it out of the command."
        )
    return checks


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m filewallball.checks", description=__doc__)
    run = parser.add_subparsers(required=True, metavar="run").add_parser("run", help="run the checks")
    run.add_argument("names", nargs="*", metavar="NAME", help="only these checks")
    run.add_argument("--quick", action="store_true", help="only those that take a moment and change nothing")
    run.add_argument("--deep", action="store_true", help="also those that put the servers under pressure")
    run.add_argument("--json-lines", action="store_true", help="one JSON object per line")
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _leave_word(text: str) -> None:
    """Write the container's last message: `kubectl describe pod` and the engine show it."""
    if TERMINATION_LOG.exists():
        TERMINATION_LOG.write_bytes(text.encode()[:TERMINATION_LOG_BYTES])


if __name__ == "__main__":
    sys.exit(main())
