"""The database: where it answers, and who its users are. files/mariadb/users.sql makes these users."""

from __future__ import annotations

from typing import Final

NAME: Final = "mariadb"
"""The name of the Service, the StatefulSet and the container."""
PORT: Final = 3306
RESERVED: Final = "mariadb-reserved"
"""The access label with this name opens RESERVED_PORT. The NetworkPolicy has the same name."""
RESERVED_PORT: Final = 3307
"""The port for the product's own connections. It stays free when applications use all of theirs."""
CLAIM: Final = "mariadb-data"
DATABASE: Final = "filewallball_db"
CREDENTIALS: Final = "mariadb-credentials"
"""The Secret with a password for each of USERS."""
USERS: Final = ("app", "backup", "monitor")


def user(short: str) -> str:
    """The name that a user logs in with: `filewallball_app` of `app`."""
    return f"filewallball_{short}"
