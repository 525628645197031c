"""What `fwb redis` works on: nodes that config.json names, a URL, or what stands in a stack."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from filewallball import redact
from filewallball.errors import ConfigError, nearest
from filewallball.files import read_text
from filewallball.snapshots.settings import Address
from filewallball.stability.local import FILE as ENV_FILE
from filewallball.stability.local import Local

FILE = "config.json"
NODES = "redis_nodes"
SCHEMES = {"redis": False, "rediss": True}
"""The schemes of URLs, and whether connections are encrypted."""
URL_NAME = "url"
PORT = 6379
_SHAPE = f'{{"{NODES}": {{"dev": {{"nodes": ["10.0.0.1:6379"]}}}}}}'
_NODE_HINT = 'Write "HOST:PORT", such as "10.0.0.1:6379".'


@dataclass(frozen=True)
class Access:
    """How the nodes are spoken to. `tls`: encrypted; `ca_file`: by whom signed, if not by a public authority.

    `cert_file` and `key_file` are the client's own, for servers that ask for one. `master` is the Sentinels'
    name for the set, where they know several. `server_name` stands in the node's certificate, where its
    address doesn't.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    master: str | None = None
    server_name: str | None = None


@dataclass(frozen=True)
class Target:
    """Some nodes of one deployment, from which the others are found. `name` goes into the names of backups.

    `source` says in messages where the nodes are written; `suffix` ends the names of its variables.
    `forwarded`: the nodes' addresses are good for this run alone.
    """

    name: str
    source: str
    nodes: tuple[Address, ...]
    access: Access
    env_file: str = ENV_FILE
    forwarded: bool = False

    @property
    def suffix(self) -> str:
        return self.name.upper().replace("-", "_")

    def variable(self, what: str) -> str:
        """The variable that says something of this target: `REDIS_PASSWORD_DEV` for PASSWORD of dev."""
        return f"REDIS_{what}_{self.suffix}"

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.nodes))})"


def read(text: str, folder: Path, local: Local | None = None) -> Target:
    """The target of this name or URL. Raises ConfigError for what is wrong with it; nothing is asked yet."""
    local = local or Local.read(folder)
    if "://" in text:
        return _of_url(text, local)
    path = folder / FILE
    nodes = _nodes(path, text)
    return _made(text, f"{path}, {NODES}.{text}", nodes, local, Access())


def _made(name: str, source: str, nodes: tuple[Address, ...], local: Local, given: Access) -> Target:
    bare = Target(name, source, nodes, given, str(local.path))

    def text(what: str) -> str | None:
        return local.get(bare.variable(what))

    tls = local.flag(bare.variable("TLS"))
    ca_file = local.file(bare.variable("CA_FILE"))
    cert_file, key_file = local.file(bare.variable("CERT_FILE")), local.file(bare.variable("KEY_FILE"))
    if (cert_file is None) != (key_file is None):
        one, other = ("CERT_FILE", "KEY_FILE") if key_file is None else ("KEY_FILE", "CERT_FILE")
        raise local.wrong(
            bare.variable(other), "it is not set", f"It goes with {bare.variable(one)}. Set both."
        )
    if given.tls and tls is False:
        raise local.wrong(bare.variable("TLS"), "the URL begins with rediss://", "Correct one of the two.")
    if tls is False and (ca_file or cert_file):
        raise local.wrong(bare.variable("TLS"), "it is false, and there is a certificate", "Set it to true.")
    access = Access(
        username=given.username or text("USERNAME"),
        password=given.password or text("PASSWORD") or _secret(local, bare.variable("PASSWORD_FILE")),
        sentinel_username=text("SENTINEL_USERNAME"),
        sentinel_password=text("SENTINEL_PASSWORD"),
        tls=given.tls or bool(tls or ca_file or cert_file),
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        master=text("MASTER"),
    )
    return Target(name, source, nodes, access, str(local.path))


