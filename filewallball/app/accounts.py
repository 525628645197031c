"""Accounts: sign up, log in, and what administrators change."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from filewallball.app import passwords, roles
from filewallball.app.database import Database
from filewallball.app.errors import Conflict, NotFound, Refused
from filewallball.app.passwords import Passwords
from filewallball.app.tables import users
from filewallball.app.throttle import Throttle

_EMAIL = re.compile(
    r"[^@\s\x00-\x20\x7f\"(),:;<>\[\\\]]{1,64}@[^@\s\x00-\x20]{1,180}\.[^@\s\x00-\x20.]{2,63}"
)
_SHOWN = (users.c.id, users.c.email, users.c.name, users.c.role, users.c.disabled, users.c.created_at,
          users.c.last_login, users.c.last_seen)  # fmt: skip
PAGE = 50
CHECKS = ("check-", "@checks.filewallball.invalid")
"""How the addresses of checks' accounts begin and end. Nobody else can have one: the domain is reserved (RFC
2606). facts/app.py says so as well.
"""
OF_CHECKS = users.c.email.like("%".join(CHECKS))
_HERE = {"last_login": func.now(6), "last_seen": func.now(6)}


class Accounts:
    def __init__(self, database: Database, hashes: Passwords, throttle: Throttle) -> None:
        self._database, self._hashes, self._throttle = database, hashes, throttle

    async def sign_up(self, email: str, name: str, password: str) -> dict[str, Any]:
        """The new user. Raises Refused for what can't be used, Conflict for an address that is taken."""
        email, name = clean_email(email), clean_person(name)
        _check_password(password, email)
        hashed = await self._hashes.hash(password)

        def add(connection: Connection) -> int:
            values = {"email": email, "name": name, "password_hash": hashed, **_HERE}
            return connection.execute(insert(users).values(values)).lastrowid

        try:
            found = await self._database.run(add)
        except IntegrityError:
            raise Conflict("email_taken", field="email") from None
        return {"id": found, "email": email, "name": name, "role": roles.MEMBER}

    async def log_in(self, email: str, password: str, address: str) -> dict[str, Any]:
        """The user. Raises Refused without saying what was wrong, TooMany after too many tries."""
        email = unicodedata.normalize("NFC", email.strip().casefold())[:255]
        await self._throttle.attempt(email, address)
        wanted = select(*_SHOWN, users.c.password_hash).where(users.c.email == email)
        found = await self._database.run(lambda connection: connection.execute(wanted).mappings().first())
        right = await self._hashes.verify(
            found["password_hash"] if found else None, password[: passwords.MOST]
        )
        if not right or not found or found["disabled"]:
            raise Refused("wrong_login")
        await self._throttle.succeeded(email, address)
        changes: dict[str, Any] = {**_HERE}
        if self._hashes.outdated(found["password_hash"]):
            changes["password_hash"] = await self._hashes.hash(password)
        await self._database.run(
            lambda connection: connection.execute(
                update(users).where(users.c.id == found["id"]).values(changes)
            )
        )
        return plain(found)

    async def find(self, user_id: int) -> dict[str, Any]:
        """Raises NotFound."""
        wanted = select(*_SHOWN).where(users.c.id == user_id)
        found = await self._database.run(lambda connection: connection.execute(wanted).mappings().first())
        if not found:
            raise NotFound
        return plain(found)

    async def list(self, like: str = "", after: int = 0) -> list[dict[str, Any]]:
        """Users whose name or e-mail address has this text, in the order of their numbers, a page of them."""
        wanted = select(*_SHOWN).where(users.c.id > after).order_by(users.c.id).limit(PAGE)
        if like:
            wanted = wanted.where(
                or_(
                    users.c.name.contains(like, autoescape=True),
                    users.c.email.contains(like, autoescape=True),
                )
            )
        found = await self._database.run(lambda connection: connection.execute(wanted).mappings().all())
        return [plain(each) for each in found]

    async def lately(self) -> list[int]:
        """Who may have a session: those who logged in within the last day, the newest first."""
        wanted = (
            select(users.c.id)
            .where(users.c.last_login > text("UTC_TIMESTAMP(6) - INTERVAL 1 DAY"))
            .order_by(users.c.last_login.desc())
            .limit(200)
        )
        return await self._database.run(
            lambda connection: [int(row[0]) for row in connection.execute(wanted)]
        )

    async def change(self, user_id: int, *, role: str | None = None, disabled: bool | None = None) -> None:
        """Raises NotFound, Refused for a role that doesn't exist."""
        if role is not None and role not in roles.PERMISSIONS:
            raise Refused("no_such_role", field="role")
        changes = {"role": role, "disabled": disabled}
        made = update(users).where(users.c.id == user_id)
        made = made.values({name: value for name, value in changes.items() if value is not None})
        await self.find(user_id)
        await self._database.run(lambda connection: connection.execute(made))


def clean_email(given: str) -> str:
    """As it is stored and compared. Raises Refused."""
    text = unicodedata.normalize("NFC", given.strip().casefold())
    if len(text) > 255 or not _EMAIL.fullmatch(text):
        raise Refused("bad_email", field="email")
    return text


def clean_person(given: str) -> str:
    """Raises Refused."""
    text = unicodedata.normalize("NFC", given)
    text = " ".join("".join(each for each in text if unicodedata.category(each)[0] != "C").split())
    if not 1 <= len(text) <= 100:
        raise Refused("bad_name", field="name")
    return text


def of_check(email: str) -> bool:
    """Whether an account is a check's."""
    return email.startswith(CHECKS[0]) and email.endswith(CHECKS[1])


def _check_password(password: str, email: str) -> None:
    if not passwords.LEAST <= len(password) <= passwords.MOST:
        raise Refused("bad_password", field="password", least=passwords.LEAST, most=passwords.MOST)
    if password.casefold() in (email, email.partition("@")[0]):
        raise Refused("easy_password", field="password")


def plain(row: Any) -> dict[str, Any]:
    """A row as JSON can hold it, without what nobody is to see; times as ISO 8601 in UTC."""
    found = {name: value for name, value in row.items() if name != "password_hash"}
    return {
        name: f"{value.isoformat()}Z" if hasattr(value, "isoformat") else value
        for name, value in found.items()
    }
