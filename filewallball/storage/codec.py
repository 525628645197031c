"""Values as bytes and back: other programs can read most of them, and none is executed.

A text, a number, true, false and null stand there as one would write them; a list or a dict as JSON. What
would be taken for another kind then gets a tag: the text 5 is stored as `!str 5`, bytes as `!bytes …`. So
every value comes back with its kind, and what another program wrote by the same rules can be read.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, cast

from filewallball.storage.errors import WrongValue

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Value = Json | bytes
"""What can be stored."""

WORDS: dict[bytes, Any] = {
    b"true": True,
    b"false": False,
    b"null": None,
    b"nan": math.nan,
    b"inf": math.inf,
    b"-inf": -math.inf,
}
_TEXT_WORDS = frozenset(word.decode() for word in WORDS)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_FIRST_OF_NUMBERS = frozenset("-0123456789")
_FIRST_OF_OTHERS = frozenset("!{[-0123456789")
_TAG_TEXT, _TAG_BYTES = b"!str ", b"!bytes "
_MOST_DIGITS = 4000
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def encode(value: object) -> bytes:
    """The bytes that stand for a value. Raises WrongValue for what can't come back as it was."""
    kind = type(value)
    if kind is str:
        return _text(cast("str", value))
    if kind is dict or kind is list:
        return _json(value)
    if value is None:
        return b"null"
    if kind is bool:
        return b"true" if value else b"false"
    if isinstance(value, bytes):
        return _TAG_BYTES + value
    if isinstance(value, int):
        return _digits(int(value))
    if isinstance(value, float):
        return repr(float(value)).encode()
    if isinstance(value, str):
        return _text(str.__str__(value))
    if isinstance(value, dict | list):
        return _json(cast("object", value))
    raise WrongValue(f"A value of the kind {kind.__name__} can't be stored. {_advice(value)}")


def decode(data: bytes) -> Any:
    """The value that these bytes stand for. What follows no rule is a text, or bytes if it isn't UTF-8."""
    first = data[:1]
    if first == b"!":
        if data.startswith(_TAG_BYTES):
            return data[len(_TAG_BYTES) :]
        if data.startswith(_TAG_TEXT):
            return _decoded(data[len(_TAG_TEXT) :])
        return _decoded(data)
    if first in (b"{", b"["):
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            return _decoded(data)
    if len(data) <= 5 and data in WORDS:
        return WORDS[data]
    text = _decoded(data)
    if text[:1] in _FIRST_OF_NUMBERS and (found := _NUMBER.fullmatch(text)) and len(text) <= _MOST_DIGITS:
        return float(text) if found[1] or found[2] else int(text)
    return text


def plain(text: object, name: str) -> bytes:
    """The bytes of a key's part. Raises WrongValue."""
    if isinstance(text, str):
        try:
            return text.encode()
        except UnicodeEncodeError:
            pass
    raise WrongValue(f"{name} is {text!r}. Write a text.")


def json_value(value: object) -> bytes:
    """As `encode`, for what JSON has a form for."""
    if isinstance(value, bytes) or (isinstance(value, float) and not math.isfinite(value)):
        raise WrongValue(f"JSON has no form for {value!r}. {_advice(value)}")
    return encode(value)


def _text(value: str) -> bytes:
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise WrongValue(
            f"The text can't be stored: its character {error.start} is half of a pair. Store bytes instead."
        ) from None
    first = value[:1]
    if (first in _FIRST_OF_OTHERS and (first in "!{[" or _NUMBER.fullmatch(value))) or value in _TEXT_WORDS:
        return _TAG_TEXT + data
    return data


def _digits(value: int) -> bytes:
    if value.bit_length() > _MOST_DIGITS * 3:
        raise WrongValue(f"A whole number of {value.bit_length()} bits is too long. Store it as bytes.")
    return b"%d" % value


def _json(value: object) -> bytes:
    try:
        _check(value, "")
        return _dump(value).encode()
    except UnicodeEncodeError as error:
        raise WrongValue(f"A text in the value has half of a pair of characters: {error.reason}.") from None
    except (RecursionError, ValueError):
        raise WrongValue("The value has itself in it, or too many levels. Store flatter data.") from None


def _check(value: Any, path: str) -> None:
    if isinstance(value, dict):
        items = cast("dict[object, object]", value)
        for key, each in items.items():
            if not isinstance(key, str):
                raise WrongValue(f"The key {key!r} in {path or 'the value'} is no text. Write str({key!r}).")
            if type(each) is not str:
                _check(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, each in enumerate(cast("list[object]", value)):
            if type(each) is not str:
                _check(each, f"{path}[{number}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise WrongValue(f"JSON has no form for {value} at {path}. Write None or a text in its place.")
    elif isinstance(value, int):
        _digits(int(value))
    elif value is not None and not isinstance(value, str):
        kind = cast("type[object]", type(value)).__name__
        raise WrongValue(
            f"A value of the kind {kind} at {path} can't be stored. {_advice(cast('object', value))}"
        )


def _advice(value: object) -> str:
    if isinstance(value, tuple | set | frozenset):
        return "Write list(value)."
    if isinstance(value, bytearray | memoryview):
        return "Write bytes(value)."
    if isinstance(value, bytes):
        return "Use set() for bytes, or write them as a text, by base64 for instance."
    if isinstance(value, float):
        return "Write None or a text in its place."
    return "Turn it into a text, a number, bytes, a list or a dict first."


def _decoded(data: bytes) -> Any:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
