"""Installs the judges into the cache: `make judge` does this before it runs them."""

from __future__ import annotations

import sys

from filewallball.errors import UserError
from filewallball.sandbox.progress import Progress
from tests.judges import programs


def main() -> int:
    try:
        programs.make(Progress())
    except UserError as error:
        print(f"judge: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
