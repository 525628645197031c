"""Who we are to a registry: what `docker login` has left in ~/.docker/config.json, helpers included."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filewallball.errors import ConfigError
from filewallball.files import read_text

_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_SECONDS = 60


@dataclass(frozen=True)
class Credentials:
    """A user and a password, or a token that is exchanged for others."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


def config_file() -> Path:
    """Docker's own configuration, which podman and others read as well."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def find(registry: str) -> Credentials | None:
    """The credentials for a registry; None: there are none. Raises ConfigError for a bad file."""
    path = config_file()
    if not path.is_file():
        return None
    try:
        config: dict[str, Any] = json.loads(read_text(path))
        helpers: dict[str, Any] = config.get("credHelpers") or {}
        auths: dict[str, Any] = config.get("auths") or {}
        names = _names(registry)
        for name in names:
            if name in helpers:
                return _ask(str(helpers[name]), name)
        for name in names:
            if name in auths and (found := _read(auths[name])):
                return found
        if store := config.get("credsStore"):
            return next(filter(None, (_ask(str(store), name) for name in names)), None)
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{path} can't be read: {error}", f"Mend it, or run `docker login {registry}` again."
        ) from None
    return None


def _names(registry: str) -> list[str]:
    if registry == "docker.io":
        return [_HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io"]
    return [registry, f"https://{registry}", f"http://{registry}"]


def _read(entry: dict[str, Any]) -> Credentials | None:
    if token := entry.get("identitytoken"):
        return Credentials(token=str(token))
    if auth := entry.get("auth"):
        user, _, password = base64.b64decode(str(auth), validate=True).decode().partition(":")
        return Credentials(user, password.rstrip("\0"))
    if user := entry.get("username"):
        return Credentials(str(user), str(entry.get("password") or ""))
    return None


def _ask(helper: str, name: str) -> Credentials | None:
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"],
            input=name,
            capture_output=True,
            encoding="utf-8",
            timeout=_HELPER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(
            f"{program}, which {config_file()} names, can't be run: {error}", "Install it, or log in anew."
        ) from None
    if done.returncode:
        return None  # helpers say so when they know nothing
    found = json.loads(done.stdout)
    user, secret = str(found.get("Username") or ""), str(found.get("Secret") or "")
    return Credentials(token=secret) if user == "<token>" else Credentials(user, secret)
