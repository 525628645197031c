"""The database: where it answers, and who its users are. files/mariadb/users.sql makes these users."""

from __future__ import annotations

from typing import Final

NAME: Final = "mariadb"
"""Of the Service, the StatefulSet and the container."""
PORT: Final = 3306
RESERVED: Final = "mariadb-reserved"
"""Whose access label opens RESERVED_PORT, and the name of the policy that does."""
RESERVED_PORT: Final = 3307
"""Where the product's own come in: its places stay free when applications have taken all of theirs."""
CLAIM: Final = "mariadb-data"
DATABASE: Final = "filewallball_db"
CREDENTIALS: Final = "mariadb-credentials"
"""The Secret with a password for each of USERS."""
USERS: Final = ("app", "backup", "monitor")


def user(short: str) -> str:
    """The name that a user logs in with: `filewallball_app` of `app`."""
    return f"filewallball_{short}"
