"""What each role may do. A user has one role."""

from __future__ import annotations

ADMIN, MEMBER, READER = "admin", "member", "reader"
PERMISSIONS: dict[str, frozenset[str]] = {
    READER: frozenset({"read"}),
    MEMBER: frozenset({"read", "write"}),
    ADMIN: frozenset({"read", "write", "delete", "manage"}),
}
"""read: look at what is shared; write: have files and posts; delete: those of others too; manage: users."""


def may(role: str, permission: str) -> bool:
    return permission in PERMISSIONS.get(role, frozenset())
