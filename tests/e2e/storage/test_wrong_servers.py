"""An address, an account or a server that isn't right: told at once, in words that say what to write."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filewallball.storage import AsyncStorage, Full, Storage, StorageError, Unavailable, WrongSetting
from tests.e2e.redis_lab import MASTER, Server
from tests.e2e.storage.stores import Awaited, Watched

BOUND_SECONDS = 8.0
"""Below what a cluster or Sentinels are waited for."""


@pytest.fixture(params=["threads", "asyncio"])
def opened(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def make(url: str, **options: Any) -> Any:
        if request.param == "threads":
            return Storage.from_url(url, **options)
        return Awaited(AsyncStorage.from_url(url, **options))

    return make


def at_once(kind: type[StorageError], words: str, call: Callable[[], object]) -> None:
    started = time.monotonic()
    with pytest.raises(kind, match=words):
        call()
    assert time.monotonic() - started < BOUND_SECONDS


def test_a_cluster_that_was_never_reached(opened: Callable[..., Any]) -> None:
    gone = "redis+cluster://127.0.0.1:1?timeout=0.2"
    storage = opened(gone)
    for call in (lambda: storage.get("a"), lambda: storage.incr("a"), lambda: storage.get_many(["a", "b"])):
        at_once(Unavailable, "127.0.0.1:1 (can't be reached|has not answered)", call)
    cache = opened(gone, degrade=True)
    assert cache.get("a", "miss") == "miss"
    assert cache.get_or_compute("a", lambda: 5, 60) == 5
    assert cache.health_check()["healthy"] is False


def test_a_server_of_another_kind(
    opened: Callable[..., Any], server: Server, cluster: list[Server], watched: Watched
) -> None:
    at_once(WrongSetting, "Write redis://", lambda: opened(f"redis+cluster://{server.address}").get("a"))
    alone = opened(cluster[0].url)
    with pytest.raises(WrongSetting, match=r"Write redis\+cluster://"):
        _ = [alone.get(f"k{number}") for number in range(50)]
    wrong = f"sentinel://{server.address}/{MASTER}"
    at_once(WrongSetting, "is no Sentinel", lambda: opened(wrong).get("a"))
    wrong = watched.url.replace(MASTER, "other") + "?timeout=0.2"
    at_once(Unavailable, "Check its name", lambda: opened(wrong).get("a"))
    wrong = watched.url
    at_once(WrongSetting, "sentinel_password", lambda: opened(wrong, sentinel_password="x").get("a"))
    at_once(WrongSetting, "no database of this number", lambda: opened(server.url + "/99").get("a"))


def test_a_user_without_a_password_is_that_user(opened: Callable[..., Any], server: Server) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+get", "+select")
        try:
            reader = opened(f"redis://reader@{server.address}")
            assert reader.get("a") is None
            with pytest.raises(StorageError, match="The user may not do this"):
                reader.set("a", 1)
            at_once(WrongSetting, "password", lambda: opened(server.url, user="nobody").get("a"))
        finally:
            client.acl_deluser("reader")


def test_a_file_of_the_authority_that_is_none(opened: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for name in ("text", "missing"):
        for scheme in ("rediss", "rediss+cluster"):
            url = f"{scheme}://127.0.0.1:1?ca_file={tmp_path}/{name}"
            at_once(WrongSetting, f"ca_file is '.*/{name}'.*PEM", lambda url=url: opened(url).get("a"))


def test_a_server_whose_memory_is_full(opened: Callable[..., Any], server: Server) -> None:
    strict, cache = opened(server.url), opened(server.url, degrade=True)
    strict.set("full", "old")
    with server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            for call in (
                lambda: strict.set("full", 1),
                lambda: strict.incr("n", 1, 60),
                lambda: strict.get_or_compute("c", int, 60),
                lambda: strict.save_checkpoint("c", 1),
            ):
                at_once(Full, "no memory left", call)
            assert strict.health_check()["healthy"] is False
            assert cache.get("full") == "old"
            assert cache.set("full", "new") is False
            assert cache.get("full") is None
            assert cache.get_or_compute("c", lambda: 5, 60) == 5
        finally:
            client.config_set("maxmemory", 0)
    assert cache.set("full", "newer") is True
