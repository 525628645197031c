"""JSON by JSONPath (RFC 9535), with python-jsonpath where a path is more than the whole document."""

from __future__ import annotations

from typing import Any

from filewallball.storage import codec
from filewallball.storage.errors import WrongSetting, WrongValue
from filewallball.storage.logic.values import Keep, Values
from filewallball.storage.steps import Operation

ROOT = "$"


def compiled(path: object) -> Any:
    """The path, ready for use. Raises WrongSetting."""
    if not isinstance(path, str) or not path.startswith(ROOT):
        raise WrongSetting(f"The path {path!r} is no JSONPath. Write one such as $.name or $.items[0].price.")
    try:
        import jsonpath
    except ModuleNotFoundError:
        raise WrongSetting(
            f"For the path {path!r} a package is missing. Run: pip install 'filewallball[jsonpath]'"
        ) from None
    try:
        # not strict, it takes members such as "none" for words of its own
        return jsonpath.JSONPathEnvironment(strict=True).compile(path)
    except (jsonpath.JSONPathError, RecursionError) as error:
        why = str(error).partition("\n")[0]
        raise WrongSetting(
            f"The path {path!r} is no JSONPath: {why}. Write one such as $.items[0]."
        ) from None


def picked(document: Any, path: str, default: Any) -> Any:
    """What stands at the path; a list of all, if it can mean several places."""
    query = compiled(path)
    found: list[Any] = query.findall(document) if _is(document, dict) or _is(document, list) else []
    if not _single(query):
        return found
    return found[0] if found else default


def replaced(document: Any, path: str, value: Any) -> tuple[Any, int]:
    """The document with the value at each place of the path, and how many places there were.

    A new member is added to an object, and a new element right after an array's last one, if the path means
    one place alone. Raises WrongValue if there is no such place.
    """
    query = compiled(path)
    places: list[tuple[Any, ...]] = [match.parts for match in query.finditer(document)]
    if not places and _single(query):
        places = _new_place(query, document)
    if not places:
        raise WrongValue(f"There is nothing at {path}. Set what is around it first.")
    # the deepest first: what is within another place goes with it
    for place in sorted(places, key=len, reverse=True):
        if not place:
            document = value
            continue
        around = document
        for part in place[:-1]:
            around = around[part]
        if _is(around, list) and place[-1] == len(around):
            around.append(value)
        else:
            around[place[-1]] = value
    return document, len(places)


def _is(thing: Any, kind: type[Any]) -> bool:
    return isinstance(thing, kind)


def _single(query: Any) -> bool:
    test: Any = getattr(query, "singular_query", None)
    return test is not None and bool(test())


def _new_place(query: Any, document: Any) -> list[tuple[Any, ...]]:
    steps = [segment.selectors[0] for segment in query.segments]
    parts: list[Any] = [step.name if hasattr(step, "name") else step.index for step in steps]
    around = document
    for part in parts[:-1]:
        try:
            around = around[part]
        except (LookupError, TypeError):
            return []
    last = parts[-1]
    named = _is(around, dict) and isinstance(last, str)
    return [tuple(parts)] if named or (_is(around, list) and last == len(around)) else []


class Documents:
    """`set_json` and `get_json`."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def get(self, key: str, path: str, default: Any) -> Operation[Any]:
        if path != ROOT:
            compiled(path)
        missing = object()
        found = yield from self.values.get(key, missing)
        if found is missing:
            return default
        if isinstance(found, bytes):
            raise WrongValue(f"At {key!r} stand bytes, not JSON. Read them with get().")
        return found if path == ROOT else picked(found, path, default)

    def set(self, key: str, value: Any, ttl: float | Keep | None, path: str) -> Operation[bool]:
        data = codec.json_value(value)
        if path == ROOT:
            return (yield from self.values.set(key, value, ttl))
        compiled(path)
        name = self.values.key(key)

        def written(raw: bytes | None) -> bytes:
            held = None if raw is None else codec.decode(raw)
            if not (_is(held, dict) or _is(held, list)):
                raise WrongValue(f"At {key!r} stands no object or array. Set the whole document first.")
            document, _ = replaced(held, path, codec.decode(data))
            return codec.json_value(document)

        return (yield from self.values.changed(name, written, ttl))
