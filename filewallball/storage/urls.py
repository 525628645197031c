"""Where a storage is: one address in one line.

redis://[user:password@]host[:6379][/db]                      one server
rediss://…?ca_file=/path/ca.crt                               the same, encrypted
redis+cluster://host:port,host:port                           a Redis Cluster (rediss+cluster: encrypted)
sentinel://host:port,host:port/name-of-the-primary[/db]       a set that Sentinels watch
file:///folder?max_size=1073741824&durable=0                  a folder on this machine, no server
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from filewallball.storage.errors import WrongSetting

Kind = Literal["redis", "cluster", "sentinel", "file"]
Secret = str | Path | Callable[[], str] | None
"""A password; or the file that has it, or a function that gives it: asked for each new connection."""

PORT, SENTINEL_PORT = 6379, 26379
SCHEMES: dict[str, tuple[Kind, bool]] = {
    "redis": ("redis", False),
    "rediss": ("redis", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "sentinel": ("sentinel", False),
    "file": ("file", False),
}
SERVERS = ("timeout", "attempt_timeout", "max_connections")
OPTIONS: dict[Kind, tuple[str, ...]] = {
    "redis": ("ca_file", *SERVERS),
    "cluster": ("ca_file", *SERVERS),
    "sentinel": ("ca_file", "sentinel_user", "sentinel_password", *SERVERS),
    "file": ("max_size", "durable"),
}
TIMEOUTS: dict[Kind, float] = {"redis": 1.0, "cluster": 10.0, "sentinel": 10.0, "file": 0.0}
"""How long one call may be tried, in seconds: what a fail-over takes, where there is one."""
MOST_SECONDS = 3600.0
MOST_CONNECTIONS = 10_000
MOST_DATABASES = 65_535
GIB = 1 << 30
LEAST_SIZE, MOST_SIZE = 1 << 20, 1 << 50
"""Of a folder, in bytes."""
_EXAMPLES = "redis://host:6379/0, sentinel://host:26379,host:26379/name or file:///folder"


@dataclass(frozen=True, slots=True)
class Address:
    """A storage's address, taken apart. Times in seconds, sizes in bytes."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...] = ()
    db: int = 0
    user: str | None = None
    password: Secret = field(default=None, repr=False)
    master: str = ""
    sentinel_user: str | None = None
    sentinel_password: Secret = field(default=None, repr=False)
    encrypted: bool = False
    ca_file: str | None = None
    timeout: float = 0.0
    attempt_timeout: float = 0.5
    max_connections: int = 50
    folder: Path = Path()
    max_size: int = GIB
    durable: bool = False

    def __str__(self) -> str:
        """For messages: no password in it."""
        if self.kind == "file":
            return str(self.folder)
        where = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{self.master} at {where}" if self.kind == "sentinel" else where


def told(secret: Secret) -> str:
    """The password of now. Raises WrongSetting if its file can't be read."""
    if isinstance(secret, Path):
        try:
            return secret.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongSetting(f"The password can't be read: {error}. Check the file's path.") from None
    return secret() if callable(secret) else secret or ""


def hidden(url: str) -> str:
    """The address without its passwords."""
    return re.sub(r"(password=)[^&]*", r"\1***", re.sub(r"://.*@", "://***@", url))


def parse(url: str) -> Address:
    """Take an address apart. Raises WrongSetting, which says what to write."""
    shown = hidden(str(url))
    scheme, _, rest = str(url).partition("://")
    if scheme not in SCHEMES or not rest:
        raise WrongSetting(f"{shown!r} is no address of a storage. Write one such as {_EXAMPLES}.")
    kind, encrypted = SCHEMES[scheme]
    try:
        parts = urlsplit("x://" + rest)
        options = _options(kind, parts.query)
        if parts.fragment:
            raise WrongSetting("it has a part after '#'. Write '#' as %23")  # noqa: TRY301
        if kind == "file":
            return _folder(parts.netloc, parts.path, options)
        return _servers(kind, encrypted, parts.netloc, parts.path, options)
    except (WrongSetting, ValueError) as error:
        why: object = error
        if "@" in re.split("[/?#]", rest, maxsplit=1)[-1] and "@" not in re.split("[/?#]", rest)[0]:
            # what stands before '@' may be of a password: say nothing of it
            why = "its user or password has one of the characters / ? # in it. Write %2F, %3F or %23 instead"
        raise WrongSetting(f"The address {shown!r} is wrong: {why}.") from None


