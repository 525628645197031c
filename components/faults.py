"""Turning what is wrong with a stack's configuration into one readable message."""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.reasons import SECRET_NAME, field_at, is_model, keys_of, reason

Fault = tuple[str, object, str]
MASK = "[secret]"
NULL: Mapping[str, object] = types.MappingProxyType({})
"""Stands for the null that was given, since None stands for a key that isn't there."""


class Clash(ValueError):
    """Settings that don't fit together. Raised by a model's validator, with one fault or more.

    Each fault: the path of the setting to change, below the model; what it is; why, and what to write. In the
    text `{.resources.memoryLimit}` names another setting of the model; the user reads its whole path.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{path}: {why}" for path, _, why in faults))
        self.faults = faults


_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""Who logs in, in a URL, and by which password."""
_PRIVATE = re.compile(r"AGE-SECRET-KEY-[\w-]*|-----BEGIN[^\"]*PRIVATE KEY[^\"]*", re.IGNORECASE)
_SETTING = re.compile(r"\{\.([\w.]+)\}")


class SettingsError(Exception):
    """A stack's configuration is wrong; nothing has been changed. str() is the whole message.

    `what`: what all of the faults are.
    """

    exit_code = 2

    def __init__(self, stack: str, faults: Sequence[Fault], what: str = "wrong") -> None:
        self.stack = stack
        self.faults = list(faults)
        count = "one value is" if len(faults) == 1 else f"{len(faults)} values are"
        lines = [f"Pulumi.{stack}.yaml: {count} {what}; nothing has been changed."]
        lines += [f"  {path}{_shown(given)}: {why}" for path, given, why in self.faults]
        super().__init__("\n".join(lines))


def _shown(given: object) -> str:
    if given is None:
        return ""
    if given is NULL:
        return " = null"
    if given is MASK:
        return f" = {MASK}"
    text = _LOGIN.sub(MASK, json.dumps(_public(given), ensure_ascii=False, default=str))
    text = _PRIVATE.sub(MASK, text)
    return f" = {text if len(text) <= 80 else text[:77] + '…'}"


def _public(given: object) -> object:
    """What was written, without what stands below keys that sound like secrets."""
    if isinstance(given, BaseModel):
        return given.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(given, Mapping):
        items = cast("Mapping[str, object]", given).items()
        return {key: MASK if SECRET_NAME.search(str(key)) else _public(value) for key, value in items}
    return [_public(each) for each in cast("list[object]", given)] if isinstance(given, list) else given


def without_secrets(faults: Sequence[Fault], secret: Mapping[str, object]) -> list[Fault]:
    """The same faults, with nothing in them of what these keys hold, the keys below them included.

    Where a reason quotes a secret, all numbers in it go as well: they may have been reckoned from it.
    """
    pieces = {piece.casefold() for value in secret.values() for piece in _pieces(value)}

    def masked(match: re.Match[str]) -> str:
        word = match[0]
        return MASK if word.casefold() in pieces or any(map(str.isdigit, word)) else word

    texts = sorted(
        {text for value in secret.values() for text in _scalars(value) if text and not _WORD.fullmatch(text)},
        key=len,
        reverse=True,
    )

    def told(why: str) -> str:
        for text in texts:
            why = why.replace(text, MASK)
        words = {word.casefold() for word in _WORD.findall(why)}
        return _WORD.sub(masked, why) if words & pieces else why

    return [
        (path, MASK if given is not None and path.partition(".")[0] in secret else given, told(why))
        for path, given, why in faults
    ]


_WORD = re.compile(r"[\w/-]*\w")


def _pieces(value: object) -> Iterator[str]:
    """The words of all that a value holds."""
    for scalar in _scalars(value):
        yield from _WORD.findall(scalar)


def _scalars(value: object) -> Iterator[str]:
    """Every scalar in a value but true, false and nothing."""
    if isinstance(value, Mapping):
        for item in cast("Mapping[str, object]", value).values():
            yield from _scalars(item)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _scalars(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def misspelt(values: Mapping[str, Any], project: str, model: type[BaseModel]) -> Iterator[Fault]:
    """Keys of another namespace that are meant for this project: nothing would ever read them."""
    known = set(keys_of(model))
    for key, value in values.items():
        namespace, colon, name = key.rpartition(":")
        near = difflib.SequenceMatcher(None, namespace.casefold(), project.casefold()).ratio() > 0.85
        if colon and near and namespace != project and name in known:
            yield key, value, f"of a project that isn't this one, so nothing reads it; write {project}:{name}"


def parse_values(values: Mapping[str, Any], project: str, model: type[BaseModel]) -> dict[str, Any]:
    """Drop the project's name from the keys, and undo Pulumi's writing of values as JSON or plain strings.

    Keys of other namespaces (`kubernetes:…`, `pulumi:…`) belong to their owners and are left out.
    """
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    parsed: dict[str, Any] = {}
    for key, value in values.items():
        namespace, colon, name = key.rpartition(":")
        if colon and namespace != project:
            continue
        field = fields.get(name)
        structured = field is None or is_model(field.annotation) or field.annotation is bool
        if isinstance(value, str) and structured:
            with suppress(ValueError):  # the models say what is wrong with it
                value = json.loads(value)
        parsed[name] = value
    return parsed


def from_pydantic(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """The faults that pydantic found, in the words of this project."""
    return [fault for detail in error.errors(include_url=False) for fault in _faults(detail, model)]


def _faults(detail: ErrorDetails, model: type[BaseModel]) -> Iterator[Fault]:
    place = tuple(str(part) for part in detail["loc"])
    raised = detail.get("ctx", {}).get("error")
    if isinstance(raised, Clash):
        for path, given, why in raised.faults:
            yield (
                ".".join((*place, path)),
                given,
                _SETTING.sub(lambda found: ".".join((*place, found[1])), why),
            )
        return
    kind, given = detail["type"], NULL if detail["input"] is None else detail["input"]
    told = reason(kind, detail["msg"], detail["loc"], given, model)
    if kind == "missing":
        given = None
    elif kind == "extra_forbidden" and SECRET_NAME.search(place[-1]):
        given = MASK
    elif given is NULL and (field := field_at(model, detail["loc"])) and not field.is_required():
        told += ", or leave the key out for its default"
    yield ".".join(place), given, told
