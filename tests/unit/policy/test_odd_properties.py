"""No rule breaks on properties of another shape than it expects: the API server refuses such objects."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import aws_cases
import cluster_cases
import policy_cases
from registrations import TEMPLATE_KINDS, Registration, changed, with_pod
from test_pod_security_rules import REFUSED

from policy import judging
from policy.plain import UNKNOWN

ODD: list[Any] = [None, [], {}, 7, -1.5, "x", True, UNKNOWN, [{}], [[]], {"a": []}, [None], {"*": "*"}]
REGISTRATIONS: list[Registration] = [
    *(with_pod(kind, policy_cases.RESTRICTED_POD) for kind in TEMPLATE_KINDS),
    *(with_pod("Pod", changed(policy_cases.RESTRICTED_POD, path, value)) for _, path, value, _ in REFUSED),
    *(
        each
        for cases in (policy_cases.CASES, cluster_cases.CASES, aws_cases.CASES)
        for case in cases.values()
        for stack in (*case.good[:1], case.bad[0][0])
        for each in stack
    ),
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a structure."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from paths(item, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return {**value, path[0]: replaced(value[path[0]], path[1:], new)}
    return [replaced(item, path[1:], new) if index == path[0] else item for index, item in enumerate(value)]


def test_odd_properties_break_no_rule() -> None:
    chance = random.Random(7)
    for given in REGISTRATIONS:
        places = [path for path in paths(given["props"]) if path]
        for path in chance.sample(places, min(4, len(places))):
            odd = {**given, "props": replaced(given["props"], path, chance.choice(ODD))}
            judging.judge([odd, given], protected=True)
