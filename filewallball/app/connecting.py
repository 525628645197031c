"""How this program connects to MariaDB: what PyMySQL is told, below SQLAlchemy or without it."""

from __future__ import annotations

from typing import Any

from filewallball.app.settings import Database

CONNECT_SECONDS, ANSWER_SECONDS = 2, 4


def options(database: Database) -> dict[str, Any]:
    """Of each connection, beside the address, the user and the password."""
    found: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
    }
    if not database.ca_file:
        # Else PyMySQL reads all authorities that the machine trusts, for each connection.
        return found | {"ssl_disabled": True}
    return found | {"ssl_ca": database.ca_file, "ssl_verify_cert": True, "ssl_verify_identity": True}