def _secret(local: Local, name: str) -> str | None:
    path = local.file(name)
    if path is None:
        return None
    value = read_text(Path(path)).strip()
    if not value:
        raise local.wrong(name, f"{path} is empty", "Write the password into it.")
    redact.KNOWN.add(value)
    return value


def _of_url(url: str, local: Local) -> Target:
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError as error:
        raise ConfigError(f"{_shown(url)} is not a URL: {error}", _URL_HINT) from None
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ConfigError(f"{_shown(url)} is not the URL of a server", _URL_HINT)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError(
            f"{_shown(url)} has something behind the port", "The whole server is looked at. Leave it out."
        )
    password = unquote(parts.password) if parts.password else None
    redact.KNOWN.add(password)
    user = unquote(parts.username) if parts.username else None
    given = Access(username=user, password=password, tls=SCHEMES[parts.scheme])
    return _made(URL_NAME, _without_password(parts), (Address(parts.hostname, port),), local, given)


_URL_HINT = "Write redis://HOST:PORT, or rediss://HOST:PORT for an encrypted connection."


def _without_password(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _shown(url: str) -> str:
    """The URL without what stands before the @: it may be a password, however wrong the rest is."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _nodes(path: Path, name: str) -> tuple[Address, ...]:
    environments = _environments(path)
    if name not in environments:
        raise ConfigError(
            f"{path} has no {NODES}.{name}", nearest(name, environments, "It has") + " A URL will do, too."
        )
    entry = environments[name]
    where = f"{path}, {NODES}.{name}"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ConfigError(f"{where}: the name goes into names of backups", "Use only a-z, 0-9 and -.")
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is {_json(entry)}, and not an object", f"Write it as in {_SHAPE}.")
    fields = cast("dict[str, object]", entry)
    for key in fields.keys() - {"nodes"}:
        raise ConfigError(
            f"{where} has {key}, and may have nodes alone",
            f"Passwords and TLS are written into {ENV_FILE}; .env.example shows how.",
        )
    nodes = fields.get("nodes")
    given = cast("list[object]", nodes) if isinstance(nodes, list) else []
    if not given:
        raise ConfigError(
            f"{where}.nodes is {_json(given or fields.get('nodes'))}, and names no node",
            'List the nodes, such as ["10.0.0.1:6379"]; of a Sentinel set, the Sentinels.',
        )
    found = [_address(node, f"{where}.nodes[{place}]") for place, node in enumerate(given)]
    twice = next((node for node in found if found.count(node) > 1), None)
    if twice:
        raise ConfigError(f"{where}.nodes has {twice} twice", "Name each node once.")
    return tuple(found)


def _environments(path: Path) -> dict[str, object]:
    if not path.exists():
        raise ConfigError(
            f"There is no {path}",
            f"Write it, such as {_SHAPE}, name its folder with --cwd, or give a URL.",
        )
    try:
        document: Any = json.loads(read_text(path), object_pairs_hook=_once)
    except _TwiceError as error:
        raise ConfigError(f"{path} has the key {error} twice", "Keep one of them.") from None
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}", f"Write {_SHAPE}."
        ) from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply", f"Write {_SHAPE}.") from None
    found: object = cast("dict[str, object]", document).get(NODES) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise ConfigError(f"{path} has no object {NODES}", f"Write {_SHAPE}.")
    return cast("dict[str, object]", found)


class _TwiceError(Exception):
    """A key that an object has twice."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(key)
        found[key] = value
    return found


def _address(node: object, where: str) -> Address:
    if not isinstance(node, str):
        raise ConfigError(f"{where} is {_json(node)}, and not a text", _NODE_HINT)
    host, colon, port = node.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"{where}: {node!r} is not an address", 'Write IPv6 as "[::1]:6379".')
    if not colon or not re.fullmatch(r"[\w.:%-]+", host, re.ASCII):
        raise ConfigError(f"{where}: {node!r} is not an address", _NODE_HINT)
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise ConfigError(f"{where}: {port!r} in {node!r} is not a port (1 to 65535)", _NODE_HINT)
    return Address(host, int(port))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]
