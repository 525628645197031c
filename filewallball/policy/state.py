"""The resources of a state, as `pulumi stack export` writes it. Encrypted values stay encrypted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from filewallball.engine.program.resources import SECRET_SIGNATURE, SIGNATURE, UNKNOWN
from filewallball.errors import ConfigError
from filewallball.files import read_text
from filewallball.redact import Redactor

_HOW = "Write the file with `pulumi stack export --file FILE`."


def resources(path: Path, redactor: Redactor) -> list[dict[str, Any]]:
    """What the pack is given of each resource. `redactor` learns the secrets that stand in clear.

    Raises OSError and ConfigError.
    """
    found: list[dict[str, Any]] = []
    for each in _listed(path):
        # one that only waits to be deleted was judged when it was made
        if not isinstance(each, dict) or cast("dict[str, Any]", each).get("delete"):
            continue
        resource = cast("dict[str, Any]", each)
        if not isinstance(resource.get("urn"), str) or not isinstance(resource.get("type"), str):
            raise ConfigError(f"{path}: a resource has no urn or no type", _HOW)
        secrets: list[tuple[str | int, ...]] = []
        inputs = _opened(resource.get("inputs") or {}, redactor, secrets)
        outputs = _opened(resource.get("outputs") or {}, redactor, [])
        if resource["type"] == "kubernetes:core/v1:Secret":
            for values in (inputs, outputs):
                _learn(values, redactor)
        found.append(
            {
                "urn": resource["urn"],
                "type": resource["type"],
                "name": resource["urn"].rpartition("::")[2],
                "props": inputs,
                "outputs": outputs,
                "secrets": secrets,
                "protect": bool(resource.get("protect")),
                "needs": {
                    **(resource.get("propertyDependencies") or {}),
                    "": resource.get("dependencies") or [],
                },
            }
        )
    return found


def _listed(path: Path) -> list[Any]:
    text = read_text(path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no JSON: {error}", _HOW) from None
    # what the command writes; what a backend of files keeps
    for keys in (("deployment", "resources"), ("checkpoint", "latest", "resources")):
        value = document
        for key in keys:
            value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
        if isinstance(value, list):
            return cast("list[Any]", value)
    if isinstance(document, dict) and "deployment" in document:
        return []  # a stack that was never deployed
    raise ConfigError(f"{path} holds no state: it has no deployment", _HOW)


def _learn(secret: dict[str, Any], redactor: Redactor) -> None:
    """What a Secret holds in clear, though nothing marks it."""
    for name in ("data", "stringData"):
        if isinstance(secret.get(name), dict):
            redactor.add_secret_object({name: secret[name]})


def _opened(
    value: Any, redactor: Redactor, secrets: list[tuple[str | int, ...]], path: tuple[str | int, ...] = ()
) -> Any:
    """The value with secrets in clear where they are, and as unknown ones where they are encrypted.

    `secrets` gets their paths.
    """
    if isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
        return [_opened(each, redactor, secrets, (*path, index)) for index, each in items]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    if fields.get(SIGNATURE) != SECRET_SIGNATURE:
        return {key: _opened(each, redactor, secrets, (*path, key)) for key, each in fields.items()}
    secrets.append(path)
    if "plaintext" not in fields:
        return UNKNOWN
    try:
        plain = json.loads(fields["plaintext"])
    except (ValueError, TypeError, RecursionError):
        plain = fields["plaintext"]
    redactor.add(plain)
    return plain
