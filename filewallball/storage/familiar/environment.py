"""Settings from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from filewallball.storage.errors import WrongSetting

CACHE_DIR, LOCK_DIR = "./data/cache", "./data/locks"
CACHE_MAX_SIZE = 1_073_741_824
"""In bytes: 1 GiB."""
CACHE_DEFAULT_TTL, CACHE_CHECKPOINT_TTL = 86_400, 604_800
"""In seconds: a day, a week."""
LONGEST_TTL = 315_360_000
"""In seconds: ten years."""


class RedisConfig(TypedDict):
    """How a client reaches Redis."""

    host: str
    port: int
    db: int
    user: str | None
    password: str | None
    ca_file: str | None
    max_connections: int


ENVIRONMENTS: dict[str, tuple[str, int]] = {
    "development": ("localhost", 10),
    "kubernetes": ("redis", 30),
    "production": ("redis", 50),
}
"""The host of each environment, and its connections at most."""


def get_redis_config(
    environment: str | None = None, variables: Mapping[str, str] | None = None
) -> RedisConfig:
    """The settings of `development`, `kubernetes` or `production`; of the one in ENVIRONMENT by default.

    REDIS_HOST, REDIS_PORT, REDIS_DB, REDIS_USER, REDIS_PASSWORD, REDIS_CA_FILE and REDIS_MAX_CONNECTIONS win
    over them. Raises WrongSetting.
    """
    env = os.environ if variables is None else variables
    name = environment or env.get("ENVIRONMENT") or "development"
    if name not in ENVIRONMENTS:
        raise WrongSetting(f"There is no environment {name!r}. Use {', '.join(ENVIRONMENTS)}.")
    host, connections = ENVIRONMENTS[name]
    return {
        "host": env.get("REDIS_HOST") or host,
        "port": whole(env, "REDIS_PORT", 6379, 1, 65_535),
        "db": whole(env, "REDIS_DB", 0, 0, 65_535),
        "user": env.get("REDIS_USER") or None,
        "password": env.get("REDIS_PASSWORD") or None,
        "ca_file": env.get("REDIS_CA_FILE") or None,
        "max_connections": whole(env, "REDIS_MAX_CONNECTIONS", connections, 1, 10_000),
    }


def whole(variables: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number from the environment. Raises WrongSetting."""
    text = variables.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise WrongSetting(f"{name} is {text!r}. Write a whole number from {least} to {most}.")
    return int(text)


def folder(name: str, default: str, given: str | Path | None = None) -> Path:
    """The one given, or the one of the environment, from the root on; `~` is the user's. Raises
    WrongSetting."""
    if given is not None and (not isinstance(given, str | Path) or not str(given)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise WrongSetting(f"The folder is {given!r}. Write a path, or leave it out for the one in {name}.")
    try:
        return Path(given or os.environ.get(name) or default).expanduser().absolute()
    except RuntimeError as error:  # there is no such user
        raise WrongSetting(
            f"{name} is {str(given or os.environ.get(name))!r}: {error}. Write the path from the root on."
        ) from None
