"""A server's Secret, and where it stands in a change of its passwords: all in one object, written at once.

    phase       USER-password   USER-password-other
    (none)      old             none
    added       old             new
    switched    new             old
    returning   old             new    (a change that is taken back)

A server accepts both. So whatever happens between two phases, whoever reads the Secret gets in.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast

from facts.pods import other_key, password_key
from filewallball.errors import UserError

Object = dict[str, Any]
Phase = Literal["", "added", "switched", "returning"]
ROTATION = "rotation"
"""The key of the Secret that tells the phase, and since when it lasts."""
BYTES = 24


@dataclass(frozen=True, slots=True)
class Credentials:
    """The passwords of a Secret by user. `version`: the resourceVersion of what was read."""

    secret: str
    current: Mapping[str, str] = field(repr=False)
    other: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    phase: Phase = ""
    since: datetime | None = None
    version: str = ""

    @classmethod
    def read(cls, secret: Object, users: tuple[str, ...]) -> Credentials:
        """Raises UserError for a Secret that lacks a password."""
        name = str(secret["metadata"]["name"])
        data = {key: _text(value) for key, value in cast("Object", secret.get("data") or {}).items()}
        missing = [password_key(user) for user in users if not data.get(password_key(user))]
        if missing:
            raise UserError(
                f"The Secret {name} lacks {', '.join(missing)}.",
                "Delete the Secret, run `fwb up`, and restart its server. All clients need new ones then.",
            )
        other = {user: data[other_key(user)] for user in users if data.get(other_key(user))}
        phase, since = _mark(data.get(ROTATION, ""))
        if other and not phase:
            phase = "switched"  # what clients read now stays, and the other one goes: right in any case
        return cls(
            name,
            {user: data[password_key(user)] for user in users},
            other,
            phase if other else "",
            since,
            str(secret["metadata"]["resourceVersion"]),
        )

    def added(self, now: datetime) -> Credentials:
        """With a new password for each user beside the one that it has."""
        new = {user: secrets.token_urlsafe(BYTES) for user in self.current}
        return replace(self, other=new, phase="added", since=now)

    def switched(self, now: datetime) -> Credentials:
        """What clients read is the other one now."""
        return self._swapped("switched", now)

    def returning(self, now: datetime) -> Credentials:
        """As it was before `switched`. Nothing is dropped yet."""
        return self._swapped("returning", now)

    def dropped(self) -> Credentials:
        """Without the other ones."""
        return replace(self, other={}, phase="", since=None)

    def patch(self, before: Credentials) -> Object:
        """What makes the Secret be so, if it still is what was read before."""
        data: Object = {}
        for user, password in self.current.items():
            data[password_key(user)] = _packed(password)
            data[other_key(user)] = _packed(self.other[user]) if user in self.other else None
        told = {"phase": self.phase, "since": self.since.isoformat() if self.since else None}
        data[ROTATION] = _packed(json.dumps(told)) if self.phase else None
        # Only changes are sent: each field has an owner, and keeps it.
        same = {user for user in self.current if self.current[user] == before.current.get(user)}
        data = {key: value for key, value in data.items() if key not in set(map(password_key, same))}
        return {"metadata": {"resourceVersion": before.version}, "data": data}

    def _swapped(self, phase: Phase, at: datetime) -> Credentials:
        other = {user: self.current[user] for user in self.other}
        now = {**self.current, **self.other}
        return replace(self, current=now, other=other, phase=phase, since=at)


def _mark(text: str) -> tuple[Phase, datetime | None]:
    try:
        told = cast("Object", json.loads(text))
        since = datetime.fromisoformat(told["since"])
        if told["phase"] in ("added", "switched", "returning") and since.tzinfo:
            return told["phase"], since
    except (ValueError, TypeError, KeyError):
        pass
    return "", None


def _packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(value: object) -> str:
    try:
        return base64.b64decode(str(value)).decode()
    except (binascii.Error, ValueError):
        return ""
