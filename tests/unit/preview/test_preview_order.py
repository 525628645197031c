"""A preview is the same whatever order the program and the protocol tell things in."""

from __future__ import annotations

import json
import random
from typing import Any, cast

from filewallball.engine.program.resources import Resource
from filewallball.preview.digest import digest
from filewallball.preview.markdown import markdown
from filewallball.preview.page import page
from filewallball.preview.text import text
from filewallball.redact import Redactor
from tests.unit.preview.test_preview_forms import made, trees


def shuffled(value: Any, by: random.Random) -> Any:
    """The same with the fields of all mappings in another order."""
    if isinstance(value, list):
        return [shuffled(item, by) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    items = list(cast("dict[str, Any]", value).items())
    by.shuffle(items)
    return {key: shuffled(item, by) for key, item in items}


def told(old: list[Resource], new: list[Resource]) -> list[str]:
    found, redactor = made(old, new), Redactor()
    data = json.dumps(digest(found, redactor), sort_keys=True)
    return [markdown(found, "elsewhere"), page(found, redactor), text(found), data]


def test_the_order_of_registrations_and_fields_changes_nothing() -> None:
    expected = told(*trees())
    for seed in range(5):
        by = random.Random(seed)
        found = trees()
        for resources in found:
            by.shuffle(resources)
            for each in resources:
                each.props = shuffled(each.props, by)
        assert told(*found) == expected
