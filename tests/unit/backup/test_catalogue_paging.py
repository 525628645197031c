"""The store's client against answers that a gateway on a laptop seldom gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from filewallball.backup import catalogue
from filewallball.backup.settings import StoreSettings
from filewallball.backup.store import AlreadyThere, Store, StoreError

NAMES = [f"filewallball_backup_202603{day:02}_020000.sql.gz" for day in range(1, 8)]
WHERE: dict[str, Any] = {"Bucket": "b", "Prefix": "p/"}


@pytest.fixture
def answers() -> Iterator[tuple[Store, Stubber]]:
    client: Any = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s"
    )
    with Stubber(client) as stub:
        yield Store(StoreSettings("b", "p/"), client), stub
        stub.assert_no_pending_responses()


def item(key: str) -> dict[str, Any]:
    return {"Key": f"p/{key}", "Size": 1, "LastModified": datetime(2026, 3, 9, tzinfo=UTC)}


def test_every_page_is_read(answers: tuple[Store, Stubber]) -> None:
    store, stub = answers
    first = {
        "IsTruncated": True,
        "NextContinuationToken": "t",
        "Contents": [item(name) for name in NAMES[:4]],
    }
    stub.add_response("list_objects_v2", first, WHERE)
    last = {"IsTruncated": False, "Contents": [item(name) for name in NAMES[4:]]}
    stub.add_response("list_objects_v2", last, {**WHERE, "ContinuationToken": "t"})
    assert [found.key for found in store.list()] == NAMES


def test_an_empty_store_has_no_newest(answers: tuple[Store, Stubber]) -> None:
    store, stub = answers
    stub.add_response("list_objects_v2", {"IsTruncated": False}, WHERE)
    assert catalogue.newest_verified(store) is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", "in the bucket's policy"),
        ("NoSuchBucket", "Create the bucket"),
        ("RequestTimeTooSkewed", "clocks"),
        ("SlowDown", "overloaded"),
        ("ExpiredToken", "filewallball:backup.store.sessionTokenKey"),
        ("PermanentRedirect", "filewallball:backup.store.region"),
        ("Other", "filewallball:backup.store.endpoint"),
    ],
)
def test_refusals_say_what_to_do(answers: tuple[Store, Stubber], code: str, said: str) -> None:
    store, stub = answers
    stub.add_client_error("list_objects_v2", code, http_status_code=403)
    with pytest.raises(StoreError) as caught:
        store.check()
    assert said in caught.value.hint
    assert "s3://b/p/ at AWS" in caught.value.message


def test_a_name_that_is_taken(answers: tuple[Store, Stubber]) -> None:
    store, stub = answers
    stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    with pytest.raises(AlreadyThere):
        store.put(b"x", NAMES[0])


def test_whether_an_object_exists(answers: tuple[Store, Stubber]) -> None:
    store, stub = answers
    asked = {"Bucket": "b", "Prefix": "p/x"}
    for keys, there in (([], False), (["p/x.manifest.json"], False), (["p/x", "p/x.manifest.json"], True)):
        stub.add_response("list_objects_v2", {"Contents": [{"Key": key} for key in keys]}, asked)
        assert store.exists("x") is there
    stub.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
    with pytest.raises(StoreError, match="look for x"):
        store.exists("x")
