"""Policy documents of AWS: their statements, wherever a resource holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policy.plain import Path, as_list, at, is_unknown, mapping, text


def statements(document: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The statements of a document, a text in JSON or the mapping itself, with their places in it."""
    if isinstance(document, str):
        if is_unknown(document):
            return
        try:
            document = json.loads(document)
        except ValueError:
            return
    for index, each in enumerate(as_list(at(document, "Statement"))):
        yield ("Statement", index), mapping(each)


def everyone(statement: dict[str, Any]) -> bool:
    """Whether the statement's principal is anyone at all."""
    principal = statement.get("Principal")
    return "*" in as_list(principal) or any("*" in as_list(each) for each in mapping(principal).values())


def values(statement: dict[str, Any], name: str) -> list[str]:
    """The texts of a field that holds one or several."""
    return [text(each) for each in as_list(statement.get(name))]
