"""The passwords of a mounted Secret, and a server's users that are to have them.

A Secret has `USER-password`, with which clients log in. While passwords are being changed it has
`USER-password-other` as well, and servers accept both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from redis.credentials import CredentialProvider

from facts.pods import other_key, password_key

TRIES = 3
"""How often files are read that the kubelet replaces meanwhile."""


class Secret:
    """The files of a Secret. Each question reads them anew; raises OSError for what isn't there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def password(self, user: str) -> str:
        """What the user logs in with."""
        return self._text(self._folder / password_key(user))

    def accepted(self, *users: str) -> dict[str, frozenset[str]]:
        """The hashes of the passwords that a server is to accept, by user; all of one moment."""
        for _ in range(TRIES):
            moment = self._moment()
            try:
                found = {user: frozenset(self._hashes(moment, user)) for user in users}
            except FileNotFoundError:
                if moment == self._moment():
                    raise
            else:
                if moment == self._moment():
                    return found
        raise OSError(f"{self._folder} changes all the time")

    def _moment(self) -> Path:
        # The kubelet replaces all files at once, by another folder behind this link.
        link = self._folder / "..data"
        return link.resolve() if link.exists() else self._folder

    def _hashes(self, moment: Path, user: str) -> list[str]:
        other = moment / other_key(user)
        texts = [self._text(moment / password_key(user))]
        texts += [self._text(other)] if other.exists() else []
        return [hashlib.sha256(text.encode()).hexdigest() for text in texts if text]

    def _text(self, path: Path) -> str:
        return path.read_text(encoding="utf-8").rstrip("\n")


class Login(CredentialProvider):
    """A user's name, and its password as the Secret has it when a connection is made."""

    def __init__(self, secret: Secret, user: str) -> None:
        self._secret, self._user = secret, user

    def get_credentials(self) -> tuple[str, str]:
        return self._user, self._secret.password(self._user)


def give(call: Callable[..., Any], users: Mapping[str, frozenset[str]]) -> list[str]:
    """Have users of a server accept exactly the passwords with these hashes; the users that were changed.

    call: executes a command there, with answers as lists and texts. What is accepted before and after is
    accepted meanwhile, and nobody is disconnected. Raises what `call` raises.
    """
    changed: list[str] = []
    for user, wanted in users.items():
        flat = cast("list[Any]", call("ACL", "GETUSER", user))
        found = frozenset(cast("list[str]", dict(zip(flat[::2], flat[1::2], strict=True))["passwords"]))
        if not wanted or found == wanted:
            continue
        added = [f"#{one}" for one in sorted(wanted - found)]
        call("ACL", "SETUSER", user, *added, *(f"!{one}" for one in sorted(found - wanted)))
        changed.append(user)
    return changed
