"""Reads Pulumi.yaml and Pulumi.<stack>.yaml as the Pulumi CLI reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from filewallball.engine.crypter import Decrypter, passphrase
from filewallball.errors import ConfigError

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True)
class Project:
    """A project: where it is, its name, the script to run, and its configuration schema."""

    root: Path
    name: str
    main: Path
    schema: dict[str, Any] = field(default_factory=dict[str, Any])

    def stacks(self) -> list[str]:
        """The stacks that have a file."""
        return sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in self.root.glob("Pulumi.*.yaml"))


@dataclass(frozen=True)
class StackConfig:
    """A stack's configuration as the SDK wants it: text values, structured ones as JSON."""

    values: dict[str, str]
    secret_keys: list[str]


class _Loader(yaml.SafeLoader):
    """YAML as Go reads it: dates stay text, and only true and false are booleans."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_resolve: Callable[[str, re.Pattern[str], list[str]], None] = _Loader.add_implicit_resolver  # pyright: ignore
_resolve("tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load_project(root: Path) -> Project:
    """Read `<root>/Pulumi.yaml`. Raises ConfigError."""
    root = root.resolve()
    path = root / "Pulumi.yaml"
    if not path.is_file():
        raise ConfigError(
            f"{root} has no Pulumi.yaml", "Run from the project's folder, or name it with --cwd."
        )
    content = _read(path)
    name = content.get("name")
    if not isinstance(name, str):
        raise ConfigError(f"{path.name}: name is missing")
    main = root / str(content.get("main") or ".")
    if main.is_dir():
        main = main / "__main__.py"
    if not main.is_file():
        raise ConfigError(f"the program {main} does not exist", "See `main` in Pulumi.yaml.")
    return Project(root, name, main, content.get("config") or {})


def load_stack(project: Project, stack: str) -> StackConfig:
    """Read `Pulumi.<stack>.yaml` with the project's defaults. Raises ConfigError with every fault."""
    path = project.root / f"Pulumi.{stack}.yaml"
    if not re.fullmatch(r"[\w.-]+", stack) or not path.is_file():
        known = ", ".join(project.stacks()) or "none"
        raise ConfigError(f"there is no stack {stack!r}", f"Stacks of {project.name}: {known}.")
    content = _read(path)
    given: dict[str, Any] = content.get("config") or {}
    values: dict[str, Any] = {_qualified(project.name, key): value for key, value in given.items()}
    opener = _Opener(content.get("encryptionsalt"), stack)
    secret_keys = [key for key, value in values.items() if _has_secure(value)]
    values = {key: opener.open(value) for key, value in values.items()}
    faults: list[str] = []
    for key, schema in project.schema.items():
        _apply_schema(_qualified(project.name, key), schema, values, secret_keys, faults)
    if faults:
        raise ConfigError(f"Pulumi.{stack}.yaml is wrong:\n" + "\n".join(f"  {fault}" for fault in faults))
    return StackConfig({key: _as_text(value) for key, value in values.items()}, sorted(set(secret_keys)))


def _apply_schema(
    key: str, schema: Any, values: dict[str, Any], secret_keys: list[str], faults: list[str]
) -> None:
    """Check one declared key, or fill in its default."""
    if not isinstance(schema, dict) or not ({"type", "default", "value"} & schema.keys()):
        values.setdefault(key, schema)  # the short form `key: value`
        return
    declared = cast("dict[str, Any]", schema)
    if declared.get("secret"):
        secret_keys.append(key)
    if key not in values:
        for source in ("value", "default"):
            if source in declared:
                values[key] = declared[source]
                return
        faults.append(f"{key}: is missing; set it with a value of type {declared.get('type', 'string')}")
        return
    kind = str(declared.get("type", "string"))
    fault = _type_fault(values[key], kind, declared.get("items"))
    if fault:
        faults.append(f"{key}: {fault}")


def _type_fault(value: Any, kind: str, items: Any = None) -> str:
    allowed = TYPES.get(kind)
    if allowed is None:
        return f"Pulumi.yaml gives it the unknown type {kind!r}"
    # values set with `pulumi config set` are text, whatever their type
    if isinstance(value, str) and kind in ("boolean", "integer", "number"):
        value = _scalar(value)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind != "boolean"):
        return f"is {type(value).__name__}, and must be of type {kind}"
    if kind == "array" and isinstance(items, dict):
        for index, item in enumerate(cast("list[Any]", value)):
            fault = _type_fault(item, str(cast("dict[str, Any]", items).get("type", "string")))
            if fault:
                return f"item {index} {fault}"
    return ""


def _scalar(text: str) -> Any:
    value: Any = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    return value


class _Opener:
    """Decrypts on demand: without secure values no passphrase is asked for."""

    def __init__(self, salt: Any, stack: str) -> None:
        self._salt = salt
        self._stack = stack
        self._decrypter: Decrypter | None = None

    def open(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.open(item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        if set(fields) == {"secure"} and isinstance(fields["secure"], str):
            return self._decrypt(fields["secure"])
        return {key: self.open(item) for key, item in fields.items()}

    def _decrypt(self, text: str) -> str:
        if not isinstance(self._salt, str):
            raise ConfigError(
                f"Pulumi.{self._stack}.yaml has secure values but no encryptionsalt",
                "Only the passphrase provider is supported here; with another one, use the Pulumi CLI.",
            )
        if self._decrypter is None:
            self._decrypter = Decrypter(self._salt, passphrase())
        return self._decrypter.decrypt(text)


def _has_secure(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_secure, cast("list[Any]", value)))
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return set(fields) == {"secure"} or any(map(_has_secure, fields.values()))
    return False


def _qualified(project: str, key: str) -> str:
    return key if ":" in key else f"{project}:{key}"


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    encode: Callable[[Any], str] = json.dumps
    return encode(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: Any = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path.name}{where} is not valid YAML: {getattr(error, 'problem', '')}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name} must be a mapping")
    return cast("dict[str, Any]", content)
