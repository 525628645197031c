"""Who belongs to the set, from a container's environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from filewallball.errors import ConfigError
from filewallball.valkey.layout import from_environment

ENVIRONMENT = {
    "POD_NAME": "valkey-1",
    "FWB_MEMBERS": "2",
    "FWB_SENTINELS": "3",
    "FWB_QUORUM": "2",
    "FWB_MASTER_NAME": "sessions",
    "FWB_MAX_CONNECTIONS": "500",
    "VALKEY_0_SERVICE_HOST": "10.0.0.1",
    "VALKEY_1_SERVICE_HOST": "10.0.0.2",
    "VALKEY_SENTINEL_0_SERVICE_HOST": "10.0.1.1",
    "VALKEY_SENTINEL_1_SERVICE_HOST": "10.0.1.2",
    "VALKEY_SENTINEL_2_SERVICE_HOST": "10.0.1.3",
}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for key in ("agent", "peer"):
        (tmp_path / f"{key}-password").write_text(f"{key}-secret\n")
    return tmp_path


def test_a_layout_from_the_environment(secrets: Path) -> None:
    layout = from_environment(ENVIRONMENT, secrets)
    assert layout.connections == 500
    assert layout.me.host == "10.0.0.2"
    assert [pod.name for pod in layout.peers] == ["valkey-0"]
    assert layout.majority == 2
    assert layout.member("10.0.0.1") == layout.members[0]
    assert layout.member("10.9.9.9") is None
    assert layout.login("agent").get_credentials() == ("agent", "agent-secret")
    (secrets / "agent-password").write_text("another\n")
    assert layout.login("agent").get_credentials() == ("agent", "another"), "read at each login"


def test_a_quorum_above_the_majority_is_what_must_agree(secrets: Path) -> None:
    assert from_environment({**ENVIRONMENT, "FWB_QUORUM": "3"}, secrets).majority == 3


def test_identities_are_as_the_start_script_computes_them(secrets: Path) -> None:
    sentinel = from_environment(ENVIRONMENT, secrets).sentinels[2]
    computed = subprocess.run(["sha1sum"], input=b"valkey-sentinel-2", capture_output=True, check=True).stdout
    assert computed.decode().startswith(sentinel.identity + " ")


@pytest.mark.parametrize("missing", sorted(ENVIRONMENT))
def test_each_missing_variable_is_named(secrets: Path, missing: str) -> None:
    environment = {key: value for key, value in ENVIRONMENT.items() if key != missing}
    with pytest.raises(ConfigError, match=missing):
        from_environment(environment, secrets)


def test_wrong_values_are_named(secrets: Path) -> None:
    with pytest.raises(ConfigError, match="FWB_QUORUM is 'two'"):
        from_environment({**ENVIRONMENT, "FWB_QUORUM": "two"}, secrets)
    with pytest.raises(ConfigError, match="none of the 2 members"):
        from_environment({**ENVIRONMENT, "POD_NAME": "valkey-7"}, secrets)


def test_a_missing_password_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="agent-password"):
        from_environment(ENVIRONMENT, tmp_path)
