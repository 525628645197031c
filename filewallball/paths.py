"""Where this project keeps files outside the checkout: a cache that can be deleted, and state that can't."""

from __future__ import annotations

import os
from pathlib import Path

from facts.machine import sandbox_context as sandbox_context
from facts.machine import sandbox_dir as sandbox_dir
from facts.machine import sandbox_kubeconfig as sandbox_kubeconfig
from facts.machine import state_dir as state_dir


def cache_dir() -> Path:
    """Built programs and images: `$FWB_CACHE`, else `filewallball` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if explicit := os.environ.get("FWB_CACHE"):
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "filewallball"
