"""Reads Pulumi.yaml and Pulumi.<stack>.yaml as the Pulumi CLI reads them, for every command."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from filewallball import redact
from filewallball.errors import ConfigError, nearest
from filewallball.project import strict_yaml
from filewallball.project.crypter import Decrypter, is_set, passphrase

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}


_WRITE = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list such as [a, b]",
    "object": "keys with values below it",
}
MOST_SHOWN = 80
"""Characters of a wrong value that a message quotes."""


@dataclass(frozen=True)
class Project:
    """A project: where it is, its name, the script to run, its configuration schema, its stacks' folder."""

    root: Path
    name: str
    main: Path
    schema: dict[str, Any] = field(default_factory=dict[str, Any])
    stack_folder: Path = Path()

    def stacks(self) -> list[str]:
        """The stacks that have a file."""
        found = (self.root / self.stack_folder).glob("Pulumi.*.yaml")
        return sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in found)


@dataclass(frozen=True)
class StackConfig:
    """A stack's configuration as the SDK wants it: text values, structured ones as JSON.

    `secrets`: every value that must not be shown, wherever it stands in a structured one.
    `sealed`: whether stand-ins are in the place of secure values, since nothing here can open those.
    """

    values: dict[str, str]
    secret_keys: list[str]
    secrets: list[Any] = field(default_factory=list[Any])
    sealed: bool = False


def load_project(root: Path) -> Project:
    """Read `<root>/Pulumi.yaml`. Raises ConfigError, OSError for a file that can't be read."""
    root = root.absolute()
    path = root / "Pulumi.yaml"
    if not _is_there(path):
        raise ConfigError(
            f"{root} has no Pulumi.yaml", "Run fwb in the project's folder, or name the folder with --cwd."
        )
    root = root.resolve()
    content = strict_yaml.load(path)
    name = content.get("name")
    if not isinstance(name, str):
        raise ConfigError(f"{path.name}: name is missing", "Write `name:` and the project's name.")
    main = root / str(content.get("main") or ".")
    if main.is_dir():
        main = main / "__main__.py"
    if not main.is_file():
        raise ConfigError(f"The program {main} does not exist", "Correct `main` in Pulumi.yaml.")
    schema: Any = content.get("config") or {}
    # before there was a schema, `config` named the folder of the stacks' files
    folder = content.get("stackConfigDir") or (schema if isinstance(schema, str) else ".")
    if not isinstance(schema, dict | str):
        raise ConfigError(
            f"{path.name}: config is {_called(schema)}, and must be a mapping",
            "Write the keys of the configuration below it.",
        )
    declared = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    return Project(root, name, main, declared, Path(str(folder)))


def load_stack(project: Project, stack: str, *, sealed: bool = False) -> StackConfig:
    """Read `Pulumi.<stack>.yaml` with the project's defaults; from then on its secrets are known as such.

    `sealed`: where secure values can't be opened here, put a stand-in for each, which differs where they do.
    Raises ConfigError with every fault, OSError for a file that can't be read.
    """
    name = f"Pulumi.{stack}.yaml"
    path = project.root / project.stack_folder / name
    if not re.fullmatch(r"[\w.-]+", stack) or not _is_there(path):
        hint = nearest(stack, project.stacks(), f"Stacks of {project.name}")
        raise ConfigError(f"There is no stack {stack!r}", hint)
    content = strict_yaml.load(path)
    _refuse_environments(content, name)
    given: Any = content.get("config") or {}
    if not isinstance(given, dict):
        raise ConfigError(
            f"{name}: config is {_called(given)}, and must be a mapping",
            f"Write keys below it, such as `{project.name}:KEY: VALUE`.",
        )
    values = _by_key(project.name, cast("Any", given), name)
    opener = _Opener(content, name, sealed)
    secret_keys = [key for key, value in values.items() if _has_secure(value)]
    values = {key: opener.open(value, key) for key, value in values.items()}
    faults: list[str] = []
    for key, schema in project.schema.items():
        _apply_schema(_qualified(project.name, str(key)), schema, values, secret_keys, faults)
    secrets = opener.opened + [value for key, value in values.items() if key in _declared_secret(project)]
    redact.KNOWN.add(secrets, short=True)
    if faults:
        raise ConfigError(
            f"{name} is wrong:\n" + "\n".join(f"  {fault}" for fault in faults),
            f"Correct {name}. Pulumi.yaml says what each key must be.",
        )
    return StackConfig(
        {key: _as_text(value) for key, value in values.items()},
        sorted(set(secret_keys)),
        secrets,
        opener.sealed and bool(opener.opened),
    )


def _by_key(project: str, given: Mapping[object, Any], name: str) -> dict[str, Any]:
    """The values by their whole keys. Raises ConfigError for one that stands there in two spellings."""
    values: dict[str, Any] = {}
    for key, value in given.items():
        whole = _qualified(project, str(key))
        if whole in values:
            raise ConfigError(
                f"{name}: {whole} stands there twice, in two spellings",
                f"Keep one of them, as `{whole}:`.",
            )
        values[whole] = value
    return values


