"""What the application is told by its environment. Passwords come by file: they can change while it runs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class WrongSetting(ValueError):
    """A variable that is missing or can't be right; the message names it."""


@dataclass(frozen=True)
class Database:
    host: str
    port: int
    name: str
    user: str
    password_file: Path
    ca_file: str | None

    def password(self) -> str:
        """As the file has it now. Raises WrongSetting."""
        return read_secret("APP_DATABASE_PASSWORD_FILE", self.password_file)


@dataclass(frozen=True)
class Server:
    """A Redis or a set of Sentinels: an address without a password, and where the passwords are."""

    url: str
    user: str
    password_file: Path | None
    sentinel_password_file: Path | None
    ca_file: str | None

    def options(self) -> dict[str, Any]:
        """What filewallball.storage takes beside the address. It reads the files for each new connection."""
        given = {
            "user": self.user if self.password_file else None,
            "password": self.password_file,
            "sentinel_password": self.sentinel_password_file,
            "ca_file": self.ca_file if self.url.startswith(("rediss:", "sentinel:")) else None,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Files:
    """The store of the files. `endpoint` None: AWS. Key files None: the pod's own role."""

    endpoint: str | None
    bucket: str
    region: str
    key_id_file: Path | None
    secret_key_file: Path | None
    ca_file: str | None
    addressing: Literal["path", "virtual"] | None
    max_bytes: int


@dataclass(frozen=True)
class Settings:
    name: str
    site_port: int
    admin_port: int
    database: Database
    cache: Server
    sessions: Server
    files: Files
    trusted_proxies: tuple[str, ...]
    secure_cookie: bool
    drain_seconds: float
    log_level: str


def read_secret(name: str, path: Path) -> str:
    """A file's text without the end of its line. Raises WrongSetting."""
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(
            f"{name} is {path}, which can't be read: {error}. Write a readable file."
        ) from None
    if not text:
        raise WrongSetting(f"{name} is {path}, which is empty. Write the secret into it.")
    return text


class _Environment:
    """Reads variables; each fault says which one, what it has and what it should have."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name) or default
        if value is None:
            raise WrongSetting(f"{name} is not set. Set it: docs/app.md says to what.")
        return value

    def number(self, name: str, default: int | None, least: int, most: int) -> int:
        value = self.text(name, None if default is None else str(default))
        if not re.fullmatch(r"[0-9]{1,18}", value) or not least <= int(value) <= most:
            raise WrongSetting(f"{name} is {value!r}. Write a whole number from {least} to {most}.")
        return int(value)

    def flag(self, name: str, default: str) -> bool:
        value = self.text(name, default)
        if value not in ("0", "1"):
            raise WrongSetting(f"{name} is {value!r}. Write 1 for yes or 0 for no.")
        return value == "1"

    def file(self, name: str) -> Path | None:
        value = self._values.get(name)
        return Path(value) if value else None

    def needed_file(self, name: str) -> Path:
        return Path(self.text(name))

    def url(self, name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(name, default)
        parts = urlsplit(value)
        if parts.scheme not in schemes:
            beginnings = " or ".join(f"{each}://" for each in schemes)
            raise WrongSetting(f"{name} is {value!r}. Write an address that begins with {beginnings}.")
        if not parts.netloc:
            raise WrongSetting(f"{name} is {value!r}, which names no server. Write one behind the //.")
        if "@" in parts.netloc:
            raise WrongSetting(
                f"{name} has a user or a password in it. Write them into variables of their own."
            )
        return value

    def networks(self, name: str) -> tuple[str, ...]:
        found = tuple(each.strip() for each in self._values.get(name, "").split(",") if each.strip())
        for each in found:
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                raise WrongSetting(
                    f"{name} has {each!r}: {error}. Write addresses or networks with commas between them."
                ) from None
        return found


def from_environment(values: Mapping[str, str]) -> Settings:
    """The settings. Raises WrongSetting for the first variable that is wrong."""
    read = _Environment(values)
    ca_file = values.get("APP_CA_FILE") or None
    if ca_file and not Path(ca_file).is_file():
        raise WrongSetting(
            f"APP_CA_FILE is {ca_file!r}, which is no file. Write the authority's certificate."
        )
    level = read.text("APP_LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise WrongSetting(f"APP_LOG_LEVEL is {level!r}. Write one of {', '.join(LEVELS)}.")
    return Settings(
        name=read.text("APP_NAME", "app"),
        site_port=read.number("APP_SITE_PORT", 3000, 1, 65535),
        admin_port=read.number("APP_ADMIN_PORT", 3001, 1, 65535),
        database=database(values),
        cache=Server(
            url=read.url("APP_CACHE_URL", ("redis", "rediss")),
            user=read.text("APP_CACHE_USER", "default"),
            password_file=read.file("APP_CACHE_PASSWORD_FILE"),
            sentinel_password_file=None,
            ca_file=ca_file,
        ),
        sessions=Server(
            url=read.url("APP_SESSIONS_URL", ("sentinel", "redis", "rediss")),
            user=read.text("APP_SESSIONS_USER", "default"),
            password_file=read.file("APP_SESSIONS_PASSWORD_FILE"),
            sentinel_password_file=read.file("APP_SENTINEL_PASSWORD_FILE"),
            ca_file=ca_file,
        ),
        files=_files(read, values),
        trusted_proxies=read.networks("APP_TRUSTED_PROXIES"),
        secure_cookie=read.flag("APP_SECURE_COOKIE", "1"),
        drain_seconds=float(read.number("APP_DRAIN_SECONDS", 5, 0, 600)),
        log_level=level,
    )


def database(values: Mapping[str, str]) -> Database:
    """The database alone, for commands that need nothing else. Raises WrongSetting."""
    read = _Environment(values)
    return Database(
        host=read.text("APP_DATABASE_HOST"),
        port=read.number("APP_DATABASE_PORT", 3306, 1, 65535),
        name=read.text("APP_DATABASE_NAME"),
        user=read.text("APP_DATABASE_USER"),
        password_file=read.needed_file("APP_DATABASE_PASSWORD_FILE"),
        ca_file=values.get("APP_CA_FILE") or None,
    )


def _files(read: _Environment, values: Mapping[str, str]) -> Files:
    endpoint = read.url("APP_FILES_ENDPOINT", ("http", "https")) if values.get("APP_FILES_ENDPOINT") else None
    key_id, secret_key = read.file("APP_FILES_KEY_ID_FILE"), read.file("APP_FILES_SECRET_KEY_FILE")
    if (key_id is None) != (secret_key is None):
        raise WrongSetting(
            "One of APP_FILES_KEY_ID_FILE and APP_FILES_SECRET_KEY_FILE is set. Set both, or none of them."
        )
    addressing = values.get("APP_FILES_ADDRESSING") or None
    if addressing not in (None, "path", "virtual"):
        raise WrongSetting(f"APP_FILES_ADDRESSING is {addressing!r}. Write path or virtual, or leave it out.")
    return Files(
        endpoint=endpoint,
        bucket=read.text("APP_FILES_BUCKET"),
        region=read.text("APP_FILES_REGION", "us-east-1"),
        key_id_file=key_id,
        secret_key_file=secret_key,
        ca_file=values.get("APP_FILES_CA_FILE") or None,
        addressing=addressing,
        max_bytes=read.number("APP_MAX_UPLOAD_BYTES", 2 * 2**30, 1, 5 * 2**40),
    )