def _options(kind: Kind, query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in OPTIONS[kind]:
            raise WrongSetting(f"there is no option {name!r}. Use {', '.join(OPTIONS[kind])}")
        if name in found:
            raise WrongSetting(f"the option {name!r} is there twice. Write it once")
        if not value:
            raise WrongSetting(f"the option {name!r} is empty. Give it a value, or leave it out")
        found[name] = value
    return found


def _folder(netloc: str, path: str, options: dict[str, str]) -> Address:
    if netloc not in ("", "localhost"):
        raise WrongSetting(f"it names the host {netloc!r}. Write three slashes: file:///folder")
    folder = unquote(path)
    if "\0" in folder or not folder.strip("/"):
        raise WrongSetting("it names no folder. Write file:///folder")
    return Address(
        "file",
        folder=Path(folder),
        max_size=size(options.get("max_size", str(GIB))),
        durable=switch("durable", options.get("durable", "0")),
    )


def _servers(kind: Kind, encrypted: bool, netloc: str, path: str, options: dict[str, str]) -> Address:
    account, at, hosts = netloc.rpartition("@")
    user, colon, password = account.partition(":")
    names = [unquote(each) for each in path.strip("/").split("/")] if path.strip("/") else []
    master = ""
    if kind == "sentinel":
        if not names:
            raise WrongSetting("it does not name the primary. Write sentinel://host:26379/name")
        master = names.pop(0)
    if len(names) > 1 or (kind == "cluster" and names not in ([], ["0"])):
        raise WrongSetting("its path has too many parts. At the end stands the database's number at most")
    port = SENTINEL_PORT if kind == "sentinel" else PORT
    found = tuple(_host(each, port) for each in hosts.split(","))
    if kind == "redis" and len(found) > 1:
        raise WrongSetting("it has more than one host. For a cluster, write redis+cluster://")
    ca_file = options.get("ca_file")
    if ca_file and not encrypted and kind != "sentinel":
        raise WrongSetting("ca_file is for encrypted connections. Write rediss:// in place of redis://")
    return Address(
        kind,
        found,
        db=_whole("the database", names[0] if names else "0", 0, MOST_DATABASES),
        user=unquote(user) or None if at else None,
        password=unquote(password) or None if colon else None,
        master=master,
        sentinel_user=options.get("sentinel_user"),
        sentinel_password=options.get("sentinel_password"),
        encrypted=encrypted or bool(ca_file),
        ca_file=ca_file,
        timeout=seconds("timeout", options.get("timeout", str(TIMEOUTS[kind]))),
        attempt_timeout=seconds("attempt_timeout", options.get("attempt_timeout", "0.5")),
        max_connections=connections(options.get("max_connections", "50")),
    )


def _host(text: str, port: int) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.%]+)\]|([\w.-]+))(?::(\d{1,5}))?", text)
    if not found:
        raise WrongSetting(f"{text!r} is no host. Write host:port, and several with commas between")
    number = int(found[3]) if found[3] else port
    if not 1 <= number <= 65_535:
        raise WrongSetting(f"the port {number} is not between 1 and 65535")
    return found[1] or found[2], number


def size(text: str) -> int:
    """The most that a folder may hold, in bytes. Raises WrongSetting."""
    return _whole("max_size", text, LEAST_SIZE, MOST_SIZE)


def switch(name: str, text: str) -> bool:
    """Raises WrongSetting."""
    return bool(_whole(name, text, 0, 1))


def connections(text: str) -> int:
    """Raises WrongSetting."""
    return _whole("max_connections", text, 1, MOST_CONNECTIONS)


def _whole(name: str, text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text) or not least <= int(text) <= most:
        raise WrongSetting(f"{name} is {text!r}. Write a whole number from {least} to {most}")
    return int(text)


def seconds(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.01 <= number <= MOST_SECONDS:
        raise WrongSetting(f"{name} is {text!r}. Write seconds, from 0.01 to {MOST_SECONDS:.0f}")
    return number
