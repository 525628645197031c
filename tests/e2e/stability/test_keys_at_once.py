"""Keys that are read by the hundred are those that are read one by one, to the byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from keys_lab import at_once, fill, one_by_one, raw, records
from redis_lab import Server

from filewallball.errors import UserError

LARGE = 3 * 2**20


@pytest.fixture
def client(single: Server) -> Iterator[Any]:
    made = raw(single)
    made.flushall()
    yield made
    made.flushall()


@pytest.mark.parametrize("rate", [None, 10**6])
def test_all_types_and_times_are_the_same(single: Server, client: Any, rate: int | None) -> None:
    fill(single)
    client.mset({b"": b"", b"*6\r\n$7\r\nRESTORE": b"\r\n", "%s%d": "%s", "large": os.urandom(LARGE)})
    client.set("first", 1, pxat=32503670000001)
    found = at_once(single, timeless=False, rate=rate)
    assert max(batch.count - len(batch.records) for batch in found) > 0  # by the hundred
    assert len(records(found)) == client.dbsize()
    assert records(found) == records(one_by_one(single))
    assert min(batch.first_expiry for batch in found if batch.first_expiry) == 32503670000001


@pytest.mark.parametrize("count", [0, 1, 2500])
def test_keys_that_never_expire_are_the_same(single: Server, client: Any, count: int) -> None:
    if count:
        client.mset({b"k%d" % n: os.urandom(n % 50) for n in range(count)})
    found = at_once(single, timeless=True)
    assert sum(batch.count for batch in found) == count
    assert records(found) == records(one_by_one(single))
    assert all(batch.first_expiry is None for batch in found)
    assert sum(len(batch.records) for batch in found) <= 4  # by the hundred


def test_what_looks_like_replies_is_read_one_by_one(single: Server, client: Any) -> None:
    client.mset({b"$1\r\n$%d" % n: b"\r\n$5\r\nhello\r\n:-1\r\n" * 5 for n in range(50)})
    for timeless in (True, False):
        found = at_once(single, timeless=timeless)
        assert len(records(found)) == 50
        assert records(found) == records(one_by_one(single))


def test_who_may_not_ping_is_told(single: Server, client: Any) -> None:
    client.acl_setuser("plain", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-ping"])
    try:
        with pytest.raises(UserError, match=r"refuses PING: NOPERM .* no permissions") as refused:
            at_once(single, timeless=False, user="plain")
        assert refused.value.hint.startswith("Allow the command for all keys")
    finally:
        client.acl_deluser("plain")
