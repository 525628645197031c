"""What one kubeconfig says, read as kubectl reads it: unknown fields are ignored, wrong types are refused.

Source: client-go, tools/clientcmd/api/v1/types.go. No message quotes a value: it may be a key or a token.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from filewallball.errors import ConfigError

EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_CORRECT = "Correct it, or name another kubeconfig."
_BLANKS = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class Cluster:
    server: str = ""
    tls_server_name: str = ""
    insecure: bool = False
    authority: str = ""
    authority_data: bytes = b""
    proxy_url: str = ""
    disable_compression: bool = False
    exec_config: Any = None
    """What the cluster's extension for exec plugins holds."""


@dataclass(frozen=True)
class Exec:
    command: str = ""
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    api_version: str = ""
    install_hint: str = ""
    provide_cluster: bool = False
    interactive_mode: str = ""


@dataclass(frozen=True)
class User:
    certificate: str = ""
    certificate_data: bytes = b""
    key: str = ""
    key_data: bytes = b""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    impersonate: str = ""
    impersonate_uid: str = ""
    impersonate_groups: tuple[str, ...] = ()
    impersonate_extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    exec: Exec | None = None
    auth_provider: str | None = None
    """The name of an authentication provider, a thing that kubectl no longer knows."""


@dataclass(frozen=True)
class Context:
    cluster: str = ""
    user: str = ""
    namespace: str = ""


@dataclass
class Kubeconfig:
    """One file, or several that were merged."""

    current: str = ""
    clusters: dict[str, Cluster] = field(default_factory=dict[str, Cluster])
    users: dict[str, User] = field(default_factory=dict[str, User])
    contexts: dict[str, Context] = field(default_factory=dict[str, Context])

    def merge(self, later: Kubeconfig) -> None:
        """Add what a later file of KUBECONFIG has: whatever was named before stays as it is."""
        self.current = self.current or later.current
        self.clusters = {**later.clusters, **self.clusters}
        self.users = {**later.users, **self.users}
        self.contexts = {**later.contexts, **self.contexts}


def parse(content: bytes, where: str, folder: Path) -> Kubeconfig:
    """Read YAML or JSON; relative paths in it start from `folder`. Raises ConfigError that names `where`."""
    root = _Fields(_load(content, where), "", where)
    version, kind = root.text("apiVersion"), root.text("kind")
    if (version or "v1", kind or "Config") != ("v1", "Config"):
        raise ConfigError(
            f"{where} is not a kubeconfig: it is a {kind or 'Config'} of {version or 'v1'}",
            "Give a file that begins with `apiVersion: v1` and `kind: Config`.",
        )
    found = Kubeconfig(root.text("current-context"))
    for name, item in root.named("clusters", "cluster"):
        found.clusters[name] = _cluster(item, folder)
    for name, item in root.named("users", "user"):
        found.users[name] = _user(item, folder)
    for name, item in root.named("contexts", "context"):
        found.contexts[name] = Context(item.text("cluster"), item.text("user"), item.text("namespace"))
    return found


def load_yaml(content: bytes) -> Any:
    """One document of JSON or YAML. Raises ValueError; its text quotes nothing of the content."""
    if content.lstrip().startswith(b"{"):
        try:
            return json.loads(content)
        except ValueError:
            pass  # it may be YAML in its short form
    try:
        return next(yaml.load_all(content, _Loader), None)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ValueError("neither YAML nor JSON") from None


