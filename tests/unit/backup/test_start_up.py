"""What a command or a check loads before it knows that a store is in it."""

from __future__ import annotations

import subprocess
import sys


def test_the_stores_client_is_loaded_when_a_store_is_opened() -> None:
    script = "import sys, filewallball.checks.remote; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
