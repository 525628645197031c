"""Lets the rules know the stack's configuration, which the Pulumi CLI tells a pack at its start.

pulumi-policy 1.21 drops it: it counts on variables of the environment, and the CLI (3.274) doesn't set them.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_policy import policy as library


def hear() -> None:
    """Keep what the CLI says, for pulumi.Config, but for secrets: no rule needs one."""
    servicer: Any = library._PolicyAnalyzerServicer  # pyright: ignore[reportPrivateUsage]
    and_then = servicer.ConfigureStack

    def configure_stack(self: Any, request: Any, context: Any) -> Any:
        for key in request.config.keys() - set(request.config_secret_keys):
            pulumi.runtime.set_config(key, request.config[key])
        return and_then(self, request, context)

    servicer.ConfigureStack = configure_stack
