"""The product's own session set, encrypted and with passwords: a fail-over under calls and locks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_set import LocalSet, free_net, wait_for

from filewallball.storage import Storage
from filewallball.storage.sessions import MASTER

pytestmark = pytest.mark.nightly


@pytest.fixture
def encrypted(tree: Path, tmp_path: Path) -> Iterator[LocalSet]:
    found = LocalSet(tree, tmp_path, free_net(180), encrypted=True)
    found.start()
    yield found
    found.close()


def test_no_call_fails_and_no_token_comes_back(encrypted: LocalSet) -> None:
    old = encrypted.wait_whole()
    hosts = ",".join(f"{each.pod.host}:26379" for each in encrypted.sentinels)
    options: dict[str, Any] = {
        "password": encrypted.passwords["app"],
        "sentinel_password": encrypted.passwords["sentinel"],
        "ca_file": encrypted.ca_file(),
        "timeout": 20,
    }
    with Storage.from_url(f"sentinel://{hosts}/{MASTER}", "shop:", **options) as storage:
        tokens: list[int] = []

        def works(number: int) -> None:
            assert storage.set("session:user:1", {"number": number}, 60)
            assert storage.get("session:user:1") == {"number": number}
            with storage.lock("till", ttl=10, wait=20) as token:
                tokens.append(token)

        works(0)
        encrypted.stop_agent_roughly(old)
        encrypted.kill(old)
        for number in range(1, 100):
            works(number)
        assert tokens == sorted(set(tokens))
        wait_for(lambda: old.pod.name not in encrypted.named(), 10, lambda: str(encrypted.named()))
        assert storage.stats()["store"]["role"] == "master"
