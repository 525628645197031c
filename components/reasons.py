"""Why a value is none of its kind, and what to write instead, as pydantic and the models tell it."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_REASONS = {
    "list_type": "not a list; write its items between [ and ], with commas",
    "too_short": "empty; write one item or more, or leave it out for the default",
}
_NUMBERS = {
    "int_type": "not a whole number",
    "int_parsing": "not a whole number",
    "int_parsing_size": "not a whole number that fits",
    "int_from_float": "not a whole number",
    "float_type": "not a number",
    "float_parsing": "not a number",
    "finite_number": "not a finite number",
}
SECRET_NAME = re.compile(
    r"pass(word|phrase|wd)?$|secret|token|credential|(access|api|private)[-_]?key", re.IGNORECASE
)
"""Names of keys whose values are no one's business, wherever somebody wrote them."""
_BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


def _unknown(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """What was meant by a key that there isn't: one beside it, one elsewhere, or none."""
    name, names = str(location[-1]), sorted(keys_of(_model_at(model, location[:-1])))
    plain = {_plain(each): each for each in names}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.5)
    alike = bool(near) and difflib.SequenceMatcher(None, _plain(name), near[0]).ratio() > 0.85
    if SECRET_NAME.search(name) and not alike:
        return (
            "no such key, and no place for a secret: the stack makes its passwords itself, and the keys of a"
            " store stand in an existing Secret, backup.store.credentialsSecret; take it out"
        )
    every = [".".join(path) for path in _paths(model)]
    last = name.rpartition(".")[2]
    elsewhere = [path for path in every if path == name or path.endswith(f".{last}")]
    if "." in name and name in every:
        return f"a path is no key; write {last} below {name.rpartition('.')[0]}"
    if elsewhere and not alike:
        return f"no such key here, but {' and '.join(elsewhere[:3])}; write one of {', '.join(names)}"
    if near:
        return f"no such key; did you mean {plain[near[0]]}?"
    return f"no such key; write one of {', '.join(names)}"


def _plain(name: str) -> str:
    """The name without what people write in one way or another: capitals, - and _."""
    return re.sub("[-_]", "", name).casefold()


def _paths(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        path = (*above, field.alias or name)
        yield path
        if inner := inner_model(field.annotation):
            yield from _paths(inner, path)


def reason(
    kind: str, message: str, location: tuple[int | str, ...], given: object, model: type[BaseModel]
) -> str:
    """What is wrong, and what to write. kind, message, location: of a fault that pydantic found."""
    if kind == "extra_forbidden":
        return _unknown(location, model)
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        owner = _model_at(model, location)
        return (
            f"not a mapping; write keys below it: {', '.join(sorted(keys_of(owner)))}"
            if owner
            else "not a mapping; write names with values below it, such as"
            " eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/NAME"
        )
    if kind == "missing":
        inner = _model_at(model, location)
        return (
            f"must be set; write keys below it: {', '.join(sorted(keys_of(inner)))}"
            if inner
            else f"must be set; write {_example(field_at(model, location))}"
        )
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in _REASONS:
        return _REASONS[kind]
    field = field_at(model, location)
    if kind == "string_type":
        if isinstance(given, int | float):
            default = field.default if field and isinstance(field.default, str) else ""
            return "not text; write it in quotes" + (f", such as {default!r}" if default else "")
        return f"not text; write {_example(field)}"
    if kind == "literal_error" and field:
        return f"not one of its values; write {' or '.join(_choices(field.annotation))}"
    if kind in _NUMBERS:
        default = field.default if field and isinstance(field.default, int | float) else None
        one = "a whole number" if default is None else f"one such as {default}"
        return f"{_NUMBERS[kind]}; write {_bounds(field) or one}"
    if kind in _BOUNDS and (bounds := _bounds(field)):
        return f"out of bounds; write {bounds}"
    return f"{message[0].lower()}{message[1:]}".replace("input should be", "must be")


def _example(field: FieldInfo | None) -> str:
    """What a text may be: its default, or what only its owner knows."""
    if field and isinstance(field.default, str) and field.default:
        return f"a text such as {field.default!r}"
    told = field.json_schema_extra if field else None
    owner = cast("dict[str, str]", told) if isinstance(told, dict) else {}
    return owner.get("write") or "a text in quotes"


def _choices(annotation: Any) -> list[str]:
    """The texts of a Literal, None beside it or not."""
    if get_origin(annotation) is Literal:
        return [str(each) for each in get_args(annotation)]
    return [text for each in get_args(annotation) for text in _choices(each)]


def _bounds(field: FieldInfo | None) -> str:
    """What a number may be, in words; empty where all may."""
    words = {Ge: "{} or more", Gt: "more than {}", Le: "{} or less", Lt: "less than {}"}
    limits = {type(one): getattr(one, type(one).__name__.lower()) for one in _limits(field)}
    if Ge in limits and Le in limits:
        return f"{limits[Ge]} to {limits[Le]}"
    if Gt in limits and Le in limits:
        return f"more than {limits[Gt]}, up to {limits[Le]}"
    return " and ".join(text.format(limits[kind]) for kind, text in words.items() if kind in limits)


def _limits(field: FieldInfo | None) -> list[Ge | Gt | Le | Lt]:
    return [one for one in field.metadata if isinstance(one, Ge | Gt | Le | Lt)] if field else []


def field_at(model: type[BaseModel], location: tuple[int | str, ...]) -> FieldInfo | None:
    """The field at this place, if there is one."""
    owner = _model_at(model, location[:-1])
    fields = {field.alias or name: field for name, field in owner.model_fields.items()} if owner else {}
    return fields.get(str(location[-1]))


def keys_of(model: type[BaseModel] | None) -> Iterator[str]:
    """The keys that a model may have, as they are written."""
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


def is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation stands for, None beside it or not."""
    if is_model(annotation):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return next((a for a in get_args(annotation) if is_model(a)), None)
    return None
