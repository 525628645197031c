"""Encrypted connections with the stack's authority alone, and accounts whose passwords stand in files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_certificates import Certificates

from filewallball.storage import AsyncStorage, Storage, WrongSetting
from tests.e2e.redis_lab import RedisLab, free_port

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the certificate of the server, and the password of the user `app`."""
    made = tmp_path_factory.mktemp("tls")
    Certificates().write(made, HOST)
    (made / "password").write_text("p@ss word\n")
    return made


@pytest.fixture(scope="module")
def url(lab: RedisLab, folder: Path) -> Iterator[str]:
    port = free_port()
    server = lab.server(
        f"tls-port {port}",
        f"tls-cert-file {folder}/tls.crt",
        f"tls-key-file {folder}/tls.key",
        f"tls-ca-cert-file {folder}/ca.crt",
        "tls-auth-clients no",
        'user app on ">p@ss word" ~* &* +@all -@admin -@dangerous +info',
    )
    yield f"rediss://{HOST}:{port}"
    server.stop()


def stored(url: str, **options: Any) -> Any:
    with Storage.from_url(url, **options) as storage:
        storage.set("encrypted", 1, 60)
        return storage.get("encrypted")


def stored_by_asyncio(url: str, **options: Any) -> Any:
    async def main() -> Any:
        async with AsyncStorage.from_url(url, **options) as storage:
            await storage.set("encrypted", 1, 60)
            return await storage.get("encrypted")

    return asyncio.run(main())


both = pytest.mark.parametrize("use", [stored, stored_by_asyncio])


@both
def test_the_stacks_authority_is_trusted(url: str, folder: Path, use: Callable[..., Any]) -> None:
    account = {"user": "app", "password": folder / "password"}
    assert use(url, ca_file=folder / "ca.crt", **account) == 1
    assert use(f"{url}/0?ca_file={folder}/ca.crt", **account) == 1
    with_account = url.replace("://", "://app:p%40ss%20word@")
    assert use(f"{with_account}?ca_file={folder}/ca.crt") == 1


@both
def test_another_one_is_not(url: str, tmp_path: Path, use: Callable[..., Any]) -> None:
    Certificates().write(tmp_path, HOST)
    for ca_file in (tmp_path / "ca.crt", None):
        with pytest.raises(WrongSetting, match="is not to be trusted"):
            use(url, ca_file=ca_file)


@both
def test_a_wrong_password_is_told_at_once(url: str, folder: Path, use: Callable[..., Any]) -> None:
    with pytest.raises(WrongSetting, match="refuses the user or the password"):
        use(url, ca_file=folder / "ca.crt", user="app", password="wrong")


def test_what_the_user_may_not_do_is_told(url: str, folder: Path) -> None:
    options: dict[str, Any] = {"user": "app", "password": folder / "password", "ca_file": folder / "ca.crt"}
    with Storage.from_url(url, **options) as storage:
        assert storage.get_or_compute("allowed", lambda: 1, 60) == 1
        with storage.lock("allowed", wait=5):
            assert storage.keys("allowed") == ["allowed"]
        assert storage.stats()["store"]["version"]
