"""What the program declares: one resource with its properties, its options and its Kubernetes manifest."""

from __future__ import annotations

import base64
import copy
import re
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

from google.protobuf.json_format import MessageToDict

from filewallball.engine import kinds
from filewallball.redact import Redactor

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - Pulumi's marker, public
RESOURCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_TYPE = "pulumi:providers:kubernetes"
DEFAULT_TIMEOUT = 600.0
"""Seconds, where a resource has no timeout of its own."""
USE_THE_CLI = "Install the Pulumi CLI (https://www.pulumi.com/docs/install/), and use it for this stack."

Path = tuple[str | int, ...]


class Key(NamedTuple):
    """The identity of an object in the cluster. The version is left out: it is only a way to look at it."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def kubectl(self, command: str) -> str:
        """The command line of kubectl for this object: `describe`, `delete`, `label`."""
        where = ["-n", self.namespace] if self.namespace else []
        return " ".join(["kubectl", *where, command, self.kind.lower(), self.name])

    @property
    def group_kind(self) -> str:
        return f"{self.group}/{self.kind}"


@dataclass(frozen=True)
class Options:
    """The resource options that reach beyond the program's own process."""

    protect: bool = False
    retain: bool = False
    dependencies: tuple[str, ...] = ()
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    delete_before_replace: bool = False
    aliases: tuple[str, ...] = ()
    timeouts: dict[str, float] = field(default_factory=dict[str, float])
    import_id: str = ""

    def timeout(self, operation: str) -> float:
        """Seconds that `create`, `update` or `delete` may take; 10 minutes unless set."""
        return self.timeouts.get(operation) or DEFAULT_TIMEOUT


@dataclass
class Resource:
    """One registration of the program, secrets unwrapped."""

    urn: str
    type: str
    name: str
    parent: str = ""
    custom: bool = True
    remote: bool = False
    provider: str = ""
    props: dict[str, Any] = field(default_factory=dict[str, Any])
    secret_paths: list[Path] = field(default_factory=list[Path])
    options: Options = field(default_factory=Options)

    @property
    def is_kubernetes(self) -> bool:
        return self.custom and self.type.startswith("kubernetes:")

    @property
    def is_foreign(self) -> bool:
        """Whether another provider than that of Kubernetes makes it."""
        return self.custom and not self.is_kubernetes and not self.type.startswith("pulumi:providers:")

    @property
    def api_version(self) -> str:
        """`v1` or `group/version`, from the object or else from the type token."""
        given = self.props.get("apiVersion")
        token = self.type.split(":")[1] if self.type.count(":") == 2 else ""
        return str(given or token.removeprefix("core/"))

    @property
    def kind(self) -> str:
        return str(self.props.get("kind") or self.type.rpartition(":")[2])

    @property
    def meta(self) -> dict[str, Any]:
        """The object's metadata as declared, empty where there is none."""
        given: Any = self.props.get("metadata")
        return cast("dict[str, Any]", given) if isinstance(given, dict) else {}

    def manifest(self) -> dict[str, Any]:
        """The object to apply, as the program wrote it, without nulls."""
        body: dict[str, Any] = {"apiVersion": self.api_version, "kind": self.kind}
        props = cast("dict[str, Any]", without_nulls(copy.deepcopy(self.props)))
        body |= {key: value for key, value in props.items() if key not in ("apiVersion", "kind", "status")}
        body.setdefault("metadata", {})
        kind = kinds.of(self.api_version, self.kind)
        if kind.secret_text in body:
            encoded = {key: encode(value) for key, value in body.pop(kind.secret_text).items()}
            body[kind.secret] = {**(body.get(kind.secret) or {}), **encoded}
        return body


@dataclass
class Outcome:
    """What became of a registration: its id and outputs, or that it and what depends on it must stop."""

    id: str = ""
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    result: Literal["done", "failed", "skipped"] = "done"


def encode(text: Any) -> str:
    """base64, as a Secret's data has it."""
    return base64.b64encode(str(text).encode()).decode()


def key_of(manifest: dict[str, Any]) -> Key:
    """The identity of a manifest that has a name and, where namespaced, a namespace."""
    meta = manifest["metadata"]
    group = manifest["apiVersion"].rpartition("/")[0]
    return Key(group, manifest["kind"], meta.get("namespace") or "", meta["name"])


def urn(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """A URN as the Pulumi engine forms it: the types of the ancestors, without the stack's."""
    qualified = parent.split("::")[2] if parent else ""
    chain = f"{qualified}${type_}" if qualified and qualified != STACK_TYPE else type_
    return f"urn:pulumi:{stack}::{project}::{chain}::{name}"


def without_nulls(value: Any) -> Any:
    """A null in a manifest means that the program left the field out."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {key: without_nulls(item) for key, item in fields.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in cast("list[Any]", value)]
    return value


def unwrap(struct: Any, redactor: Redactor) -> tuple[dict[str, Any], list[Path]]:
    """Turn a request's properties into plain data, and say at which paths secrets were."""
    secret_paths: list[Path] = []
    plain = _plain(MessageToDict(struct), (), secret_paths, redactor)
    return cast("dict[str, Any]", plain), secret_paths


def _plain(value: Any, path: Path, secret_paths: list[Path], redactor: Redactor) -> Any:
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_plain(item, (*path, index), secret_paths, redactor) for index, item in enumerate(items)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    if fields.get(SIGNATURE) == SECRET_SIGNATURE:
        inner = _plain(fields.get("value"), path, secret_paths, redactor)
        secret_paths.append(path)
        if inner != UNKNOWN:
            redactor.add(inner)
        return inner
    if fields.get(SIGNATURE) == RESOURCE_SIGNATURE:
        return fields.get("id") or fields.get("urn")
    return {key: _plain(item, (*path, key), secret_paths, redactor) for key, item in fields.items()}


def wrap(outputs: dict[str, Any], secret_paths: list[Path]) -> dict[str, Any]:
    """Mark what went in as a secret as a secret on its way out, too."""
    marked = copy.deepcopy(outputs)
    for path in dict.fromkeys(secret_paths):
        parent = marked
        for step in path[:-1]:
            parent = _child(parent, step)
        last = path[-1] if path else None
        if last is not None and _child(parent, last) is not None:
            cast("dict[str | int, Any]", parent)[last] = {
                SIGNATURE: SECRET_SIGNATURE,
                "value": _child(parent, last),
            }
    return marked


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return cast("dict[str | int, Any]", value).get(step)
    if isinstance(value, list) and isinstance(step, int):
        items = cast("list[Any]", value)
        return items[step] if step < len(items) else None
    return None


UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def seconds(duration: str) -> float:
    """A Go duration such as `1h30m` or `90s` in seconds; 0 for the empty text."""
    return sum(
        float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|us|µs|ns|h|m|s)", duration)
    )
