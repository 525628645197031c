"""The two faces of a storage have the same calls, and imports stay small."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from filewallball import storage
from filewallball.storage import AsyncStorage, Storage


def calls(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(each) for name, each in inspect.getmembers(kind, callable) if name[0] != "_"
    }


def test_both_faces_have_the_same_calls() -> None:
    ours, theirs = calls(Storage), calls(AsyncStorage)
    assert set(ours) == set(theirs)
    for name in set(ours) - {"from_url", "lock"}:
        assert ours[name].parameters == theirs[name].parameters, name
    for name in ("from_url", "lock"):
        assert list(ours[name].parameters) == list(theirs[name].parameters), name


@pytest.mark.parametrize("name", storage.__all__)
def test_each_name_can_be_imported(name: str) -> None:
    assert getattr(storage, name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Storrage'"):
        _ = storage.Storrage  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("used", "unneeded"),
    [
        ("StorageError", ("redis", "lmdb", "asyncio")),
        ("Storage as S; S.from_url('redis://a')", ("lmdb", "jsonpath")),
        ("AsyncStorage as S; S.from_url('redis://a')", ("lmdb", "jsonpath")),
    ],
)
def test_only_what_is_used_is_imported(used: str, unneeded: tuple[str, ...]) -> None:
    listing = f"import sys; from filewallball.storage import {used}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & set(unneeded)
