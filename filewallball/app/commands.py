"""The commands that use the database as a whole, and what they print. Each gives its exit code."""

from __future__ import annotations

import sys

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from filewallball.app import migrate, roles, settings
from filewallball.app.accounts import clean_email
from filewallball.app.database import make_engine
from filewallball.app.errors import Refused
from filewallball.app.tables import users


def bring_up_to_date(database: settings.Database) -> int:
    """Migrate the schema."""
    try:
        migrate.upgrade(database, lambda line: print(line, flush=True))
    except migrate.Refused as error:
        return _failed(str(error))
    except DBAPIError as error:
        return _failed(f"It could not be done: {error.orig}.")
    return 0


def make_admin(database: settings.Database, email: str) -> int:
    """Give a user the role `admin`."""
    try:
        email = clean_email(email)
    except Refused:
        print(
            f"{email!r} is no e-mail address. Write the one with which the user has signed up.",
            file=sys.stderr,
        )
        return 2
    engine = make_engine(database)
    try:
        with engine.begin() as connection:
            changed = update(users).where(users.c.email == email).values(role=roles.ADMIN)
            connection.execute(changed)
            known = connection.execute(users.select().where(users.c.email == email)).first()
    except DBAPIError as error:
        return _failed(f"It could not be done: {error.orig}.")
    finally:
        engine.dispose()
    if not known:
        return _failed(f"Nobody has signed up as {email}. Sign up on the site first, then run this again.")
    print(f"{email} is an administrator now. Log in on the administrators' site.")
    return 0


def _failed(why: str) -> int:
    print(why, file=sys.stderr)
    return 1
