"""A store that fails: bounded tries, then an error that says what to do, and nothing under a final name."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore import endpoint
from odd_store import Odd, odd_store

from filewallball.backup import s3
from filewallball.backup import store as store_module
from filewallball.backup.publish import publish
from filewallball.backup.settings import StoreSettings
from filewallball.backup.store import Store, StoreError

PART = 64 * 1024
CONTENT = bytes(range(256)) * 256 * 8
"""Eight parts."""
NAME, MANIFEST = "p/dump", "p/dump.manifest.json"


@dataclass(frozen=True)
class About:
    name: str = "dump"

    def to_json(self) -> bytes:
        return b"{}"


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Odd]:
    """A store whose clients wait for nothing between their tries."""
    monkeypatch.setattr(store_module, "PART", PART)
    monkeypatch.setattr(endpoint, "time", types.SimpleNamespace(sleep=lambda _: None))
    with odd_store(Odd()) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dump"
    path.write_bytes(CONTENT)
    return path


def opened(odd: Odd) -> Store:
    return Store(StoreSettings("bucket", "p/", odd.endpoint, "us-east-1", "key", "secret"))


def tries(odd: Odd, what: str) -> int:
    return odd.seen.count(what)


def checked(store: Store) -> Any:
    """Reads back what was stored, as a backup does."""

    def check(about: About) -> None:
        if store.get(about.name) != CONTENT:
            raise StoreError("not what was stored")

    return check


@pytest.mark.parametrize(
    "what", [f"PUT {NAME} part 7", f"POST {NAME} begin", f"POST {NAME} end", f"PUT {MANIFEST}"]
)
@pytest.mark.parametrize(
    ("code", "hint"),
    [((500, "InternalError"), "See that the store runs"), ((507, "QuotaExceeded"), "no room left")],
)
def test_what_keeps_failing_ends_the_run_and_leaves_nothing(
    odd: Odd, file: Path, what: str, code: tuple[int, str], hint: str
) -> None:
    store = opened(odd)
    store.learn(lambda _: None)
    odd.refusing[what] = code
    with pytest.raises(StoreError) as caught:
        publish(store, file, [About()], checked(store))
    assert hint in caught.value.hint
    assert tries(odd, what) == (s3.ATTEMPTS if code[0] == 500 else 1)
    assert odd.objects == {}
    assert odd.uploads == {}


@pytest.mark.parametrize("lost", [NAME, MANIFEST])
def test_an_answer_that_is_lost_is_no_failure_and_takes_no_second_name(
    odd: Odd, file: Path, lost: str
) -> None:
    """What was stored all the same is known again, though the second try is refused: the name is taken."""
    store = opened(odd)
    store.learn(lambda _: None)
    odd.lost = [f"POST {NAME} end" if lost == NAME else f"PUT {MANIFEST}"]
    made = publish(store, file, [About(), About("next")], checked(store))
    assert odd.lost == []
    assert made.name == "dump"
    assert odd.objects == {NAME: CONTENT, MANIFEST: b"{}"}
    assert odd.uploads == {}


def test_a_small_upload_whose_answer_is_lost(odd: Odd) -> None:
    store = opened(odd)
    store.learn(lambda _: None)
    odd.lost = ["PUT p/small"]
    store.put(b"ours", "small")
    assert odd.objects == {"p/small": b"ours"}


def test_a_name_that_another_took_meanwhile_is_not_taken_for_ours(odd: Odd) -> None:
    store = opened(odd)
    store.learn(lambda _: None)
    odd.objects["p/small"] = b"another's"
    odd.failing = [(503, "SlowDown")]
    with pytest.raises(store_module.AlreadyThere):
        store.put(b"ours", "small")
    assert odd.objects == {"p/small": b"another's"}


def test_a_store_that_does_not_answer_is_given_up(
    odd: Odd, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "READ_SECONDS", 0.5)
    store = opened(odd)
    store.learn(lambda _: None)
    odd.slow = frozenset([f"PUT {NAME} part 7"])
    with pytest.raises(StoreError, match="timeout"):
        publish(store, file, [About()], checked(store))
    assert tries(odd, f"PUT {NAME} part 7") == s3.ATTEMPTS
    assert (odd.objects, odd.uploads) == ({}, {})


def test_credentials_that_are_refused_half_way(odd: Odd, file: Path) -> None:
    store = opened(odd)
    store.learn(lambda _: None)
    odd.refusing = {f"PUT {NAME} part 7": (403, "ExpiredToken")}
    with pytest.raises(StoreError) as caught:
        publish(store, file, [About()], checked(store))
    assert "sessionTokenKey" in caught.value.hint
    assert tries(odd, f"PUT {NAME} part 7") == 1
    assert (odd.objects, odd.uploads) == ({}, {})


def test_a_store_that_goes_away_half_way_tells_what_went_wrong_first(odd: Odd, file: Path) -> None:
    store = opened(odd)
    store.learn(lambda _: None)
    odd.refusing = {f"PUT {NAME} part 7": (500, "InternalError"), f"DELETE {NAME}": (503, "SlowDown")}
    with pytest.raises(StoreError, match="InternalError"):
        publish(store, file, [About()], checked(store))
    assert odd.objects == {}
