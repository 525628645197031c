"""What the checks need to know of their stack: `checks.json`, written by the program, read in the pod."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filewallball.errors import ConfigError

DEFAULT_PATH = "/etc/filewallball/checks.json"
PATH_VARIABLE = "FWB_CHECKS_CONFIG"

T = TypeVar("T")


def read_secret(path: str) -> str:
    """The secret in a mounted file, without the newline that an editor may have left at its end."""
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise ConfigError(
            f"cannot read the secret file {path}: {error.strerror}",
            "the Secret isn't mounted into this pod, or lacks this key: run `fwb up` on the stack again",
        ) from error


@dataclass(frozen=True, slots=True)
class RedisTarget:
    host: str
    password_file: str
    port: int = 6379
    user: str = "checks"
    conf: str = "/etc/filewallball/redis.conf"
    latency_limit_ms: float = 10
    hit_rate_min: float = 0.8
    memory_max: float = 0.8

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ValkeyTarget:
    """The session set. Addresses are `host:port`; `reads` is the one that spreads reads, if there is one.

    `settle_seconds`: how long the checks of one run, all together, wait for the set to find its place.
    """

    members: tuple[str, ...]
    sentinels: tuple[str, ...]
    quorum: int
    down_after_ms: int
    failover_timeout_ms: int
    parallel_syncs: int
    app_password_file: str
    sentinel_password_file: str
    checks_password_file: str
    conf: str = "/etc/filewallball/valkey.conf"
    reads: str | None = None
    master: str = "valkey-session-master"
    max_lag_seconds: float = 1
    settle_seconds: float = 15


@dataclass(frozen=True, slots=True)
class MariadbTarget:
    host: str
    database: str
    app_user: str
    app_password_file: str
    monitor_user: str
    monitor_password_file: str
    port: int = 3306
    latency_limit_ms: float = 50
    claim: str = "mariadb-data"
    statefulset: str = "mariadb"

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StoreTarget:
    """An S3 bucket. Without an endpoint it is AWS; without key files boto3 finds credentials by itself."""

    bucket: str
    region: str = "us-east-1"
    prefix: str = ""
    endpoint: str | None = None
    access_key_file: str | None = None
    secret_key_file: str | None = None


@dataclass(frozen=True, slots=True)
class BackupTarget:
    cronjob: str
    schedule: str
    time_zone: str
    store: StoreTarget
    max_age_hours: float = 26


@dataclass(frozen=True, slots=True)
class ChecksConfig:
    namespace: str
    disposable: bool
    redis: RedisTarget
    mariadb: MariadbTarget
    backup: BackupTarget
    valkey: ValkeyTarget
    snapshots: BackupTarget


def load(path: str | None = None) -> ChecksConfig:
    """Read the configuration: `path`, else `$FWB_CHECKS_CONFIG`, else the place where the pod has it."""
    chosen = path or os.environ.get(PATH_VARIABLE) or DEFAULT_PATH
    try:
        text = Path(chosen).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot read the checks' configuration {chosen}: {error.strerror}",
            f"it is mounted from the ConfigMap filewallball-checks; elsewhere set {PATH_VARIABLE} to a file",
        ) from error
    return parse(text, chosen)


def parse(text: str, source: str = "checks.json") -> ChecksConfig:
    """Typed configuration from JSON. All faults are reported together, each with its dotted path."""
    try:
        raw: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{source} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    faults: list[str] = []
    config = _load(ChecksConfig, raw, "", faults)
    if faults or config is None:
        raise ConfigError(
            f"{source} is wrong:\n" + "\n".join(f"  {fault}" for fault in faults),
            "it is written by components/checks.py from the stack's settings: run `fwb up` again",
        )
    return config


def _load(cls: type[T], raw: object, path: str, faults: list[str]) -> T | None:
    if not isinstance(raw, dict):
        faults.append(f"{path or 'the document'}: expected an object, got {_shown(raw)}")
        return None
    given = typing.cast("dict[str, object]", raw)
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = typing.get_type_hints(cls)
    for key in given.keys() - fields.keys():
        near = difflib.get_close_matches(key, fields, n=1)
        faults.append(f"{_join(path, key)}: unknown key" + (f", did you mean {near[0]}?" if near else ""))
    values: dict[str, object] = {}
    for name, field in fields.items():
        where = _join(path, name)
        if name in given:
            values[name] = _value(hints[name], given[name], where, faults)
        elif field.default is dataclasses.MISSING:
            faults.append(f"{where}: missing")
    return None if faults else cls(**values)


def _value(kind: Any, raw: object, path: str, faults: list[str]) -> object:
    if dataclasses.is_dataclass(kind):
        return _load(typing.cast("type[Any]", kind), raw, path, faults)
    if typing.get_origin(kind) is tuple:
        return _values(typing.get_args(kind)[0], raw, path, faults)
    if isinstance(kind, types.UnionType):
        if raw is None:
            return None
        kind = typing.get_args(kind)[0]
    allowed: tuple[type, ...] = (int, float) if kind is float else (kind,)
    # bool is an int to Python, but `true` is no port
    if not isinstance(raw, allowed) or (isinstance(raw, bool) and kind is not bool):
        faults.append(f"{path}: expected {_KIND_NAMES[kind]}, got {_shown(raw)}")
    elif kind in (int, float) and typing.cast(float, raw) < 0:
        faults.append(f"{path}: expected a number of 0 or more, got {_shown(raw)}")
    return raw


def _values(kind: Any, raw: Any, path: str, faults: list[str]) -> tuple[object, ...]:
    if not isinstance(raw, list) or not raw:
        faults.append(f"{path}: expected a list with something in it, got {_shown(raw)}")
        return ()
    items = enumerate(typing.cast("list[object]", raw))
    return tuple(_value(kind, item, f"{path}[{place}]", faults) for place, item in items)


_KIND_NAMES: dict[Any, str] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def _shown(raw: Any) -> str:
    return json.dumps(raw, ensure_ascii=False)[:60]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
