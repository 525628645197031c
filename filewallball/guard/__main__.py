"""`python3 -m filewallball.guard`: the second container of the cache's pod."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from redis.credentials import CredentialProvider
from redis.exceptions import ResponseError

from facts.tls import Variables
from filewallball.errors import ConfigError, UserError
from filewallball.guard.choice import REDIS_USERS
from filewallball.guard.passwords import Secret, give
from filewallball.guard.renewal import Renewal
from filewallball.guard.watch import Guard

RUN = Path("/run/redis")
SECRETS = Path("/secrets/redis-credentials")
USERS = ("app", "checks")
"""The users whose passwords are in the Secret."""
LOOKED = Path("/tmp/looked")  # noqa: S108 - a volume of the pod's own
"""The guard touches this file at each look. The liveness probe fails if the file is old."""


class _FromFile(CredentialProvider):
    """The password that the server's start script has made: another one at each start of the server."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_credentials(self) -> tuple[str, str]:
        return "guard", self._path.read_text(encoding="utf-8").strip()


class CacheGuard(Guard):
    """Opens the server's port as well, once it is inside: start.sh leaves it closed.

    Gives the users the passwords of the Secret, whenever that changes. `tls`: the folder with the server's
    certificate, if its connections are encrypted.
    """

    def __init__(self, run: Path, secrets: Path, share: int, tls: Path | None = None) -> None:
        self._bind = run / "bind"
        self._secret = Secret(secrets)
        self._given: dict[str, frozenset[str]] = {}
        place = {
            "unix_socket_path": str(run / "redis.sock"),
            "credential_provider": _FromFile(run / "guard-password"),
        }
        super().__init__("redis", share, REDIS_USERS, _say, **place)
        self._renewal = Renewal("redis", tls, self.call, _say) if tls else None

    def look(self) -> float:
        pause = super().look()
        if self._renewal and self.inside:
            self._renewal.look()
        return pause

    def _look(self) -> float:
        pause = super()._look()
        self._give_passwords()
        return pause

    def _enter(self) -> None:
        self._given = {}
        self._give_passwords()
        if self._renewal:
            self._renewal.forget()
        if not self.call("CONFIG GET", "bind")["bind"]:
            self.call("CONFIG SET", "bind", self._bind.read_text(encoding="utf-8").strip())
            _say("redis: open")

    def _give_passwords(self) -> None:
        try:
            wanted = self._secret.accepted(*USERS)
            if wanted != self._given:
                for user in give(self.call, wanted):
                    _say(f"redis: {user} has the passwords of the Secret, which has changed")
                self._given = wanted
        except (ResponseError, OSError) as error:
            self._tell("passwords", f"the users cannot get the passwords of the Secret: {error}")


def main() -> int:
    share = os.environ.get("FWB_MAX_CONNECTIONS", "")
    if not share.isdecimal() or int(share) < 1:
        raise ConfigError(
            f"FWB_MAX_CONNECTIONS is {share!r}",
            "Set filewallball:redis.maxConnections to a whole number above 0.",
        )
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    tls = os.environ.get(Variables.FOLDER)
    guard = CacheGuard(RUN, SECRETS, int(share), Path(tls) if tls else None)
    while not stopping.is_set():
        pause = guard.look()
        LOOKED.touch()
        stopping.wait(pause)
    return 0


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"guard: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
