"""Where this project keeps files outside the checkout: a cache that can be deleted, and state that can't."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Built programs and images: `$FWB_CACHE`, else `filewallball` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if explicit := os.environ.get("FWB_CACHE"):
        return Path(explicit)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "filewallball"


def state_dir() -> Path:
    """What outlives a reboot: `$FWB_STATE` or `/var/lib/filewallball`."""
    return Path(os.environ.get("FWB_STATE") or "/var/lib/filewallball")


def sandbox_dir(name: str) -> Path:
    """Everything that the sandbox `name` keeps: its database, volumes, images, certificates and logs."""
    return state_dir() / "sandbox" / name


def sandbox_kubeconfig(name: str) -> Path:
    """The kubeconfig of the sandbox `name`; its only context is `fwb-<name>`."""
    return sandbox_dir(name) / "kubeconfig"