def _is_there(path: Path) -> bool:
    """Whether there is anything of that name: what can't be read is told of when it is read."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _refuse_environments(content: Mapping[str, Any], name: str) -> None:
    if content.get("environment"):
        raise ConfigError(
            f"{name}: environment names environments of Pulumi ESC, which only the Pulumi Cloud can open",
            "Write their values below `config:`, the secret ones with `pulumi config set --secret`,"
            " and leave environment out.",
        )


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
        shown = (
            redact.MASK if key in secret_keys else json.dumps(values[key], ensure_ascii=False, default=str)
        )
        shown = shown if len(shown) <= MOST_SHOWN else shown[: MOST_SHOWN - 1] + "…"
        faults.append(f"{key} = {shown}: {fault}{f'; write {_WRITE[kind]}' if kind in _WRITE else ''}")


def _declared_secret(project: Project) -> set[str]:
    return {
        _qualified(project.name, str(key))
        for key, schema in project.schema.items()
        if isinstance(schema, dict) and cast("dict[str, Any]", schema).get("secret")
    }


def _type_fault(value: Any, kind: str, items: Any = None) -> str:
    allowed = TYPES.get(kind)
    if allowed is None:
        return f"Pulumi.yaml gives it the unknown type {kind!r}"
    # values set with `pulumi config set` are text, whatever their type
    if isinstance(value, str) and kind != "string":
        value = strict_yaml.scalar(value)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind != "boolean"):
        return f"is {_called(value)}, and must be of type {kind}"
    if kind == "array" and isinstance(items, dict):
        for index, item in enumerate(cast("list[Any]", value)):
            fault = _type_fault(item, str(cast("dict[str, Any]", items).get("type", "string")))
            if fault:
                return f"item {index} {fault}"
    return ""


def _called(value: Any) -> str:
    """What users call a value's type."""
    names = {"str": "string", "bool": "boolean", "int": "integer", "float": "number", "list": "array"}
    name = names.get(type(value).__name__, "object")
    article = "an" if name[0] in "aio" else "a"
    return "empty" if value in (None, "") else f"{article} {name}"


class _Opener:
    """Decrypts on demand: without secure values no passphrase is asked for."""

    def __init__(self, content: Mapping[str, Any], name: str, sealed: bool) -> None:
        self._content = content
        self._name = name
        self.sealed = sealed and not (self._by_passphrase and is_set())
        self._decrypter: Decrypter | None = None
        self.opened: list[Any] = []

    def open(self, value: Any, where: str) -> Any:
        """The value with everything secure in it decrypted; `where` is its path, for what can't be."""
        if isinstance(value, list):
            return [
                self.open(item, f"{where}[{index}]") for index, item in enumerate(cast("list[Any]", value))
            ]
        if not isinstance(value, dict):
            return value
        fields = cast("dict[str, Any]", value)
        if set(fields) == {"secure"}:
            plain = self._decrypt(fields["secure"], where)
            self.opened.append(plain)
            return plain
        return {str(key): self.open(item, f"{where}.{key}") for key, item in fields.items()}

    @property
    def _by_passphrase(self) -> bool:
        provider = str(self._content.get("secretsprovider") or "")
        return provider in ("", "passphrase", "default") and not self._content.get("encryptedkey")

    def _decrypt(self, text: Any, where: str) -> str:
        if self.sealed:
            return f"sealed-{hashlib.sha256(str(text).encode()).hexdigest()[:16]}"
        if self._decrypter is None:
            self._decrypter = Decrypter(self._salt(), passphrase())
        try:
            return self._decrypter.decrypt(str(text))
        except ConfigError as error:
            raise ConfigError(f"{self._name}: {where}: {error.message}", error.hint) from None

    def _salt(self) -> str:
        if not self._by_passphrase:
            provider = str(self._content.get("secretsprovider") or "")
            named = provider.partition("?")[0] or "a key of a cloud (encryptedkey)"
            raise ConfigError(
                f"{self._name} keeps its secrets with {named}; fwb opens only those of a passphrase",
                "Run `pulumi stack change-secrets-provider passphrase` on the stack, or use the Pulumi CLI.",
            )
        salt = self._content.get("encryptionsalt")
        if not isinstance(salt, str):
            raise ConfigError(
                f"{self._name} has secure values but no encryptionsalt",
                "Set one with `pulumi stack change-secrets-provider passphrase`. With another provider, use "
                "the Pulumi CLI.",
            )
        return salt


def _has_secure(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_secure, cast("list[Any]", value)))
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return set(fields) == {"secure"} or any(map(_has_secure, fields.values()))
    return False


def _qualified(project: str, key: str) -> str:
    """`namespace:name`, also for a key without its namespace, and for the old spelling with `:config:`."""
    namespace, colon, name = key.partition(":")
    return f"{namespace}:{name.removeprefix('config:')}" if colon else f"{project}:{key}"


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    encode: Callable[[Any], str] = json.dumps
    with suppress(TypeError):
        return encode(value)
    return str(value)
