"""Has a server of Redis or Valkey load its certificate again when its files have changed.

Connections that exist go on with the old one, new ones get the new one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from facts.tls import CA, CERTIFICATE, FILES, KEY, file_of

LOOK_SECONDS = 5.0
_DIRECTIVES = {"tls-cert-file": CERTIFICATE, "tls-key-file": KEY, "tls-ca-cert-file": CA}


class Renewal:
    """Looks at the files of one server's certificate. The server itself has them where its pod has them.

    call: executes a command there. Give it to whoever has a connection that stays.
    """

    def __init__(
        self, server: str, folder: Path, call: Callable[..., Any], say: Callable[[str], None]
    ) -> None:
        self._server, self._folder, self._call, self._say = server, folder, call, say
        self._loaded = ""
        self._looked_at = -LOOK_SECONDS

    def look(self) -> None:
        """Load the files if they have changed since the server did. A failure is told and tried again."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            found = self._digest()
            if found != self._loaded:
                words = [
                    word for name, file in _DIRECTIVES.items() for word in (name, file_of(self._server, file))
                ]
                # An unchanged path is loaded again as well. All three in one command: they belong together.
                self._call("CONFIG SET", *words)
                if self._loaded:
                    self._say(f"{self._server}: the server has loaded a renewed certificate")
                self._loaded = found
        except (RedisError, OSError) as error:
            self._say(f"{self._server}: a renewed certificate can't be loaded: {error}")

    def forget(self) -> None:
        """The server has restarted: whether it has read the newest files isn't known."""
        self._loaded = ""

    def _digest(self) -> str:
        # The kubelet swaps all files of a Secret at once, so this is never half of a change.
        content = b"".join((self._folder / name).read_bytes() for name in FILES)
        return hashlib.sha256(content).hexdigest()
