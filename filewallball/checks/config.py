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

from facts.checks import FILE, NAME, PATH, PATH_VARIABLE, Section, kinds
from filewallball.errors import ConfigError

T = TypeVar("T")
S = TypeVar("S", bound=Section)


def read_secret(path: str) -> str:
    """The secret in a mounted file, without the line end that an editor may have left at its end."""
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ConfigError(
            f"Cannot read the secret file {path}: {error.strerror}",
            "The Secret isn't mounted into this pod, or it has no such key. Run `fwb up` on the stack again.",
        ) from error


@dataclass(frozen=True, slots=True)
class ChecksConfig:
    """What checks.json says. `config[RedisTarget]` is the section of that kind."""

    namespace: str
    disposable: bool
    sections: tuple[Section, ...]

    def __getitem__(self, kind: type[S]) -> S:
        for each in self.sections:
            if isinstance(each, kind):
                return each
        raise ConfigError(
            f"checks.json has no section {kind.SECTION}", "This stack has no such part. Leave its checks out."
        )

    def __contains__(self, kind: type[Section]) -> bool:
        return any(isinstance(each, kind) for each in self.sections)


def load(path: str | None = None) -> ChecksConfig:
    """Read the configuration: `path`, else `$FWB_CHECKS_CONFIG`, else the place where the pod has it."""
    chosen = path or os.environ.get(PATH_VARIABLE) or PATH
    try:
        text = Path(chosen).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"Cannot read the checks' configuration {chosen}: {error.strerror}",
            f"In a pod, run `fwb up` on the stack again, which mounts the ConfigMap {NAME}. Elsewhere, set "
            f"{PATH_VARIABLE} to a file.",
        ) from error
    return parse(text, chosen)


def parse(text: str, source: str = FILE) -> ChecksConfig:
    """Typed configuration from JSON. All faults are reported together, each with its dotted path."""
    try:
        raw: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{source} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}",
            "Run `fwb up` again, which writes it from the stack's settings.",
        ) from error
    faults: list[str] = []
    config = _document(raw, faults)
    if faults or config is None:
        raise ConfigError(
            f"{source} is wrong:\n" + "\n".join(f"  {fault}" for fault in faults),
            "Run `fwb up` again, which writes it from the stack's settings.",
        )
    return config


@dataclass(frozen=True, slots=True)
class _Stack:
    namespace: str
    disposable: bool


def _document(raw: object, faults: list[str]) -> ChecksConfig | None:
    """The stack's own keys, and the sections that are there: a stack need not have every part."""
    if not isinstance(raw, dict):
        faults.append(f"the document: expected an object, got {_shown(raw)}")
        return None
    given = typing.cast("dict[str, object]", raw)
    known = kinds()
    stack = _load(_Stack, {key: value for key, value in given.items() if key not in known}, "", faults)
    found = [_load(kind, given[key], key, faults) for key, kind in known.items() if key in given]
    sections = tuple(each for each in found if each is not None)
    return ChecksConfig(stack.namespace, stack.disposable, sections) if stack and not faults else None


def _load(cls: type[T], raw: object, path: str, faults: list[str]) -> T | None:
    if not isinstance(raw, dict):
        faults.append(f"{path}: expected an object, got {_shown(raw)}")
        return None
    given = typing.cast("dict[str, object]", raw)
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = typing.get_type_hints(cls)
    for key in given.keys() - fields.keys():
        near = difflib.get_close_matches(key, fields if path else [*fields, *kinds()], n=1)
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
