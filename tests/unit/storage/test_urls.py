"""Addresses of storages: what is understood, what is refused, and that no password is shown."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from filewallball.storage import Storage, WrongSetting, opening, urls

SENTINELS = "sentinel://app:p%40ss@v0:26379,v1,[::1]:26381/valkey-session-master/2?sentinel_password=geheim"


def test_one_server() -> None:
    found = urls.parse("redis://app:p%2Fw@cache:6380/3?timeout=2&max_connections=7")
    assert (found.kind, found.hosts, found.db) == ("redis", (("cache", 6380),), 3)
    assert (found.user, found.password, found.timeout, found.max_connections) == ("app", "p/w", 2.0, 7)
    assert urls.parse("redis://cache").hosts == (("cache", 6379),)
    assert urls.parse("redis://:pw@cache").user is None


def test_encrypted() -> None:
    found = urls.parse("rediss://cache?ca_file=/etc/ca.crt")
    assert (found.encrypted, found.ca_file) == (True, "/etc/ca.crt")
    assert urls.parse("rediss+cluster://a,b").encrypted


def test_a_cluster() -> None:
    found = urls.parse("redis+cluster://a:7000,b")
    assert (found.kind, found.hosts) == ("cluster", (("a", 7000), ("b", 6379)))


def test_sentinels() -> None:
    found = urls.parse(SENTINELS)
    assert found.hosts == (("v0", 26379), ("v1", 26379), ("::1", 26381))
    assert (found.master, found.db, found.password) == ("valkey-session-master", 2, "p@ss")
    assert found.sentinel_password == "geheim"
    assert found.timeout == 10.0, "what a fail-over takes"


def test_a_folder() -> None:
    found = urls.parse("file:///var/lib/the%20cache?max_size=2097152")
    assert (found.folder, found.max_size) == (Path("/var/lib/the cache"), 2_097_152)
    assert not found.durable


def test_a_folder_that_outlasts_a_power_cut(tmp_path: Path) -> None:
    url = f"file://{tmp_path}"
    given: list[tuple[str, dict[str, Any]]] = [(url + "?durable=1", {}), (url, {"durable": True})]
    for where, options in given:
        with closing(Storage.from_url(where, **options)) as storage:
            storage.set("a", 1)
            assert storage.stats()["store"]["durable"] is True
    with closing(Storage.from_url(url + "?durable=0")) as storage:
        assert storage.get("a") == 1
        assert storage.stats()["store"]["durable"] is False


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "is no address"),
        ("cache:6379", "is no address"),
        ("http://cache", "is no address"),
        ("redis://", "is no address"),
        ("redis://a,b", "redis+cluster://"),
        ("redis://a/x", "the database is 'x'"),
        ("redis://a/-1", "the database is '-1'"),
        ("redis://a/1/2", "too many parts"),
        ("redis://a:0", "port 0"),
        ("redis://a:99999", "port 99999"),
        ("redis://a:x", "is no host"),
        ("redis://a b", "is no host"),
        ("redis+cluster://a,,b", "'' is no host"),
        ("redis+cluster://a/1", "too many parts"),
        ("redis://a?tiemout=1", "no option 'tiemout'. Use ca_file, timeout"),
        ("redis://a?timeout=x", "timeout is 'x'. Write seconds"),
        ("redis://a?timeout=nan", "timeout is 'nan'"),
        ("redis://a?timeout=0", "timeout is '0'"),
        ("redis://a?timeout=1&timeout=2", "twice"),
        ("redis://a?timeout=", "is empty"),
        ("redis://a?max_connections=0", "max_connections is '0'"),
        ("redis://a?max_connections=1.5", "max_connections is '1.5'"),
        ("redis://a?ca_file=/x", "rediss://"),
        ("redis://a#b", "%23"),
        ("sentinel://a:26379", "does not name the primary"),
        ("sentinel://a/name/x", "the database is 'x'"),
        ("file://", "is no address"),
        ("file:///", "names no folder"),
        ("file://data/cache", "three slashes"),
        ("file:///x%00y", "names no folder"),
        ("file:///x?max_size=1k", "max_size is '1k'"),
        ("file:///x?max_size=5", "max_size is '5'"),
        ("file:///x?durable=yes", "durable is 'yes'. Write a whole number from 0 to 1"),
        ("redis://a?durable=1", "no option 'durable'"),
        ("file:///x?timeout=5", "no option 'timeout'. Use max_size, durable"),
    ],
)
def test_what_is_refused(url: str, told: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        urls.parse(url)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://app:geheim@a:x",
        "redis://app:ge/heim@a",
        "sentinel://app:geheim@a/name?sentinel_password=geheim&sentinel_password=geheim",
    ],
)
def test_no_message_has_a_password(url: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        urls.parse(url)
    assert "geheim" not in str(caught.value)
    assert "heim" not in str(caught.value)


def test_an_address_shows_no_password() -> None:
    found = urls.parse(SENTINELS)
    assert str(found) == "valkey-session-master at v0:26379,v1:26379,::1:26381"
    assert "geheim" not in repr(found)
    assert "p@ss" not in repr(found)


def test_what_need_not_stand_in_the_address(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("old\n")
    found = opening.address(
        "sentinel://a/m", {"user": "app", "password": secret, "ca_file": tmp_path / "ca.crt"}
    )
    assert (found.user, found.encrypted) == ("app", True)
    assert urls.told(found.password) == "old"
    secret.write_text("new\n")
    assert urls.told(found.password) == "new", "asked anew for each connection"
    assert urls.told(lambda: "given") == "given"
    with pytest.raises(WrongSetting, match="Check the file's path"):
        urls.told(tmp_path / "none")


@pytest.mark.parametrize(
    ("url", "options", "told"),
    [
        ("redis://a", {"pasword": "x"}, "no option 'pasword'"),
        ("redis://:x@a", {"password": "y"}, "Give it once"),
        ("redis://a", {"ca_file": "/x"}, "rediss://"),
        ("redis://a", {"max_size": 5}, "not for 'redis://a'"),
        ("file:///x", {"password": "x"}, "not for 'file:///x'"),
        ("redis://a", {"timeout": -1}, "timeout is '-1'"),
        ("redis://a", {"max_connections": "many"}, "max_connections is 'many'"),
        ("file:///x", {"max_size": 5}, "max_size is '5'"),
        ("file:///x", {"durable": "yes"}, "durable is 'yes'"),
        ("redis://a", {"durable": True}, "not for 'redis://a'"),
    ],
)
def test_options_beside_the_address_are_looked_at_too(url: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        Storage.from_url(url, **options)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://:gehe/im@h", "redis://u:gehe?im@h", "redis://:1#gehe@h", "sentinel://u:1/gehe@h/m"]
)
def test_a_password_with_characters_of_addresses_is_told_and_not_shown(url: str) -> None:
    with pytest.raises(WrongSetting, match="Write %2F, %3F or %23") as caught:
        urls.parse(url)
    assert "gehe" not in str(caught.value)
