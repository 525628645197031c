"""Where things lie in every pod, and who runs in it."""

from __future__ import annotations

from typing import Final

UID: Final = 999
"""The numeric user and group of the upstream MariaDB, Redis and Valkey images, and of the toolkit."""
CONFIG_PATH: Final = "/etc/filewallball"
SECRETS_PATH: Final = "/secrets"
WORK_PATH: Final = "/work"


def secret_folder(secret: str) -> str:
    """Where a pod has the files of a Secret."""
    return f"{SECRETS_PATH}/{secret}"


def secret_file(secret: str, key: str) -> str:
    """Where a pod has one key of a Secret."""
    return f"{SECRETS_PATH}/{secret}/{key}"


def config_file(name: str) -> str:
    """Where a pod has one file of its ConfigMap."""
    return f"{CONFIG_PATH}/{name}"


def password_key(user: str) -> str:
    """The key that holds the password of a user, in the Secret of the user's server."""
    return f"{user}-password"


def other_key(user: str) -> str:
    """The key with another password that the server accepts as well, while passwords are being changed."""
    return f"{password_key(user)}-other"


def access_labels(*servers: str) -> dict[str, str]:
    """The labels with which a pod reaches these servers."""
    return {f"filewallball.io/access-{server}": "true" for server in servers}
