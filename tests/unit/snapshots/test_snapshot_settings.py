"""The job's environment: everything that is wrong is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from filewallball.errors import ConfigError
from filewallball.snapshots.settings import Address, from_environment


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for name in ("backup", "sentinel"):
        (tmp_path / name).write_text(f"{name}-secret\n")
    return {
        "FWB_VALKEY_SENTINELS": "valkey-sentinel-0:26379,10.0.0.2:26380",
        "FWB_VALKEY_MASTER": "valkey-session-master",
        "FWB_VALKEY_PASSWORD_FILE": str(tmp_path / "backup"),
        "FWB_VALKEY_SENTINEL_PASSWORD_FILE": str(tmp_path / "sentinel"),
        "FWB_SNAPSHOTS_KEEP": "24",
        "FWB_STORE_BUCKET": "b",
        "FWB_STORE_PREFIX": "valkey/",
        "FWB_WORK_DIR": str(tmp_path),
        "FWB_WORK_SIZE": "1Gi",
        "FWB_THROWAWAY_DIR": "/work/throwaway",
    }


def test_everything_is_read(environment: dict[str, str]) -> None:
    found = from_environment(environment)
    assert found.set.sentinels == (Address("valkey-sentinel-0", 26379), Address("10.0.0.2", 26380))
    assert (found.set.password, found.set.sentinel_password) == ("backup-secret", "sentinel-secret")
    assert (found.keep, found.work_size, found.store.prefix) == (24, 2**30, "valkey/")
    assert "secret" not in repr(found).replace("secret_key", "")


def test_all_that_is_wrong_is_said_at_once(environment: dict[str, str]) -> None:
    wrong = {"FWB_VALKEY_SENTINELS": "a:1,b,c:x,:2", "FWB_SNAPSHOTS_KEEP": "0", "FWB_VALKEY_MASTER": ""}
    with pytest.raises(ConfigError) as caught:
        from_environment(environment | wrong | {"FWB_VALKEY_PASSWORD_FILE": "/nonexistent"})
    for said in (
        "'b' is not an address",
        "'c:x' is no",
        "':2' is no",
        "KEEP: '0'",
        "MASTER: not set",
        "read /non",
    ):
        assert said in caught.value.message


def test_an_empty_environment() -> None:
    with pytest.raises(ConfigError) as caught:
        from_environment({})
    assert caught.value.message.count("not set") >= 7
