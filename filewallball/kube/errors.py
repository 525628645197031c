"""What can go wrong between here and an API server."""

from __future__ import annotations

import json
from typing import Any, cast

from filewallball.errors import UserError


class KubeError(UserError):
    """The API server answered with an error: HTTP `status`, its `reason` (`NotFound`, `Conflict`, …)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @classmethod
    def from_body(cls, status: int, body: str) -> KubeError:
        """Read a `Status` object; anything else (a proxy's page, say) is cut short and passed on."""
        try:
            answer: Any = json.loads(body)
        except ValueError:
            return cls(status, "", f"HTTP {status}: {body.strip()[:300]}")
        if not isinstance(answer, dict):
            return cls(status, "", f"HTTP {status}")
        fields = cast("dict[str, Any]", answer)
        message = str(fields.get("message") or f"HTTP {status}")
        return cls(status, str(fields.get("reason") or ""), message)


class UnknownKind(KubeError):
    """The cluster serves no such kind: a misspelt one, or one whose CustomResourceDefinition is missing."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(404, "UnknownKind", f"The cluster serves no {kind} of {api_version}")
        self.api_version = api_version
        self.kind = kind


class Unreachable(UserError):
    """No API server answered at `server`, named by `context` of the kubeconfig."""

    def __init__(self, server: str, context: str, why: str) -> None:
        super().__init__(
            f"Cannot reach the cluster at {server} (context {context}): {why}",
            "See that it runs, and that this machine is on its network. "
            f"`kubectl --context {context} get --raw /readyz` asks the same server.",
        )
        self.server = server
        self.context = context
