"""The application: where its servers answer, and what they are told."""

from __future__ import annotations

from typing import Final

NAME: Final = "app"
"""The name of the StatefulSet, the headless Service and the container, and of the access label."""
ACCOUNT: Final = "filewallball-app"
"""The ServiceAccount of its pods."""
MODULE: Final = "filewallball.app"
"""The Python module that the containers run."""
SITE_PORT: Final = 3000
ADMIN_PORT: Final = 3001
ALIVE: Final = "/healthz"
READY: Final = "/readyz"
LOG_INS: Final = ("/login", "/signup", "/api/v1/session", "/api/v1/users")
"""Paths at which POST tries a password or makes an account."""
UPLOADS: Final = ("/upload", "/api/v1/files", "/api/v1/uploads")
"""Paths at which, and below which, POST and PUT bring files."""
CHECK_ADDRESS: Final = ("check-", "@checks.filewallball.invalid")
"""How the addresses of checks' accounts begin and end; filewallball.app.accounts says so as well."""
CONNECTIONS: Final = 8
"""Connections to the database that a server opens at most; filewallball.app.database says so as well."""
FILES: Final = "filewallball-files"
"""The bucket of the users' files in the stack's own store."""
FILES_CREDENTIALS: Final = "store-files-credentials"
"""The Secret by which that store knows the application, with the keys of facts.store."""


class Variables:
    """What the environment of its pods tells."""

    NAME: Final = "APP_NAME"
    SITE_PORT: Final = "APP_SITE_PORT"
    ADMIN_PORT: Final = "APP_ADMIN_PORT"
    DATABASE_HOST: Final = "APP_DATABASE_HOST"
    DATABASE_PORT: Final = "APP_DATABASE_PORT"
    DATABASE_NAME: Final = "APP_DATABASE_NAME"
    DATABASE_USER: Final = "APP_DATABASE_USER"
    DATABASE_PASSWORD_FILE: Final = "APP_DATABASE_PASSWORD_FILE"  # noqa: S105 - a name
    CACHE_URL: Final = "APP_CACHE_URL"
    CACHE_USER: Final = "APP_CACHE_USER"
    CACHE_PASSWORD_FILE: Final = "APP_CACHE_PASSWORD_FILE"  # noqa: S105 - a name
    SESSIONS_URL: Final = "APP_SESSIONS_URL"
    SESSIONS_USER: Final = "APP_SESSIONS_USER"
    SESSIONS_PASSWORD_FILE: Final = "APP_SESSIONS_PASSWORD_FILE"  # noqa: S105 - a name
    SENTINEL_PASSWORD_FILE: Final = "APP_SENTINEL_PASSWORD_FILE"  # noqa: S105 - a name
    FILES_ENDPOINT: Final = "APP_FILES_ENDPOINT"
    FILES_BUCKET: Final = "APP_FILES_BUCKET"
    FILES_REGION: Final = "APP_FILES_REGION"
    FILES_KEY_ID_FILE: Final = "APP_FILES_KEY_ID_FILE"
    FILES_SECRET_KEY_FILE: Final = "APP_FILES_SECRET_KEY_FILE"  # noqa: S105 - a name
    FILES_CA_FILE: Final = "APP_FILES_CA_FILE"
    FILES_ADDRESSING: Final = "APP_FILES_ADDRESSING"
    CA_FILE: Final = "APP_CA_FILE"
    MAX_UPLOAD_BYTES: Final = "APP_MAX_UPLOAD_BYTES"
    TRUSTED_PROXIES: Final = "APP_TRUSTED_PROXIES"
    SECURE_COOKIE: Final = "APP_SECURE_COOKIE"
    DRAIN_SECONDS: Final = "APP_DRAIN_SECONDS"
    LOG_LEVEL: Final = "APP_LOG_LEVEL"


def pods_of(replicas: int) -> list[str]:
    """The names of its pods, which are those of their Services, too."""
    return [f"{NAME}-{ordinal}" for ordinal in range(replicas)]
