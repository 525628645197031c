"""Users, files, posts, comments, notifications."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import DATETIME

revision = "0001"
down_revision = None

_UTF8 = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_unicode_ci", "mysql_engine": "InnoDB"}


def _plain(length: int) -> sa.String:
    return sa.String(length, collation="ascii_bin")


def _created() -> sa.Column[object]:
    return sa.Column(
        "created_at", DATETIME(fsp=6), nullable=False, server_default=sa.text("CURRENT_TIMESTAMP(6)")
    )


def upgrade() -> None:
    """MariaDB ends a transaction at each statement: each bears being run again."""
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("email", sa.String(255), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(16), nullable=False, server_default="member"),
        sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.text("0")),
        _created(),
        sa.Column("last_login", DATETIME(fsp=6)),
        sa.Column("last_seen", DATETIME(fsp=6)),
        if_not_exists=True,
        **_UTF8,
    )
    op.create_table(
        "files",
        sa.Column("id", _plain(36), primary_key=True),
        sa.Column("owner_id", sa.BigInteger, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("state", _plain(16), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", _plain(127), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("sha256", _plain(64)),
        sa.Column("shared", sa.Boolean, nullable=False, server_default=sa.text("0")),
        sa.Column("store_upload", _plain(1024)),
        _created(),
        if_not_exists=True,
        **_UTF8,
    )
    op.create_table(
        "posts",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("author_id", sa.BigInteger, sa.ForeignKey("users.id"), nullable=False),
        _created(),
        if_not_exists=True,
        **_UTF8,
    )
    op.create_table(
        "comments",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("post_id", sa.BigInteger, sa.ForeignKey("posts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("author_id", sa.BigInteger, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        _created(),
        if_not_exists=True,
        **_UTF8,
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("user_id", sa.BigInteger, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("kind", _plain(32), nullable=False),
        sa.Column("about", sa.String(255), nullable=False),
        sa.Column("link", sa.String(255), nullable=False, server_default=""),
        sa.Column("seen", sa.Boolean, nullable=False, server_default=sa.text("0")),
        _created(),
        if_not_exists=True,
        **_UTF8,
    )
    op.create_index("users_last_seen", "users", ["last_seen"], if_not_exists=True)
    op.create_index("users_last_login", "users", ["last_login"], if_not_exists=True)
    op.create_index("files_of_owner", "files", ["owner_id", "state", "created_at"], if_not_exists=True)
    op.create_index("files_shared", "files", ["shared", "state", "created_at"], if_not_exists=True)
    op.create_index("files_state", "files", ["state", "created_at"], if_not_exists=True)
    op.create_index("posts_recent", "posts", ["created_at"], if_not_exists=True)
    op.create_index("comments_of_post", "comments", ["post_id", "id"], if_not_exists=True)
    op.create_index("notifications_of_user", "notifications", ["user_id", "id"], if_not_exists=True)
    op.create_index("notifications_unread", "notifications", ["user_id", "seen"], if_not_exists=True)
