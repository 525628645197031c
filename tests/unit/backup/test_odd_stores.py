"""Stores that can do less than AWS: what they can't is found out, told and worked round."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from odd_store import Odd, odd_store, private_certificate

from filewallball.backup import store as store_module
from filewallball.backup.settings import StoreSettings
from filewallball.backup.store import AlreadyThere, Store, StoreError
from filewallball.errors import ConfigError

PART = 64 * 1024
LARGE = bytes(range(256)) * 600
"""Two parts and a rest."""


def settings(odd: Odd, **more: Any) -> StoreSettings:
    return StoreSettings("bucket", "p/", odd.endpoint, "us-east-1", "key", "secret", **more)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Odd, Store, list[str]]]]:
    """`opened(Odd(…), setting=…)`: the store, a client of it that has learnt, and what it told."""
    monkeypatch.setattr(store_module, "PART", PART)
    with ExitStack() as stack:

        def start(odd: Odd, certificate: Any = None, **more: Any) -> tuple[Odd, Store, list[str]]:
            stack.enter_context(odd_store(odd, certificate))
            said: list[str] = []
            store = Store(settings(odd, **more))
            store.learn(said.append)
            return odd, store, said

        yield start


@pytest.mark.parametrize("checksums", ["taken", "refused", "kept"])
@pytest.mark.parametrize(
    ("scheme", "condition"),
    [
        *(("http", condition) for condition in ("honoured", "501", "ignored")),
        ("https", "honoured"),
        # conditions are headers alike; checksums are sent in another way over TLS
        pytest.param("https", "501", marks=pytest.mark.nightly),
        pytest.param("https", "ignored", marks=pytest.mark.nightly),
    ],
)
def test_every_store_keeps_what_it_is_given_and_overwrites_nothing(
    opened: Any, tmp_path: Path, checksums: str, condition: str, scheme: str
) -> None:
    certificate = private_certificate(tmp_path) if scheme == "https" else None
    ca = {"ca_file": str(certificate[0])} if certificate else {}
    told = Odd(checksums=checksums, condition=condition, parts_condition=condition)
    odd, store, said = opened(told, certificate, **ca)
    assert odd.objects == {}, "the probe is gone again"
    assert any("checksums" in line for line in said) == (checksums != "taken")
    assert any("If-None-Match" in line for line in said) == (condition != "honoured")

    file = tmp_path / "large"
    file.write_bytes(LARGE)
    store.put(b"small", "small")
    store.put_file(file, "large")
    assert store.get("small") == b"small"
    assert store.get("large") == LARGE
    with pytest.raises(AlreadyThere):
        store.put(b"another's", "small")
    with pytest.raises(AlreadyThere):
        store.put_file(file, "large")
    assert odd.objects == {"p/small": b"small", "p/large": LARGE}
    assert odd.uploads == {}
    # Once a run: nothing more is tried or told.
    before = len(said)
    store.put(b"x", "next")
    assert len(said) == before


@pytest.mark.parametrize("parts_condition", ["501", "ignored"])
def test_a_condition_that_is_honoured_for_whole_uploads_alone(
    opened: Any, tmp_path: Path, parts_condition: str
) -> None:
    odd, store, said = opened(Odd(parts_condition=parts_condition))
    assert said == []
    file = tmp_path / "large"
    file.write_bytes(LARGE)
    odd.objects["p/large"] = b"another's"
    with pytest.raises(AlreadyThere):
        store.put_file(file, "large")
    assert odd.objects == {"p/large": b"another's"}
    [line] = said
    assert "does not honour If-None-Match for uploads in parts" in line
    assert "stays unguarded: whoever else writes into the bucket" in line


def test_without_a_learnt_store_the_first_upload_learns() -> None:
    with odd_store(Odd(condition="ignored")) as odd:
        store = Store(settings(odd))
        odd.objects["p/taken"] = b"another's"
        with pytest.raises(AlreadyThere):
            store.put(b"x", "taken")
        assert odd.objects == {"p/taken": b"another's"}


def test_a_store_that_loses_what_it_is_given_is_refused(opened: Any) -> None:
    with pytest.raises(StoreError, match="does not give back what was stored"):
        opened(Odd(loses=True))


@pytest.mark.parametrize("listing", ["2", "1", "501"])
def test_all_names_are_listed_by_stores_of_either_kind(opened: Any, listing: str) -> None:
    odd, store, _ = opened(Odd(listing=listing))
    odd.objects |= {f"p/{number:02}": b"x" for number in range(10)}
    assert [found.key for found in store.list()] == [f"{number:02}" for number in range(10)]


def test_a_store_that_asks_to_wait_is_asked_again(opened: Any) -> None:
    odd, store, _ = opened(Odd())
    odd.failing = [(503, "SlowDown"), (500, "InternalError")]
    store.put(b"x", "name")
    assert odd.objects == {"p/name": b"x"}


def test_a_private_authority_must_be_named(opened: Any, tmp_path: Path) -> None:
    certificate = private_certificate(tmp_path)
    with pytest.raises(StoreError) as caught:
        opened(Odd(), certificate)
    assert "filewallball:backup.store.ca" in caught.value.hint
    for content in ("", "no certificate"):
        bad = tmp_path / "bad.crt"
        bad.write_text(content)
        with pytest.raises(ConfigError, match="CA bundle"):
            opened(Odd(), certificate, ca_file=str(bad))
    with pytest.raises(ConfigError, match="There is no CA bundle"):
        opened(Odd(), certificate, ca_file=str(tmp_path / "none"))


def test_temporary_credentials_come_with_their_token(opened: Any) -> None:
    _, store, _ = opened(Odd(token="t-1"), session_token="t-1")
    store.put(b"x", "name")
    for wrong in (None, "t-2"):
        with pytest.raises(StoreError) as caught:
            opened(Odd(token="t-1"), session_token=wrong)
        assert "filewallball:backup.store.sessionTokenKey" in caught.value.hint


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ((403, "AccessDenied"), "policy"),
        ((404, "NoSuchBucket"), "backup.store.bucket"),
        ((403, "RequestTimeTooSkewed"), "clocks"),
        ((301, "PermanentRedirect"), "backup.store.region"),
        ((307, "TemporaryRedirect"), "backup.store.region"),
        ((400, "AuthorizationHeaderMalformed"), "backup.store.region"),
    ],
)
def test_what_no_other_form_of_request_would_mend_ends_at_once(
    opened: Any, code: tuple[int, str], hint: str
) -> None:
    odd = Odd(failing=[code])
    with pytest.raises(StoreError) as caught:
        opened(odd)
    assert hint in caught.value.hint
    assert len([line for line in odd.seen if line.startswith("PUT")]) == 1
    assert odd.objects == {}


def test_the_buckets_name_stands_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    known = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **named: known("127.0.0.1", *more, **named)
    )
    with odd_store(Odd(virtual=True)) as odd:
        odd.endpoint = odd.endpoint.replace("127.0.0.1", "localhost")
        store = Store(settings(odd, addressing="virtual"))
        store.put(b"x", "name")
        assert odd.objects == {"p/name": b"x"}


@pytest.mark.parametrize("ending", ["", "/"])
def test_an_endpoint_may_end_in_a_slash(ending: str) -> None:
    with odd_store(Odd()) as odd:
        odd.endpoint += ending
        Store(settings(odd)).put(b"x", "name")
        assert odd.objects == {"p/name": b"x"}
