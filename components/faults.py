"""Turning what is wrong with a stack's configuration into one readable message."""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Fault = tuple[str, object, str]
MASK = "[secret]"


class Clash(ValueError):
    """Settings that don't fit together. Raised by a model's validator, with one fault or more.

    Each fault: the path of the setting to change, below the model; what it is; why, and what to write. In the
    text `{.resources.memoryLimit}` names another setting of the model; the user reads its whole path.
    """

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{path}: {why}" for path, _, why in faults))
        self.faults = faults


_REASONS = {
    "string_type": "not text; write it in quotes",
    "bool_type": "not a switch; write true or false",
    "bool_parsing": "not a switch; write true or false",
    "missing": "must be set",
    "list_type": "not a list; write its items between [ and ], with commas",
    "too_short": "empty; write one item or more, or leave it out for the default",
}
_NUMBERS = {
    "int_type": "not a whole number",
    "int_parsing": "not a whole number",
    "int_from_float": "not a whole number",
    "float_type": "not a number",
    "float_parsing": "not a number",
}
_SETTING = re.compile(r"\{\.([\w.]+)\}")
_BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


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
    if given is None or isinstance(given, Mapping):
        return ""
    if given is MASK:
        return f" = {MASK}"
    text = json.dumps(given, ensure_ascii=False, default=str)
    return f" = {text if len(text) <= 80 else text[:77] + '…'}"


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
        if (
            isinstance(value, str)
            and field is not None
            and (_is_model(field.annotation) or field.annotation is bool)
        ):
            with suppress(ValueError):  # the models say what is wrong with it
                value = json.loads(value)
        parsed[name] = value
    return parsed


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


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
    given = None if detail["type"] == "missing" else detail["input"]
    yield ".".join(place), given, _why(detail["type"], detail["msg"], detail["loc"], model)


def _why(kind: str, message: str, location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        names = sorted(_names(_model_at(model, location[:-1])))
        near = difflib.get_close_matches(str(location[-1]), names, n=1, cutoff=0.5)
        return (
            f"no such key; did you mean {near[0]}?" if near else f"no such key; there are {', '.join(names)}"
        )
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        owner = _model_at(model, location)
        return (
            f"not a mapping; write keys below it: {', '.join(sorted(_names(owner)))}"
            if owner
            else "not a mapping"
        )
    if kind == "missing":
        inner = _model_at(model, location)
        return (
            f"must be set, with keys below it: {', '.join(sorted(_names(inner)))}" if inner else "must be set"
        )
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in _REASONS:
        return _REASONS[kind]
    field = _field_at(model, location)
    if kind in _NUMBERS:
        example = field.default if field else None
        bounds = _bounds(field)
        return _NUMBERS[kind] + (f"; write {bounds or f'one such as {example}'}" if bounds or example else "")
    if kind in _BOUNDS and (bounds := _bounds(field)):
        return f"out of bounds; write {bounds}"
    return f"{message[0].lower()}{message[1:]}".replace("input should be", "must be")


def _bounds(field: FieldInfo | None) -> str:
    """What a number may be, in words; empty where all may."""
    words = {Ge: "{} or more", Gt: "more than {}", Le: "{} or less", Lt: "less than {}"}
    limits = {type(one): getattr(one, type(one).__name__.lower()) for one in _limits(field)}
    if Ge in limits and Le in limits:
        return f"{limits[Ge]} to {limits[Le]}"
    return " and ".join(text.format(limits[kind]) for kind, text in words.items() if kind in limits)


def _limits(field: FieldInfo | None) -> list[Ge | Gt | Le | Lt]:
    return [one for one in field.metadata if isinstance(one, Ge | Gt | Le | Lt)] if field else []


def _field_at(model: type[BaseModel], location: tuple[int | str, ...]) -> FieldInfo | None:
    owner = _model_at(model, location[:-1])
    fields = {field.alias or name: field for name, field in owner.model_fields.items()} if owner else {}
    return fields.get(str(location[-1]))


def _names(model: type[BaseModel] | None) -> Iterator[str]:
    if model is not None:
        yield from (field.alias or name for name, field in model.model_fields.items())


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model that holds the keys at this place, if one does."""
    current: type[BaseModel] | None = model
    for part in location:
        fields = (
            {field.alias or name: field for name, field in current.model_fields.items()} if current else {}
        )
        field = fields.get(str(part))
        current = inner_model(field.annotation) if field else None
    return current


def inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation stands for, None beside it or not."""
    if _is_model(annotation):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return next((a for a in get_args(annotation) if _is_model(a)), None)
    return None