class _Loader(yaml.SafeLoader):
    """Leaves dates as the text that they are."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _load(content: bytes, where: str) -> Any:
    try:
        return load_yaml(content)
    except ValueError:
        raise ConfigError(f"{where} is not valid YAML", _CORRECT) from None


class _Fields:
    """A mapping whose values are asked for by type; an absent or null field counts as empty."""

    def __init__(self, content: Any, path: str, where: str) -> None:
        self._path = path
        self._where = where
        if content is not None and not isinstance(content, dict):
            raise self._wrong("", content, "a mapping")
        self._content = cast("dict[str, Any]", content or {})

    def text(self, key: str) -> str:
        return self._typed(key, str, "text; write it in quotes") or ""

    def flag(self, key: str) -> bool:
        return self._typed(key, bool, "true or false, without quotes") or False

    def data(self, key: str) -> bytes:
        value = self._typed(key, str, "text in base64") or ""
        try:
            return base64.b64decode(_BLANKS.sub(b"", value.encode()), validate=True)
        except (binascii.Error, ValueError):
            raise self._wrong(key, value, "text in base64, as `base64 -w0 FILE` prints it") from None

    def path(self, key: str, folder: Path) -> str:
        value = self.text(key)
        return str(folder / value) if value else ""

    def texts(self, key: str) -> tuple[str, ...]:
        found = cast("list[Any]", self._typed(key, list, "a list of texts") or [])
        for item in found:
            if not isinstance(item, str):
                raise self._wrong(key, item, "a list of texts; write each in quotes")
        return tuple(found)

    def child(self, key: str) -> _Fields | None:
        value = self._content.get(key)
        return None if value is None else _Fields(value, self._join(key), self._where)

    def children(self, key: str) -> list[_Fields]:
        found = cast("list[Any]", self._typed(key, list, "a list") or [])
        return [_Fields(item, f"{self._join(key)}[{index}]", self._where) for index, item in enumerate(found)]

    def named(self, key: str, part: str) -> list[tuple[str, _Fields]]:
        """The entries `{name: …, <part>: {…}}` of a list. A name that stands there twice is refused."""
        found: dict[str, _Fields] = {}
        for item in self.children(key):
            name = item.text("name")
            if name in found:
                raise ConfigError(
                    f"{self._where}: {key} has two entries with the name {name!r}", "Remove or rename one."
                )
            found[name] = item.child(part) or _Fields(None, f"{key}[name={name}].{part}", self._where)
        return list(found.items())

    def names(self) -> list[str]:
        return [str(key) for key in self._content]

    def raw(self, key: str) -> Any:
        return self._content.get(key)

    def _typed(self, key: str, wanted: type, words: str) -> Any:
        value = self._content.get(key)
        if value is not None and not isinstance(value, wanted):
            raise self._wrong(key, value, words)
        return value

    def _wrong(self, key: str, value: Any, words: str) -> ConfigError:
        kind = type(value).__name__
        found = "text" if kind == "str" else _KINDS.get(kind, kind)
        path = self._join(key)
        if not path:
            return ConfigError(f"{self._where} is not a kubeconfig: it holds {found}, not {words}", _CORRECT)
        return ConfigError(f"{self._where}: {path} is {found}, but must be {words}", _CORRECT)

    def _join(self, key: str) -> str:
        return ".".join(each for each in (self._path, key) if each)


_KINDS = {"int": "a number", "float": "a number", "bool": "a boolean", "list": "a list", "dict": "a mapping"}


def _cluster(item: _Fields, folder: Path) -> Cluster:
    extensions = {each.text("name"): each.raw("extension") for each in item.children("extensions")}
    return Cluster(
        server=item.text("server"),
        tls_server_name=item.text("tls-server-name"),
        insecure=item.flag("insecure-skip-tls-verify"),
        authority=item.path("certificate-authority", folder),
        authority_data=item.data("certificate-authority-data"),
        proxy_url=item.text("proxy-url"),
        disable_compression=item.flag("disable-compression"),
        exec_config=extensions.get(EXEC_EXTENSION),
    )


def _user(item: _Fields, folder: Path) -> User:
    provider, plugin = item.child("auth-provider"), item.child("exec")
    extra = item.child("as-user-extra")
    return User(
        certificate=item.path("client-certificate", folder),
        certificate_data=item.data("client-certificate-data"),
        key=item.path("client-key", folder),
        key_data=item.data("client-key-data"),
        token=item.text("token"),
        token_file=item.path("tokenFile", folder),
        username=item.text("username"),
        password=item.text("password"),
        impersonate=item.text("as"),
        impersonate_uid=item.text("as-uid"),
        impersonate_groups=item.texts("as-groups"),
        impersonate_extra={key: extra.texts(key) for key in extra.names()} if extra else {},
        exec=_exec(plugin, folder) if plugin else None,
        auth_provider=provider.text("name") if provider else None,
    )


def _exec(item: _Fields, folder: Path) -> Exec:
    command, version = item.text("command"), item.text("apiVersion")
    variables = [(each.text("name"), each.text("value")) for each in item.children("env")]
    mode = item.text("interactiveMode")
    if not mode and version.endswith("/v1beta1"):
        mode = "IfAvailable"
    return Exec(
        # a bare name is looked for on PATH
        command=str(folder / command) if "/" in command else command,
        arguments=item.texts("args"),
        environment=tuple(variables),
        api_version=version,
        install_hint=item.text("installHint"),
        provide_cluster=item.flag("provideClusterInfo"),
        interactive_mode=mode,
    )
