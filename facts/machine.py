"""What the program and `fwb` agree on outside of pods: folders of this machine, and words to the program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

STATE_VARIABLE: Final = "FWB_STATE"
NO_CHECKS_VARIABLE: Final = "FWB_NO_CHECKS"
"""If it is set to 1, the program declares no Job for the checks."""
DEPLOYING_VARIABLE: Final = "FWB_DEPLOYING"
"""If it is set to 1, what the program declares is about to be deployed: it refuses what may only be shown."""


def state_dir() -> Path:
    """What outlives a reboot: `$FWB_STATE` or `/var/lib/filewallball`."""
    return Path(os.environ.get(STATE_VARIABLE) or "/var/lib/filewallball")


def sandbox_dir(name: str) -> Path:
    """Everything that the sandbox `name` keeps: its database, volumes, images, certificates and logs."""
    return state_dir() / "sandbox" / name


def sandbox_kubeconfig(name: str) -> Path:
    """The kubeconfig of the sandbox `name`; its only context is `sandbox_context(name)`."""
    return sandbox_dir(name) / "kubeconfig"


def sandbox_context(name: str) -> str:
    """What the sandbox `name` calls its context, its node and its cgroup."""
    return f"fwb-{name}"
