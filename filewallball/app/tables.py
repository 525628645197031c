"""The tables. A change needs a migration, and may only add: servers of the version before work on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.mysql import DATETIME

metadata = MetaData()
_NOW = text("CURRENT_TIMESTAMP(6)")


def _table(name: str, *parts: Any) -> Table[Any]:
    return Table(
        name,
        metadata,
        *parts,
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_ci",
        mysql_engine="InnoDB",
    )


def _created() -> Column[Any]:
    """All times are UTC: each connection has that zone."""
    return Column("created_at", DATETIME(fsp=6), nullable=False, server_default=_NOW)


users = _table(
    "users",
    Column("id", BigInteger, primary_key=True),
    Column("email", String(255), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("name", String(100), nullable=False),
    Column("role", String(16), nullable=False, server_default="member"),
    Column("disabled", Boolean, nullable=False, server_default=text("0")),
    _created(),
    Column("last_login", DATETIME(fsp=6)),
    Column("last_seen", DATETIME(fsp=6)),
    Index("users_last_seen", "last_seen"),
    Index("users_last_login", "last_login"),
)
files = _table(
    "files",
    Column("id", String(36, collation="ascii_bin"), primary_key=True),
    Column("owner_id", BigInteger, ForeignKey("users.id"), nullable=False),
    # `uploading`, `ready` or `deleting`: the object in the store is made after its row, and goes before it.
    Column("state", String(16, collation="ascii_bin"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", String(127, collation="ascii_bin"), nullable=False),
    Column("size", BigInteger, nullable=False, server_default=text("0")),
    Column("sha256", String(64, collation="ascii_bin")),
    Column("shared", Boolean, nullable=False, server_default=text("0")),
    # The store's name for an upload that may be resumed.
    Column("store_upload", String(1024, collation="ascii_bin")),
    _created(),
    Index("files_of_owner", "owner_id", "state", "created_at"),
    Index("files_shared", "shared", "state", "created_at"),
    Index("files_state", "state", "created_at"),
)
posts = _table(
    "posts",
    Column("id", BigInteger, primary_key=True),
    Column("title", String(255), nullable=False),
    Column("content", Text, nullable=False),
    Column("author_id", BigInteger, ForeignKey("users.id"), nullable=False),
    _created(),
    Index("posts_recent", "created_at"),
)
comments = _table(
    "comments",
    Column("id", BigInteger, primary_key=True),
    Column("post_id", BigInteger, ForeignKey("posts.id", ondelete="CASCADE"), nullable=False),
    Column("author_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("content", Text, nullable=False),
    _created(),
    Index("comments_of_post", "post_id", "id"),
)
notifications = _table(
    "notifications",
    Column("id", BigInteger, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    # A text's name in web/texts.toml, and what it is about: whoever reads it chooses the language.
    Column("kind", String(32, collation="ascii_bin"), nullable=False),
    Column("about", String(255), nullable=False),
    Column("link", String(255), nullable=False, server_default=""),
    Column("seen", Boolean, nullable=False, server_default=text("0")),
    _created(),
    Index("notifications_of_user", "user_id", "id"),
    Index("notifications_unread", "user_id", "seen"),
)
